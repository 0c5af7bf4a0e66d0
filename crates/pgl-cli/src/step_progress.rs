//! Progress and signals for the steps of a tool that writes.

use std::any::Any;
use std::sync::{Mutex, PoisonError};

use pgl_conn::{CancelHandle, Watch};

use crate::Context;
use crate::progress::{Progress, Unit};

/// Draws the progress of steps.
pub struct StepProgress<'a> {
    context: &'a Context,
    bar: Mutex<Option<Progress>>,
}

impl<'a> StepProgress<'a> {
    /// On this tool's streams.
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            bar: Mutex::new(None),
        }
    }

    fn with(&self, draw: impl FnOnce(&Progress)) {
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            draw(bar);
        }
    }
}

impl Watch for StepProgress<'_> {
    fn say(&self, line: &str) {
        self.context.say(&format!("{}: {line}", self.context.tool));
    }

    fn begin(&self, label: &str, total: u64, bytes: bool) {
        let unit = if bytes { Unit::Bytes } else { Unit::Items };
        let bar = self.context.progress(label, Some(total), unit);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn add(&self, amount: u64) {
        self.with(|bar| bar.add(amount));
    }

    fn doing(&self, what: &str) {
        log::debug!("{what}");
        self.with(|bar| bar.message(what));
    }

    fn end(&self) {
        let bar = self
            .bar
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(bar) = bar {
            bar.finish();
        }
    }

    fn stop(&self) -> bool {
        self.context.interrupt.exit().is_some()
    }

    fn cancel_on_stop(&self, handle: CancelHandle) -> Box<dyn Any> {
        Box::new(self.context.cancel_on_signal(handle))
    }
}
