//! The tasks that are left, shared by the workers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pgl_core::setup::copy::Task;

use crate::Error;

/// A queue that can be closed: after a failure nobody begins anything new. A table whose CHECK refuses rows may wait for
/// another one that the CHECK reads: it is tried again after the others, as long as any of them was copied.
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

struct Inner {
    tasks: VecDeque<(usize, Task)>,
    closed: bool,
    taken: usize,
    refused: Vec<(usize, Task, Error)>,
}

impl Queue {
    /// Tasks in the order in which they are to be taken.
    pub(super) fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                tasks: tasks.into_iter().enumerate().collect(),
                closed: false,
                taken: 0,
                refused: Vec::new(),
            }),
        }
    }

    /// The next task with its number.
    pub(super) fn take(&self) -> Option<(usize, Task)> {
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        let next = inner.tasks.pop_front();
        inner.taken += usize::from(next.is_some());
        next
    }

    /// A CHECK has refused rows of it.
    pub(super) fn refused(&self, number: usize, task: Task, error: Error) {
        self.lock().refused.push((number, task, error));
    }

    /// Once no worker is left: hands what was refused out again. An error where that would be in vain, and whether there is
    /// anything to do.
    pub(super) fn again(&self) -> Result<bool, Error> {
        let mut inner = self.lock();
        if inner.closed {
            return Ok(false);
        }
        let refused = std::mem::take(&mut inner.refused);
        let copied = std::mem::take(&mut inner.taken) - refused.len();
        for (number, task, error) in refused {
            if copied == 0 {
                return Err(error);
            }
            inner.tasks.push_back((number, task));
        }
        Ok(!inner.tasks.is_empty())
    }

    /// Nothing more is handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
