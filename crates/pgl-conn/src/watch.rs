//! What a piece of work tells while it runs, and how it learns that it should stop. pgl-cli draws it;
//! who does the work knows nothing of screens.

use std::any::Any;

use crate::CancelHandle;

/// Progress and interruption. Called from several threads.
pub trait Watch: Sync {
    /// One line for people: something that takes long, or that they should know.
    fn say(&self, line: &str);

    /// A part with a known amount of work begins: `bytes` or objects.
    fn begin(&self, label: &str, total: u64, bytes: bool);

    /// Some of it is done.
    fn add(&self, amount: u64);

    /// What is being worked on.
    fn doing(&self, what: &str);

    /// The part is over.
    fn end(&self);

    /// Whether somebody asked for the end.
    fn stop(&self) -> bool;

    /// Cancels a session's statement when somebody asks for the end, as long as the result lives.
    fn cancel_on_stop(&self, handle: CancelHandle) -> Box<dyn Any>;
}

/// Nobody watches.
pub struct Silent;

impl Watch for Silent {
    fn say(&self, _: &str) {}
    fn begin(&self, _: &str, _: u64, _: bool) {}
    fn add(&self, _: u64) {}
    fn doing(&self, _: &str) {}
    fn end(&self) {}
    fn stop(&self) -> bool {
        false
    }
    fn cancel_on_stop(&self, _: CancelHandle) -> Box<dyn Any> {
        Box::new(())
    }
}
