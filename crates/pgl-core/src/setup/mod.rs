//! What pgl-setup does, as data: the steps and their order, the archive of the schema taken apart,
//! the tasks of the copy, and the comparison of both schemas. All of it pure: facts in, work out.
//!
//! The steps are the contract: `--list-steps`, `--dry-run`, `--step` and the report all speak of
//! the ids in [`StepId`].

pub mod archive;
pub mod compare;
pub mod copy;
pub mod secrets;
mod server_options;
mod steps;

pub use steps::{
    AFTER_UNTIL, CopyMode, ForeignKeys, KeepIndexes, NOT_NAMED, Options, RoleMode, SchemaMode,
    Step, StepId, When, choose, needs, steps,
};

/// Whether rows that were copied without an origin are safe from pglogical's conflict handling.
///
/// With `track_commit_timestamp` on, rows of our own copy look like newer local writes:
/// `last_update_wins` then throws replicated updates away in silence, and `error` stops the apply
/// worker for ever. Without commit timestamps pglogical compares nothing.
pub fn conflicts_are_safe(conflict_resolution: &str, track_commit_timestamp: bool) -> bool {
    conflict_resolution == "apply_remote"
        || (!track_commit_timestamp && conflict_resolution == "error")
}

/// Whether a run begins a migration or goes on with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been done yet.
    Fresh,
    /// An earlier run has left its journal.
    Continued,
}

/// Whether a blocking finding is left to the steps, which look at the same thing more closely.
///
/// The checks of preflight look at a migration that has not begun. Once it has, its own slot, rows
/// and half-built schema are found too; each step tells ours from others' by the journal.
pub fn left_to_steps(id: &str, stage: Stage, copy: CopyMode) -> bool {
    match id {
        // The schema step looks for the programs itself, also where --pg-bindir names them.
        "conn.client_tools" => true,
        "tbl.target_not_empty" => stage == Stage::Continued || copy == CopyMode::None,
        "tbl.missing_on_target" | "tbl.pk_mismatch" | "repl.slot_name_clash" | "obj.schema_pgl" => {
            stage == Stage::Continued
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_tells_apart_is_left_to_it() {
        use CopyMode::{None, Parallel};
        assert!(left_to_steps("tbl.target_not_empty", Stage::Fresh, None));
        assert!(!left_to_steps("conf.wal_level", Stage::Continued, Parallel));
        for (id, fresh) in [
            ("conn.client_tools", true),
            ("tbl.target_not_empty", false),
            ("tbl.missing_on_target", false),
            ("tbl.pk_mismatch", false),
            ("repl.slot_name_clash", false),
            ("obj.schema_pgl", false),
        ] {
            assert!(
                crate::rules::all().any(|check| check.id == id),
                "{id} is no check"
            );
            assert_eq!(left_to_steps(id, Stage::Fresh, Parallel), fresh, "{id}");
            assert!(left_to_steps(id, Stage::Continued, Parallel), "{id}");
        }
    }

    #[test]
    fn only_the_default_resolution_is_always_safe() {
        assert!(conflicts_are_safe("apply_remote", true));
        assert!(conflicts_are_safe("error", false));
        for risky in [
            "error",
            "last_update_wins",
            "first_update_wins",
            "keep_local",
        ] {
            assert!(!conflicts_are_safe(risky, true), "{risky}");
        }
    }
}
