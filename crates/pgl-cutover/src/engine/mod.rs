//! One attempt, from the guards to the release or back.

mod carry;
mod checks;
pub(crate) mod end;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgl_apply::cutover::{self as apply, Recopy, Release, Wall};
use pgl_apply::lock_wait::LockWait;
use pgl_apply::sequences::{self as setval, Setting};
use pgl_apply::{Error, Watch};
use pgl_catalog::sequences as catalog;
use pgl_cli::{Interrupt, stop_point};
use pgl_conn::Session;
use pgl_core::QualifiedName;
use pgl_core::cutover::{
    Attempt, Closed, Direction, Fingerprint, Sized, State, WriteBlock, close_sql, copied_again,
    lock_sql, open_sql, within_budget,
};
use pgl_core::lock_wait::Holders;
use pgl_core::seqsync::{Outcome, decide};
use pgl_core::setup::copy::tasks;
use serde_json::json;

use crate::args::{Block, Cutover, Verify};
use crate::aside::{Shared, Signals};
use crate::full::Full;
use crate::ground::Ground;
use crate::guard::{self, EXACT, Sequences};
use crate::hook::{self, HookLimit};
use crate::view::{Body, Phase, Recopied};

/// What is counted within the pause, on one side.
const BUDGET: u64 = 32 << 20;
/// A marker that travels faster than this says that the target is level.
const LEVEL: Duration = Duration::from_millis(150);
const LEVEL_TRIES: u32 = 20;

/// Every session is open before the pause begins.
struct Sessions {
    /// Old home: the locks on the tables.
    holder: Session,
    /// Old home: journal, settings, marker, sequences.
    old: Session,
    /// Old home: the view as of the release.
    reader: Session,
    /// New home: the transaction of the release.
    release: Session,
    /// New home: marker, sequences, then the view as of the release.
    peer: Session,
    /// New home: rows of tables that are copied again.
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
    pub(crate) args: Cutover,
    pub(crate) ground: Arc<Ground>,
    pub(crate) watch: Signals,
    pub(crate) fence: Shared,
    pub(crate) direction: Direction,
    pub(crate) attempt: Attempt,
    pub(crate) body: Body,
    sessions: Sessions,
    sequences: Sequences,
    release: Release,
    closed_old: Closed,
    closed_new: Closed,
    recopy: Vec<Recopy>,
    locks: Vec<QualifiedName>,
    /// Statements that lock the sequences against nextval.
    sequence_locks: Vec<String>,
    wait: LockWait,
    /// On the old home, created under the locks.
    wall: Wall,
    /// Whether they are committed, and the locks gone.
    wall_committed: bool,
    /// On the new home, created before the pause; the promotion disables them.
    wall_new: Wall,
    wait_new: LockWait,
    /// What the preconditions were checked on.
    print: Fingerprint,
    content: checks::ContentChecks,
    full: Option<Full>,
    inside: Vec<QualifiedName>,
    after: Vec<QualifiedName>,
    began: Option<Instant>,
    deadline: Instant,
    /// When the new home was shut, by its own clock.
    shut_at: Option<String>,
}

/// How the release came out.
pub(crate) enum Released {
    /// The new home takes writes.
    Yes,
    /// It certainly does not.
    No(Error),
    /// It cannot be found out.
    Unknown(Error),
}

impl Engine {
    /// Opens all sessions, reads everything that can be read before.
    pub(crate) fn open(
        args: &Cutover,
        ground: &Arc<Ground>,
        direction: Direction,
        interrupt: Interrupt,
    ) -> Result<Self, Error> {
        let (from, to) = (ground.old_home(direction), ground.new_home(direction));
        let mut holder = ground.open(from)?;
        let mut old = ground.open(from)?;
        let reader = ground.open(from)?;
        let mut release = ground.open(to)?;
        let mut peer = ground.open(to)?;
        let wait = LockWait::prepare(&mut holder, apply::LOCK_ATTEMPT)?;
        let wait_new = LockWait::prepare(&mut peer, apply::LOCK_ATTEMPT)?;
        pgl_catalog::lock_wait::lower_deadlock_timeout(&mut release)?;
        let shapes = pgl_catalog::setup::tables(&mut old)?;
        let changed = apply::changed_tables(&mut old)?;
        let mut again = ground.plan.clone();
        again
            .tables
            .retain(|table| copied_again(table, direction, &changed));
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
            let mut loader = ground.open_loader(to)?;
            pgl_catalog::lock_wait::lower_deadlock_timeout(&mut loader)?;
            if !args.dry_run {
                apply::mark_origin(&mut loader, &ground.plan.names.subscription)?;
            }
            Some(loader)
        };
        let sequences = guard::read_sequences(&ground.plan, &mut old, &mut peer)?;
        let closed_old = apply::plan_close(&mut old, &ground.name)?;
        let closed_new = apply::plan_close(&mut peer, &ground.name)?;
        let prepared = match direction {
            Direction::Forward => apply::prepare(&mut peer, &ground.name)?,
            Direction::Back => Release::default(),
        };
        let carried: Vec<_> = ground
            .plan
            .tables
            .iter()
            .filter(|t| t.set != pgl_core::plan::Set::Excluded || t.recopy_at_cutover)
            .collect();
        let tables: Vec<QualifiedName> = carried.iter().map(|table| table.qualified()).collect();
        let mut locks = tables.clone();
        let wall = args.large_objects && apply::large_objects_lockable(&mut old)?;
        if wall {
            locks.push(QualifiedName::new("pg_catalog", "pg_largeobject"));
        }
        let mut body = Body::new(direction);
        if args.large_objects && !wall {
            body.notes.push(
                "only a superuser can lock pg_largeobject: before version 16 a session can write large \
                 objects although the database is read-only"
                    .to_owned(),
            );
        }
        let sized: Vec<Sized> = carried
            .iter()
            .map(|table| Sized {
                table: table.qualified(),
                bytes: table.bytes,
            })
            .collect();
        let (inside, after) = match args.verify {
            Verify::Counts => within_budget(sized, BUDGET),
            Verify::Full | Verify::None => (Vec::new(), Vec::new()),
        };
        let fires = match (direction, args.reverse) {
            (Direction::Forward, false) => WriteBlock::Always,
            _ => WriteBlock::ButReplicas,
        };
        let wall = Wall::plan(&mut old, &locks, fires)?;
        let wall_new = Wall::plan(&mut peer, &tables, WriteBlock::ButReplicas)?;
        body.notes.extend(fires.gap().map(str::to_owned));
        let wanted = &sequences.wanted;
        let (mut sequence_locks, left_out) = apply::sequence_locks(&mut old, wanted)?;
        if locks.len() + sequence_locks.len() > catalog::lock_room(&mut old)? {
            sequence_locks.clear();
        }
        if left_out > 0 || sequence_locks.len() + left_out < wanted.len() {
            body.notes.push(format!(
                "{} sequences are not locked (no right to, or max_locks_per_transaction is too low): a session that sets \
                 default_transaction_read_only = off can still call nextval while writes are blocked",
                wanted.len() - sequence_locks.len()
            ));
        }
        let content =
            checks::ContentChecks::plan(ground, direction, &recopied, &mut old, &mut peer)?;
        let full = match args.verify {
            Verify::Full => Some(Full::prepare(&ground.plan, &tables, &mut old, &mut peer)?),
            Verify::Counts | Verify::None => None,
        };
        let token = apply::token(&mut peer)?;
        Ok(Self {
            args: args.clone(),
            ground: Arc::clone(ground),
            watch: Signals(interrupt),
            fence: Shared::default(),
            direction,
            attempt: Attempt {
                token,
                direction,
                state: State::Guarded,
                final_lsn: None,
                reverse: args.reverse,
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
            locks,
            sequence_locks,
            wait,
            wall,
            wall_committed: false,
            wall_new,
            wait_new,
            print: Fingerprint::default(),
            content,
            full,
            inside,
            after,
            began: None,
            deadline: Instant::now() + args.max_pause,
            shut_at: None,
        })
    }

    /// What is in the way.
    pub(crate) fn guards(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let carried = self.ground.carried();
        let Sessions { old, peer, .. } = &mut self.sessions;
        // Before the checks: what changes while they are made is seen as well.
        self.print = pgl_apply::fingerprint::fingerprint(old, &carried)?;
        let recopied = self.recopy.iter().map(Recopy::table).collect::<Vec<_>>();
        self.body.refusals = guard::check(
            &self.args,
            &self.ground,
            self.direction,
            (old, peer),
            &self.sequences,
            (&recopied, &self.content.too_large),
        )?;
        let found = self.body.refusals.len();
        let what = if found == 0 {
            "everything that has to hold holds".to_owned()
        } else {
            format!("{found} things are in the way")
        };
        self.done("guards", started, what);
        Ok(())
    }

    /// The statements of an attempt.
    pub(crate) fn script(&mut self) -> Vec<String> {
        let mut all = vec![format!(
            "-- the new home ({}) is shut",
            self.direction_word(false)
        )];
        all.extend(close_sql(&self.closed_new));
        all.extend(self.wall_new.script());
        all.push(format!(
            "-- the old home ({}) is closed",
            self.direction_word(true)
        ));
        all.extend(close_sql(&self.closed_old));
        all.push("-- every other session of a client is ended, then".to_owned());
        all.extend(lock_sql(&self.locks));
        all.extend(self.sequence_locks.iter().cloned());
        all.push(format!(
            "-- a marker travels; {} sequences are set; {} tables are copied again; {} are counted",
            self.sequences.wanted.len(),
            self.recopy.len(),
            self.inside.len()
        ));
        all.push("-- write-block triggers, committed before the promotion".to_owned());
        all.extend(self.wall.script());
        all.push("-- the release, in one transaction".to_owned());
        all.extend(self.release.keys.iter().map(|(_, sql)| sql.clone()));
        all.extend(self.release.triggers.iter().cloned());
        all.extend(open_sql(&self.closed_new));
        all
    }

    fn direction_word(&self, old: bool) -> &'static str {
        match (self.direction, old) {
            (Direction::Forward, true) | (Direction::Back, false) => "source",
            (Direction::Forward, false) | (Direction::Back, true) => "target",
        }
    }

    /// Replication back, made and seen alive while nobody waits.
    pub(crate) fn prepare_back(
        &mut self,
        dsn: &pgl_conn::DsnText,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let order = apply::Back {
            migration: &self.ground.name,
            plan: &self.ground.plan,
            dsn,
            limit: Duration::from_secs(60),
        };
        let Sessions { old, peer, .. } = &mut self.sessions;
        let back = apply::prepare_back(old, peer, &order, watch)?;
        self.body.reverse = true;
        let what = format!("{} is alive: a row has travelled back", back.subscription);
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
        let ground = &self.ground;
        old.extend(ground.lock_pid(ground.old_home(self.direction)));
        new.extend(ground.lock_pid(ground.new_home(self.direction)));
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
        stop_point("block-writes");
        self.block()?;
        self.unchanged()?;
        stop_point("blocked");
        self.hook(
            "hook-blocked",
            self.args.hook_blocked.clone(),
            self.args.block != Block::Hook,
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
        self.verify()?;
        stop_point("write-block-triggers");
        self.raise_wall()?;
        self.hook("hook-drained", self.args.hook_drained.clone(), true)?;
        self.unchanged()?;
        self.stop()
    }

    fn stop(&self) -> Result<(), Error> {
        if self.watch.stop() {
            return Err(Error::Interrupted);
        }
        if self.began.is_some() && Instant::now() > self.deadline {
            return Err(Error::NotYet {
                side: self.sessions.old.side(),
                what: format!("the pause reached its limit of {:?}", self.args.max_pause),
                hint: "--rehearse shows what takes how long; --max-pause sets the limit".to_owned(),
            });
        }
        Ok(())
    }

    fn done(&mut self, id: &str, started: Instant, what: impl Into<String>) {
        let what = what.into();
        log::info!("{id}: {what}");
        let phase = Phase {
            id: id.to_owned(),
            seconds: started.elapsed().as_secs_f64(),
            in_pause: self.began.is_some(),
            what,
        };
        self.fence.did(phase.clone());
        self.body.phases.push(phase);
    }

    /// Notes where the attempt is. Only the two commits that carry everything have to reach the disk
    /// before the next step; these notes are for people.
    fn note(&mut self, state: State) -> Result<(), Error> {
        self.stop()?;
        self.attempt.state = state;
        let note = apply::advance(&self.ground.name, &self.attempt);
        apply::note_lightly(&mut self.sessions.old, &note)?;
        Ok(())
    }

    fn shut(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let begun = apply::start(&self.ground.name, &self.attempt);
        apply::note_firmly(&mut self.sessions.old, &begun)?;
        let ours = self.spared().1;
        let new = &mut self.sessions.peer;
        let claim = apply::claim(&self.ground.name, &self.attempt.token);
        apply::close(new, &self.ground.name, &self.closed_new, &claim)?;
        self.shut_at = apply::closed_at(new, &self.ground.name)?;
        let ended = apply::end_sessions(new, &ours)?;
        let limit = Instant::now() + self.args.max_pause.max(Duration::from_secs(30));
        self.wall_new.build_beside_replication(
            new,
            &self.ground.name,
            &mut self.wait_new,
            limit,
            &self.watch,
        )?;
        self.done(
            "shut",
            started,
            format!(
                "read-only for clients; {ended} sessions ended; {} write-block triggers",
                self.wall_new.len()
            ),
        );
        Ok(())
    }

    fn level(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let limit = Instant::now() + self.args.max_pause.max(Duration::from_secs(30));
        let mut took = Duration::MAX;
        for _ in 0..LEVEL_TRIES {
            let one = Instant::now();
            let Sessions { old, peer, .. } = &mut self.sessions;
            apply::marker(old, peer, "cutover", limit, &self.watch, |_, _| Ok(()))?;
            took = one.elapsed();
            if took < LEVEL {
                break;
            }
        }
        self.done(
            "level",
            started,
            format!("a row travels in {} ms", took.as_millis()),
        );
        Ok(())
    }

    fn block(&mut self) -> Result<(), Error> {
        let limit = Some(self.args.max_pause);
        let s = &mut self.sessions;
        for session in [&mut s.holder, &mut s.old, &mut s.release, &mut s.peer] {
            apply::limit(session, limit)?;
        }
        if let Some(loader) = &mut s.loader {
            apply::limit(loader, limit)?;
        }
        self.stop()?;
        let hook = self.args.block == Block::Hook;
        if hook {
            self.begin_pause(Instant::now());
            self.hook("hook-blocked", self.args.hook_blocked.clone(), true)?;
        }
        let started = Instant::now();
        if self.began.is_none() {
            self.begin_pause(started);
        }
        self.attempt.state = State::Blocking;
        let ours = self.spared().0;
        if hook {
            self.note(State::Blocking)?;
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
            "block",
            started,
            format!(
                "{} sessions ended, {} tables and {} sequences locked at attempt {}",
                locked.ended,
                self.locks.len(),
                self.sequence_locks.len(),
                locked.attempts
            ),
        );
        self.note(State::Blocked)
    }

    fn begin_pause(&mut self, now: Instant) {
        self.began = Some(now);
        self.deadline = now + self.args.max_pause;
        self.fence.pause_began(now, self.deadline);
    }

    fn close_old(&mut self) -> Result<(), Error> {
        let begun = apply::advance(&self.ground.name, &self.attempt);
        let old = &mut self.sessions.old;
        apply::close(old, &self.ground.name, &self.closed_old, &begun)?;
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let name = self.ground.name.clone();
        let mut attempt = self.attempt.clone();
        attempt.state = State::FinalLsn;
        let Sessions { old, peer, .. } = &mut self.sessions;
        let lsn = apply::marker(
            old,
            peer,
            "cutover",
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
        self.note(State::Drained)
    }

    fn constraints(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        apply::constraints(&mut self.sessions.release, &self.release)?;
        let what = format!(
            "{} foreign keys added unchecked, {} triggers enabled",
            self.release.keys.len(),
            self.release.triggers.len()
        );
        self.done("foreign-keys", started, what);
        Ok(())
    }
}
