//! Whether the server that rows are replicated to may have lost what it had confirmed.

use serde::{Deserialize, Serialize};

/// The timeline of the server that rows are replicated to. A standby that is promoted and a backup that is restored begin
/// a new one, and may lack transactions that were confirmed to the provider: its slot does not send those again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timelines {
    /// When replication to it began.
    pub then: u32,
    /// Now.
    pub now: u32,
}

impl Timelines {
    /// Whether it has begun a new one.
    pub fn changed(self) -> bool {
        self.then != self.now
    }
}
