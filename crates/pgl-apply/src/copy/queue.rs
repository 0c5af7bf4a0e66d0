//! The tasks that are left, shared by the workers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pgl_core::setup::copy::Task;

/// A queue that can be closed: after a failure nobody begins anything new.
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

struct Inner {
    tasks: VecDeque<(usize, Task)>,
    closed: bool,
}

impl Queue {
    /// Tasks in the order in which they are to be taken.
    pub(super) fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                tasks: tasks.into_iter().enumerate().collect(),
                closed: false,
            }),
        }
    }

    /// The next task with its number.
    pub(super) fn take(&self) -> Option<(usize, Task)> {
        let mut inner = self.lock();
        if inner.closed {
            None
        } else {
            inner.tasks.pop_front()
        }
    }

    /// Nothing more is handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
