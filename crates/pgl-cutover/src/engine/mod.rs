//! One attempt, from the guards to the release or back.

mod carry;
mod checks;
pub(crate) mod end;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgl_apply::control::{Marked, mark};
use pgl_apply::cutover::{self as apply, PromotionPlan, Recopy, WriteBlockTriggers};
use pgl_apply::journal::{write, written_at};
use pgl_apply::lock_wait::LockWait;
use pgl_apply::sequences::{self as setval, SequenceSetting};
use pgl_apply::target::{self, Properties, Property};
use pgl_apply::{Error, Watch};
use pgl_catalog::sequences as catalog;
use pgl_cli::{Interrupt, stop_point};
use pgl_conn::Session;
use pgl_core::cutover::{
    Attempt, AttemptState, Closed, Direction, Fingerprint, SequenceLocks, Sized, WriteBlock,
    close_sql, copied_again, dropped_on_both, excluded_tables, lock_sql, not_replicated, open_sql,
    within_budget,
};
use pgl_core::definitions::PromotedDefinitions;
use pgl_core::journal::{CLOSED, PROMOTED_DEFINITIONS};
use pgl_core::lock_wait::Holders;
use pgl_core::seqsync::{SequenceOutcome, SequenceState, decide};
use pgl_core::setup::copy::tasks;
use pgl_core::{QualifiedName, plural};
use serde_json::json;

use crate::args::{Block, Order, Verify};
use crate::context::CutoverContext;
use crate::full::Full;
use crate::guard::{self, CheckedPreconditions, EXACT, Sequences};
use crate::hook::{self, HookLimit};
use crate::view::{CutoverBody, Phase, RecopiedTable};
use crate::watchdog::Shared;

/// What is counted within the pause, on one side.
const BUDGET: u64 = 32 << 20;
/// A marker that travels faster than this says that the target is level.
const LEVEL: Duration = Duration::from_millis(150);
const LEVEL_TRIES: u32 = 20;

/// Every session is open before the pause begins.
struct Sessions {
    /// Provider: the locks on the tables.
    holder: Session,
    /// Provider: journal, settings, marker, sequences.
    old: Session,
    /// Provider: the view as of the release.
    reader: Session,
    /// Subscriber: the transaction of the release.
    release: Session,
    /// Subscriber: marker, sequences, then the view as of the release.
    peer: Session,
    /// Subscriber: rows of tables that are copied again.
    loader: Option<Session>,
}

/// The server's processes that work for an attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pids {
    pub(crate) old: Vec<i32>,
    pub(crate) new: Vec<i32>,
    pub(crate) release: i32,
}

pub(crate) struct Engine {
    pub(crate) args: Order,
    pub(crate) migration: Arc<CutoverContext>,
    pub(crate) watch: Interrupt,
    pub(crate) shared: Shared,
    pub(crate) direction: Direction,
    pub(crate) attempt: Attempt,
    pub(crate) body: CutoverBody,
    sessions: Sessions,
    sequences: Sequences,
    release: PromotionPlan,
    closed_old: Closed,
    closed_new: Closed,
    recopy: Vec<Recopy>,
    /// Whether what is copied again has a replication origin.
    marked: Marked,
    locks: Vec<QualifiedName>,
    /// Statements that lock the sequences against nextval.
    sequence_locks: Vec<String>,
    wait: LockWait,
    /// On the provider, created under the locks.
    write_block: WriteBlockTriggers,
    /// Whether they are committed, and the locks gone.
    write_block_committed: bool,
    /// On the subscriber, created before the pause; the promotion disables them.
    write_block_new: WriteBlockTriggers,
    wait_new: LockWait,
    /// What the preconditions were checked on.
    print: Fingerprint,
    /// What the database that is promoted has of the other one's settings from then on.
    settings: Vec<Property>,
    /// What a rollback will compare definitions with.
    promoted: Option<PromotedDefinitions>,
    /// Which columns take their values from which sequences on the old side.
    sequence_users: Vec<pgl_core::cutover::SequenceUser>,
    content: checks::ContentChecks,
    full: Option<Full>,
    inside: Vec<QualifiedName>,
    after: Vec<QualifiedName>,
    began: Option<Instant>,
    deadline: Instant,
    /// When the subscriber was shut, by its own clock.
    read_only_since: Option<String>,
}

/// The settings that the database is given with the promotion: sessions that begin then have them, and the apply worker has
/// them not. Says what else differs.
fn properties(
    direction: Direction,
    old: &mut Session,
    peer: &mut Session,
    body: &mut CutoverBody,
) -> Result<Vec<Property>, Error> {
    let Properties { lasting, settings } = target::properties(old, peer)?;
    let settings = match direction {
        Direction::Forward => target::try_properties(peer, settings)?,
        Direction::Back => settings,
    };
    let of = |property: &Property| format!("{} (on the {})", property.what, old.side());
    let mut stays: Vec<String> = lasting.given.iter().map(of).collect();
    stays.extend(lasting.kept);
    if direction == Direction::Back {
        stays.extend(settings.given.iter().map(of));
    }
    stays.extend(settings.kept);
    if !stays.is_empty() {
        body.notes.push(format!(
            "the {} database itself differs from the {}'s and stays so: {}",
            peer.side(),
            old.side(),
            stays.join(", ")
        ));
    }
    Ok(match direction {
        Direction::Forward => settings.given,
        Direction::Back => Vec::new(),
    })
}

/// How the release came out.
pub(crate) enum PromotionOutcome {
    /// The subscriber accepts writes.
    Yes,
    /// It certainly does not.
    No(Error),
    /// It cannot be found out.
    Unknown(Error),
}

impl Engine {
    /// Opens all sessions, reads everything that can be read before.
    pub(crate) fn open(
        args: &Order,
        migration: &Arc<CutoverContext>,
        direction: Direction,
        interrupt: Interrupt,
    ) -> Result<Self, Error> {
        let (from, to) = (
            migration.provider(direction),
            migration.subscriber(direction),
        );
        let mut holder = migration.open(from)?;
        let mut old = migration.open(from)?;
        let reader = migration.open(from)?;
        let mut release = migration.open(to)?;
        let mut peer = migration.open(to)?;
        let (stored, stored_new) = (
            pgl_catalog::setup::stored(&mut old)?,
            pgl_catalog::setup::stored(&mut peer)?,
        );
        let mut migration = CutoverContext::clone(migration);
        let dropped = dropped_on_both(&mut migration.plan, &stored, &stored_new);
        let migration = &Arc::new(migration);
        // Before anything else is read: what changes from now on is seen.
        let print = pgl_apply::fingerprint::fingerprint(&mut old, &migration.carried())?;
        let wait = LockWait::prepare(&mut holder, apply::LOCK_ATTEMPT)?;
        let wait_new = LockWait::prepare(&mut peer, apply::LOCK_ATTEMPT)?;
        pgl_catalog::lock_wait::lower_deadlock_timeout(&mut release)?;
        let shapes = pgl_catalog::setup::tables(&mut old)?;
        let changed = apply::changed_tables(&mut old)?;
        let (doubtful, too_large) = match direction {
            Direction::Forward => (Vec::new(), Vec::new()),
            Direction::Back => checks::doubtful_since_promotion(migration, &print, &mut old)?,
        };
        let mut again = migration.plan.clone();
        again.tables.retain(|table| {
            copied_again(table, direction, &changed) || doubtful.contains(&table.qualified())
        });
        let recopied: Vec<QualifiedName> = again.tables.iter().map(|t| t.qualified()).collect();
        for table in &mut again.tables {
            // The tasks of a plan are those of its replicated tables; these are copied either way.
            table.set = pgl_core::plan::Set::DefaultInsertOnly;
        }
        let recopy = tasks(&again, &[], &shapes, old.version(), peer.version());
        let recopy = apply::plan_recopy(&mut old, &mut peer, recopy)?;
        let loader = if recopy.is_empty() {
            None
        } else {
            let mut loader = migration.open_loader(to)?;
            pgl_catalog::lock_wait::lower_deadlock_timeout(&mut loader)?;
            Some(loader)
        };
        let sequences = guard::read_sequences(&migration.plan, &mut old, &mut peer)?;
        let closed_old = apply::plan_close(&mut old, &migration.name)?;
        let closed_new = apply::plan_close(&mut peer, &migration.name)?;
        let prepared = match direction {
            Direction::Forward => apply::prepare(&mut old, &mut peer, &migration.name)?,
            Direction::Back => PromotionPlan {
                triggers: apply::disabled_triggers(
                    &mut peer,
                    &migration.name,
                    Some(&pgl_catalog::setup::trigger_states(&mut old)?),
                )?,
                ..PromotionPlan::default()
            },
        };
        let carried: Vec<_> = migration
            .plan
            .tables
            .iter()
            .filter(|table| table.is_carried())
            .collect();
        let tables = migration.carried();
        let excluded = excluded_tables(&migration.plan, &stored, &stored_new);
        let blocked: Vec<QualifiedName> = tables.iter().chain(&excluded).cloned().collect();
        let mut locks = blocked.clone();
        let lock_large_objects =
            args.options.large_objects && apply::large_objects_lockable(&mut old)?;
        if lock_large_objects {
            locks.push(QualifiedName::new("pg_catalog", "pg_largeobject"));
        }
        let mut body = CutoverBody::new(direction);
        let settings = properties(direction, &mut old, &mut peer, &mut body)?;
        body.notes
            .extend(not_replicated(&migration.plan, old.side()));
        if !dropped.is_empty() {
            body.notes.push(format!(
                "dropped on both sides, so not copied again: {}",
                dropped.join(", ")
            ));
        }
        if direction == Direction::Forward {
            let steps = migration.plan.manual_steps.iter();
            let steps = steps.filter(|step| step.id == "tbl.generated_values");
            body.notes.extend(steps.map(|step| step.action.clone()));
        }
        if args.options.large_objects && !lock_large_objects {
            body.notes.push(
                "only a superuser can lock pg_largeobject: before version 16 a session can write large \
                 objects although the database is read-only"
                    .to_owned(),
            );
        }
        if args.options.large_objects && !old.version().at_least(16) {
            body.notes.push(format!(
                "before version 16 a session can write large objects although its database is read-only: after the promotion no client may \
                 connect to the {} any more",
                old.side()
            ));
        }
        let sized: Vec<Sized> = carried.iter().copied().map(Sized::from).collect();
        let (inside, after) = match args.options.verify {
            Verify::Counts => within_budget(sized, BUDGET),
            Verify::Full | Verify::None => (Vec::new(), Vec::new()),
        };
        let fires = match (direction, args.reverse()) {
            (Direction::Forward, false) => WriteBlock::Always,
            _ => WriteBlock::ButReplicas,
        };
        let write_block = WriteBlockTriggers::plan(&mut old, &locks, fires)?;
        let write_block_new =
            WriteBlockTriggers::plan(&mut peer, &blocked, WriteBlock::ButReplicas)?;
        body.notes.extend(fires.gap().map(str::to_owned));
        body.notes.extend(prepared.notes.iter().cloned());
        let room = catalog::lock_room(&mut old)?.saturating_sub(locks.len());
        let found = apply::sequence_locks(&mut old, &sequences.wanted)?;
        let locked = SequenceLocks::of(old.side(), found, room);
        body.notes.extend(locked.notes);
        let mut content = checks::ContentChecks::plan(
            migration, direction, &recopied, &print, &mut old, &mut peer,
        )?;
        content
            .too_large
            .extend(too_large.iter().map(ToString::to_string));
        body.notes.extend(content.note(old.side()));
        let full = match args.options.verify {
            Verify::Full => {
                let prepared = Full::prepare(&migration.plan, &tables, &mut old, &mut peer);
                content.unless_refused(prepared.map(Some))?
            }
            Verify::Counts | Verify::None => None,
        };
        let token = apply::token(&mut peer)?;
        Ok(Self {
            args: args.clone(),
            migration: Arc::clone(migration),
            watch: interrupt,
            shared: Shared::default(),
            direction,
            attempt: Attempt {
                token,
                direction,
                state: AttemptState::Guarded,
                final_lsn: None,
                reverse: args.reverse(),
                rehearsal: args.rehearse,
            },
            body,
            sessions: Sessions {
                holder,
                old,
                reader,
                release,
                peer,
                loader,
            },
            sequences,
            release: prepared,
            closed_old,
            closed_new,
            recopy,
            marked: Marked::NotNeeded,
            locks,
            sequence_locks: locked.statements,
            wait,
            write_block,
            write_block_committed: false,
            write_block_new,
            wait_new,
            print,
            settings,
            promoted: None,
            sequence_users: Vec::new(),
            content,
            full,
            inside,
            after,
            began: None,
            deadline: Instant::now() + args.options.max_pause,
            read_only_since: None,
        })
    }

    /// What is in the way.
    pub(crate) fn guards(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let Sessions { old, peer, .. } = &mut self.sessions;
        let recopied = self.recopy.iter().map(Recopy::table).collect::<Vec<_>>();
        let CheckedPreconditions {
            refusals,
            notes,
            promoted,
            sequence_users,
        } = guard::check(
            &self.args,
            &self.migration,
            self.direction,
            ((old, &self.closed_old), (peer, &self.closed_new)),
            &self.sequences,
            (&recopied, &self.content.too_large),
            &self.watch,
        )?;
        let found = refusals.len();
        self.body.refusals = refusals;
        self.promoted = promoted;
        self.sequence_users = sequence_users;
        // They are checked again where definitions change.
        self.body.notes.retain(|note| !notes.contains(note));
        self.body.notes.extend(notes);
        if found == 0 {
            self.content.possible()?;
        }
        let what = if found == 0 {
            "all preconditions hold".to_owned()
        } else {
            format!("{} failed", plural(found, "precondition"))
        };
        self.done("preconditions", started, what);
        Ok(())
    }

    /// The statements of an attempt.
    pub(crate) fn script(&mut self) -> Vec<String> {
        let mut all = vec![format!(
            "-- the {} becomes read-only",
            self.direction_word(false)
        )];
        all.extend(close_sql(&self.closed_new));
        all.extend(self.write_block_new.script());
        all.push(format!(
            "-- writes are blocked on the {}",
            self.direction_word(true)
        ));
        all.extend(close_sql(&self.closed_old));
        all.push("-- every other session of a client is ended, then".to_owned());
        all.extend(lock_sql(&self.locks));
        all.extend(self.sequence_locks.iter().cloned());
        all.push(format!(
            "-- a marker is replicated; {} set; {} copied again; {} counted",
            plural(self.sequences.wanted.len(), "sequence"),
            plural(self.recopy.len(), "table"),
            self.inside.len()
        ));
        all.push("-- write-block triggers, committed before the promotion".to_owned());
        all.extend(self.write_block.script());
        all.push("-- the promotion, in one transaction".to_owned());
        all.extend(self.release.keys.iter().map(|(_, sql)| sql.clone()));
        all.extend(self.release.comments.iter().cloned());
        all.extend(self.release.triggers.iter().cloned());
        all.extend(open_sql(&self.closed_new));
        all.extend(self.settings.iter().map(Property::shown));
        all
    }

    fn direction_word(&self, old: bool) -> &'static str {
        match (self.direction, old) {
            (Direction::Forward, true) | (Direction::Back, false) => "source",
            (Direction::Forward, false) | (Direction::Back, true) => "target",
        }
    }

    /// Gives what is copied again a replication origin, once the preconditions have said that there is room for it.
    pub(crate) fn mark_loader(&mut self) -> Result<(), Error> {
        if let Some(loader) = &mut self.sessions.loader {
            let name = &self.migration.plan.names.subscription;
            // Reverse replication that is prepared after this has no slot yet.
            if self.args.reverse() && self.direction == Direction::Forward {
                apply::mark_origin(loader, name)?;
                self.marked = Marked::Yes;
            } else {
                self.marked = mark(loader, name, &self.watch)?;
            }
        }
        Ok(())
    }

    /// The encoding of the database that reverse replication writes to.
    pub(crate) fn provider_encoding(&mut self) -> Result<String, Error> {
        Ok(pgl_apply::copy::encoding(&mut self.sessions.old)?)
    }

    /// Replication back, made and seen alive while nobody waits.
    pub(crate) fn prepare_back(
        &mut self,
        dsn: &pgl_conn::DsnText,
        own_dsn: Option<&pgl_conn::DsnText>,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let order = apply::Back {
            migration: &self.migration.name,
            plan: &self.migration.plan,
            dsn,
            own_dsn,
            limit: Duration::from_secs(60),
        };
        let Sessions { old, peer, .. } = &mut self.sessions;
        let back = apply::prepare_back(old, peer, &order, watch)?;
        self.body.reverse = true;
        let what = format!("{}: a row was replicated back", back.subscription);
        self.done("reverse", started, what);
        Ok(())
    }

    /// Who works for this attempt on both servers.
    pub(crate) fn pids(&self) -> Pids {
        let (old, new) = self.ours();
        let release = self.sessions.release.backend_pid();
        Pids { old, new, release }
    }

    /// The sessions that are not ended with those of clients: ours, and those that hold the lock.
    fn spared(&self) -> (Vec<i32>, Vec<i32>) {
        let (mut old, mut new) = self.ours();
        let migration = &self.migration;
        old.extend(migration.lock_pid(migration.provider(self.direction)));
        new.extend(migration.lock_pid(migration.subscriber(self.direction)));
        (old, new)
    }

    fn ours(&self) -> (Vec<i32>, Vec<i32>) {
        let s = &self.sessions;
        let mut new = vec![s.release.backend_pid(), s.peer.backend_pid()];
        new.extend(s.loader.as_ref().map(Session::backend_pid));
        let old = vec![
            s.holder.backend_pid(),
            s.old.backend_pid(),
            s.reader.backend_pid(),
        ];
        (old, new)
    }

    /// Everything up to the release. The caller takes it back when this fails.
    pub(crate) fn advance(&mut self) -> Result<(), Error> {
        self.large_objects()?;
        stop_point("target-read-only");
        self.shut()?;
        stop_point("wait-caught-up");
        self.level()?;
        self.check_again()?;
        self.keep_definitions()?;
        self.set_sequences()?;
        stop_point("block-writes");
        self.block()?;
        self.unchanged()?;
        stop_point("blocked");
        self.hook(
            "hook-blocked",
            self.args.options.hook_blocked.clone(),
            self.args.options.block != Block::Hook,
        )?;
        stop_point("drain");
        self.drain()?;
        stop_point("sequences");
        self.set_sequences()?;
        stop_point("copy-unkeyed");
        self.copy_again()?;
        self.compare_content()?;
        self.large_objects()?;
        // Its locks stay until the release: the rows of tables with keys must be there before.
        stop_point("constraints");
        self.constraints()?;
        stop_point("verify");
        self.verify_and_raise_triggers()?;
        stop_point("write-block-triggers");
        self.hook("hook-drained", self.args.options.hook_drained.clone(), true)?;
        self.unchanged()?;
        self.settings_hold()?;
        self.stop()
    }

    fn stop(&self) -> Result<(), Error> {
        if self.watch.stop() {
            return Err(Error::Interrupted);
        }
        if self.began.is_some() && Instant::now() > self.deadline {
            return Err(Error::NotYet {
                side: self.sessions.old.side(),
                what: format!(
                    "the write outage reached its limit of {:?}",
                    self.args.options.max_pause
                ),
                hint: "pgl-cutover rehearse shows what takes how long; --max-pause sets the limit"
                    .to_owned(),
            });
        }
        Ok(())
    }

    fn done(&mut self, id: &str, started: Instant, what: impl Into<String>) {
        self.took(id, started.elapsed(), what);
    }

    fn took(&mut self, id: &str, time: Duration, what: impl Into<String>) {
        let what = what.into();
        log::info!("{id}: {what}");
        let phase = Phase {
            id: id.to_owned(),
            seconds: time.as_secs_f64(),
            in_pause: self.began.is_some(),
            what,
        };
        self.shared.did(phase.clone());
        self.body.phases.push(phase);
    }

    /// Notes where the attempt is. Only the two commits that carry everything have to reach the disk
    /// before the next step; these notes are for people.
    fn note(&mut self, state: AttemptState) -> Result<(), Error> {
        self.stop()?;
        self.attempt.state = state;
        let note = apply::advance(&self.migration.name, &self.attempt);
        apply::note_lightly(&mut self.sessions.old, &note)?;
        Ok(())
    }

    /// Before writes are blocked, because they may be many: only the attempt that promotes is rolled back, and it has written them last.
    fn keep_definitions(&mut self) -> Result<(), Error> {
        if self.direction == Direction::Forward && self.attempt.reverse {
            let (peer, name) = (&mut self.sessions.peer, &self.migration.name);
            write(peer, name, &PROMOTED_DEFINITIONS, &self.promoted)?;
        }
        Ok(())
    }

    fn shut(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let begun = apply::start(&self.migration.name, &self.attempt);
        apply::note_firmly(&mut self.sessions.old, &begun)?;
        let ours = self.spared().1;
        let new = &mut self.sessions.peer;
        let claim = apply::claim(&self.migration.name, &self.attempt);
        apply::close(new, &self.migration.name, &self.closed_new, &claim)?;
        self.read_only_since = written_at(new, &self.migration.name, &CLOSED)?;
        let ended = apply::end_sessions(new, &ours)?;
        let limit = Instant::now() + self.args.options.max_pause.max(Duration::from_secs(30));
        self.write_block_new.build_beside_replication(
            new,
            &self.migration.name,
            &mut self.wait_new,
            limit,
            &self.watch,
        )?;
        self.done(
            "target-read-only",
            started,
            format!(
                "read-only for clients; {} ended; {}",
                plural(ended, "session"),
                plural(self.write_block_new.len(), "write-block trigger")
            ),
        );
        Ok(())
    }

    fn level(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let limit = Instant::now() + self.args.options.max_pause.max(Duration::from_secs(30));
        let mut took = Duration::MAX;
        for _ in 0..LEVEL_TRIES {
            let one = Instant::now();
            let observer = self.migration.observer(self.direction);
            let Sessions { old, peer, .. } = &mut self.sessions;
            apply::marker(
                old,
                peer,
                "cutover",
                observer,
                limit,
                &self.watch,
                |_, _| Ok(()),
            )?;
            took = one.elapsed();
            if took < LEVEL {
                break;
            }
        }
        self.done(
            "wait-caught-up",
            started,
            format!("replication round trip: {} ms", took.as_millis()),
        );
        Ok(())
    }

    fn block(&mut self) -> Result<(), Error> {
        let limit = Some(self.args.options.max_pause);
        let s = &mut self.sessions;
        for session in [&mut s.holder, &mut s.old, &mut s.release, &mut s.peer] {
            apply::limit(session, limit)?;
        }
        if let Some(loader) = &mut s.loader {
            apply::limit(loader, limit)?;
        }
        // Counted once before writes are blocked, to fill the caches of both sessions: differences do not matter yet.
        apply::compare(&mut s.old, &mut s.peer, &self.inside)?;
        self.stop()?;
        let hook = self.args.options.block == Block::Hook;
        if hook {
            self.begin_pause(Instant::now());
            self.hook("hook-blocked", self.args.options.hook_blocked.clone(), true)?;
        }
        let started = Instant::now();
        if self.began.is_none() {
            self.begin_pause(started);
        }
        self.attempt.state = AttemptState::Blocking;
        let ours = self.spared().0;
        if hook {
            self.note(AttemptState::Blocking)?;
        } else {
            self.close_old()?;
        }
        let Sessions { holder, old, .. } = &mut self.sessions;
        let holders = if hook {
            Holders::Stopped
        } else {
            Holders::Ended
        };
        let mut locked = apply::lock_all(
            holder,
            (&mut *old, ours.as_slice()),
            &self.locks,
            &self.sequence_locks,
            holders,
            &mut self.wait,
            self.deadline,
            &self.watch,
        )?;
        if hook {
            // The hook has kept its word: from here on nobody may begin to write again.
            self.close_old()?;
            locked.ended += apply::end_sessions(&mut self.sessions.old, &ours)?;
        }
        self.done(
            "block-writes",
            started,
            format!(
                "{} ended, {} and {} locked at attempt {}",
                plural(locked.ended, "session"),
                plural(self.locks.len(), "table"),
                plural(self.sequence_locks.len(), "sequence"),
                locked.attempts
            ),
        );
        self.note(AttemptState::Blocked)
    }

    fn begin_pause(&mut self, now: Instant) {
        self.began = Some(now);
        self.deadline = now + self.args.options.max_pause;
        self.shared.pause_began(now, self.deadline);
    }

    fn close_old(&mut self) -> Result<(), Error> {
        let begun = apply::advance(&self.migration.name, &self.attempt);
        let old = &mut self.sessions.old;
        apply::close(old, &self.migration.name, &self.closed_old, &begun)?;
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let name = self.migration.name.clone();
        let mut attempt = self.attempt.clone();
        attempt.state = AttemptState::FinalLsn;
        let observer = self.migration.observer(self.direction);
        let Sessions { old, peer, .. } = &mut self.sessions;
        let lsn = apply::marker(
            old,
            peer,
            "cutover",
            observer,
            self.deadline,
            &self.watch,
            |old, lsn| {
                attempt.final_lsn = Some(lsn);
                let note = apply::advance(&name, &attempt);
                apply::note_lightly(old, &note)
            },
        )?;
        self.attempt.final_lsn = Some(lsn);
        self.body.final_lsn = Some(lsn);
        self.done(
            "drain",
            started,
            format!("everything up to {lsn} is applied and visible"),
        );
        self.note(AttemptState::Drained)
    }

    fn constraints(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        apply::constraints(&mut self.sessions.release, &self.release)?;
        let what = format!(
            "{} added unchecked, {} enabled",
            plural(self.release.keys.len(), "foreign key"),
            plural(self.release.triggers.len(), "trigger")
        );
        self.done("foreign-keys", started, what);
        Ok(())
    }
}
