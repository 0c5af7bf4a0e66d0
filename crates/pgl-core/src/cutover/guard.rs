//! What has to hold before anybody is kept from writing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::OneSided;

/// What was seen just before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What pglogical says of the subscription; null where it does not exist.
    pub subscription: Option<String>,
    /// Tables that are not synchronised.
    pub tables_behind: u64,
    /// `apply_delay` in milliseconds.
    pub delay_ms: u64,
    /// Replicated tables of the plan that the subscription does not follow.
    pub not_followed: Vec<String>,
    /// Replicated tables of the plan that are not in the source's replication set, by OID.
    pub not_members: Vec<String>,
    /// VACUUM and the like that the server does not cancel for a lock, as sentences.
    pub vacuums: Vec<String>,
    /// Tables that were rewritten since their rows were copied, where they are too large to be compared under the locks.
    pub rewritten: Vec<String>,
    /// Bytes of the source's log that the target has not confirmed: first and second reading.
    pub lag: (u64, u64),
    /// Prepared transactions of the old home.
    pub prepared: u64,
    /// Indexes of the new home that are not valid.
    pub invalid_indexes: Vec<String>,
    /// Statements that pgl-setup holds back for other steps than foreign keys.
    pub held: u64,
    /// Replicated tables of the new home without statistics.
    pub without_statistics: Vec<String>,
    /// Replicated tables without a key that are not copied again, and have seen updates or deletes.
    pub uncarried: Vec<String>,
    /// Differences between the tables of both sides.
    pub differences: Vec<String>,
    /// Tables of the old home that the plan does not carry as it would have to.
    pub unplanned: Vec<String>,
    /// What only one side has.
    pub one_sided: OneSided,
    /// Sequences that cannot be carried over.
    pub sequences: Vec<String>,
    /// Large objects that would stay behind, as a sentence; null where none would.
    pub large_objects: Option<String>,
    /// Whether the copy of the rows was counted and found equal.
    pub copy_proven: bool,
    /// Whether replication back is asked for, to a home that does not write down where a change came from.
    pub circular: bool,
    /// Blocking findings of preflight's guardrail checks, as `id: what`.
    pub findings: Vec<(String, String)>,
}

/// What is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub max_lag: u64,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Stable id; `--force` takes it.
    pub id: String,
    /// What was found.
    pub what: String,
    /// What to do.
    pub hint: String,
}

fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    match names.len().checked_sub(5) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// Everything that does not hold and that nobody overrides.
pub fn guards(facts: &Facts, limits: Limits, forced: &[String]) -> Vec<Refusal> {
    let mut all: Vec<Refusal> = Vec::new();
    let mut refuse = |id: &str, what: String, hint: &str| {
        all.push(Refusal {
            id: id.to_owned(),
            what,
            hint: hint.to_owned(),
        });
    };
    match facts.subscription.as_deref() {
        Some("replicating") => {}
        Some(other) => refuse(
            "cut.subscription",
            format!("the subscription is {other}"),
            "pgl-status finds out why",
        ),
        None => refuse(
            "cut.subscription",
            "there is no subscription of this migration".to_owned(),
            "run pgl-setup first, or give --name",
        ),
    }
    if facts.tables_behind > 0 {
        refuse(
            "cut.synced",
            format!("{} tables are not synchronised", facts.tables_behind),
            "pgl-status --wait-for caught-up",
        );
    }
    if !facts.copy_proven {
        refuse(
            "cut.proven",
            "nothing says that the copy of the rows was complete".to_owned(),
            "pgl-verify proves it; then --force cut.proven",
        );
    }
    if !facts.not_followed.is_empty() {
        refuse(
            "cut.followed",
            format!("not replicated: {}", some(&facts.not_followed)),
            "run pgl-setup again: it adds what is missing",
        );
    }
    if !facts.not_members.is_empty() {
        refuse(
            "cut.followed",
            format!(
                "not in the source's replication set: {}",
                some(&facts.not_members)
            ),
            "a table that was dropped and created again is in no set, and its rows are not on the target: \
             pgl-control remove-table TABLE --yes, then pgl-control add-table TABLE --yes",
        );
    }
    if !facts.vacuums.is_empty() {
        refuse(
            "cut.vacuum",
            format!(
                "a lock on these tables would wait for: {}",
                some(&facts.vacuums)
            ),
            "wait until it has ended (pg_stat_progress_vacuum), or end it",
        );
    }
    if !facts.rewritten.is_empty() {
        refuse(
            "cut.rewritten",
            format!(
                "rewritten since the copy, and too large to be compared while writes are blocked: {}",
                some(&facts.rewritten)
            ),
            "an unlogged table writes nothing that is replicated: compare them with pgl-verify, then --force cut.rewritten",
        );
    }
    if facts.delay_ms > 0 {
        refuse(
            "cut.delay",
            format!("the subscription applies {} ms late", facts.delay_ms),
            "the pause would last that long; subscribe without apply_delay",
        );
    }
    let (first, second) = facts.lag;
    if second > limits.max_lag && second >= first {
        refuse(
            "cut.lag",
            format!(
                "the target is {second} bytes behind, more than {}, and not catching up",
                limits.max_lag
            ),
            "pgl-status --wait-for caught-up, or a larger --max-lag",
        );
    }
    if facts.prepared > 0 {
        refuse(
            "cut.prepared",
            format!("{} prepared transactions are open", facts.prepared),
            "they hold their locks for ever: COMMIT PREPARED or ROLLBACK PREPARED",
        );
    }
    if !facts.invalid_indexes.is_empty() {
        refuse(
            "cut.indexes",
            format!("not valid: {}", some(&facts.invalid_indexes)),
            "REINDEX them on the target",
        );
    }
    if facts.held > 0 {
        refuse(
            "cut.held",
            format!("{} objects of the schema are not created yet", facts.held),
            "run pgl-setup again: it goes on where it was",
        );
    }
    if !facts.without_statistics.is_empty() {
        refuse(
            "cut.statistics",
            format!("never analysed: {}", some(&facts.without_statistics)),
            "pgl-setup --step target.analyze",
        );
    }
    if !facts.uncarried.is_empty() {
        refuse(
            "cut.no_key",
            format!(
                "updated or deleted from without a key since the plan was made: {}",
                some(&facts.uncarried)
            ),
            "only inserts were replicated: make a plan that copies them again with pgl-preflight, and pass it with --plan; or give them a replica identity",
        );
    }
    if !facts.differences.is_empty() {
        refuse(
            "cut.schema",
            format!("tables differ: {}", some(&facts.differences)),
            "somebody has changed the schema of one side since the setup",
        );
    }
    if !facts.unplanned.is_empty() {
        refuse(
            "cut.unplanned",
            format!("changed since the plan: {}", some(&facts.unplanned)),
            "pgl-control add-table and add-sequence let new ones join; a plan given with --plan may be older than that: leave it away",
        );
    }
    if !facts.one_sided.definitions.is_empty() {
        refuse(
            "cut.definitions",
            format!("only one side has: {}", some(&facts.one_sided.definitions)),
            "make the change on the other side, too; where it is meant to be so: --force cut.definitions",
        );
    }
    if !facts.one_sided.rights.is_empty() {
        refuse(
            "cut.rights",
            format!(
                "owners and privileges that the new home lacks: {}",
                some(&facts.one_sided.rights)
            ),
            "grant them there; where other roles are meant to use it: --force cut.rights",
        );
    }
    if !facts.sequences.is_empty() {
        refuse(
            "cut.sequences",
            format!("cannot be carried over: {}", some(&facts.sequences)),
            "pgl-seqsync --dry-run says why",
        );
    }
    if let Some(what) = &facts.large_objects {
        refuse(
            "cut.large_objects",
            format!("they are not replicated: {what}"),
            "--large-objects carries them over; where they are of no use: --force cut.large_objects",
        );
    }
    for (id, what) in &facts.findings {
        refuse(
            id,
            what.clone(),
            "pgl-preflight prints the remedy of each of its findings",
        );
    }
    all.retain(|refusal| !forced.contains(&refusal.id));
    if facts.circular {
        // Nothing to be overridden: there is nothing to run.
        all.push(Refusal {
            id: "cut.reverse".to_owned(),
            what: "PostgreSQL 9.4 does not write down where a change came from: with replication back each one \
                   would travel in a circle"
                .to_owned(),
            hint: "switch without --reverse".to_owned(),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            subscription: Some("replicating".to_owned()),
            copy_proven: true,
            ..Facts::default()
        }
    }

    fn ids(facts: &Facts) -> Vec<String> {
        let limits = Limits { max_lag: 100 };
        guards(facts, limits, &[])
            .into_iter()
            .map(|r| r.id)
            .collect()
    }

    #[test]
    fn a_sound_pair_passes() {
        assert!(ids(&good()).is_empty());
    }

    #[test]
    fn each_fault_has_its_id_and_can_be_overridden() {
        type Fault = fn(&mut Facts);
        let faults: [(&str, Fault); 16] = [
            ("cut.subscription", |f| f.subscription = None),
            ("cut.subscription", |f| {
                f.subscription = Some("down".to_owned())
            }),
            ("cut.synced", |f| f.tables_behind = 1),
            ("cut.proven", |f| f.copy_proven = false),
            ("cut.delay", |f| f.delay_ms = 5),
            ("cut.prepared", |f| f.prepared = 1),
            ("cut.followed", |f| f.not_members = vec!["t".to_owned()]),
            ("cut.vacuum", |f| f.vacuums = vec!["t".to_owned()]),
            ("cut.rewritten", |f| f.rewritten = vec!["t".to_owned()]),
            ("cut.no_key", |f| f.uncarried = vec!["t".to_owned()]),
            ("cut.held", |f| f.held = 1),
            ("cut.schema", |f| f.differences = vec!["t".to_owned()]),
            ("cut.unplanned", |f| f.unplanned = vec!["t".to_owned()]),
            ("cut.definitions", |f| {
                f.one_sided.definitions = vec!["t".to_owned()]
            }),
            ("cut.rights", |f| f.one_sided.rights = vec!["t".to_owned()]),
            ("cut.statistics", |f| {
                f.without_statistics = vec!["t".to_owned()]
            }),
        ];
        for (id, fault) in faults {
            let mut facts = good();
            fault(&mut facts);
            assert_eq!(ids(&facts), [id]);
            let limits = Limits { max_lag: 100 };
            assert!(guards(&facts, limits, &[id.to_owned()]).is_empty());
        }
    }

    #[test]
    fn a_circle_cannot_be_forced() {
        let facts = Facts {
            circular: true,
            ..good()
        };
        let limits = Limits { max_lag: 100 };
        let left = guards(&facts, limits, &["cut.reverse".to_owned()]);
        assert_eq!(left[0].id, "cut.reverse");
    }

    #[test]
    fn lag_above_the_limit_passes_only_while_it_falls() {
        let mut facts = good();
        facts.lag = (500, 500);
        assert_eq!(ids(&facts), ["cut.lag"]);
        facts.lag = (500, 400);
        assert!(ids(&facts).is_empty());
        facts.lag = (10, 90);
        assert!(ids(&facts).is_empty());
    }
}
