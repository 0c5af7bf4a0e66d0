//! Looking at the two servers: sessions that come back after a failure, samples, the closer look.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pgl_catalog::{definitions, status as catalog};
use pgl_cli::{Context, Failure};
use pgl_conn::{Access, DsnText, Endpoint, Error, Kind, Session, SessionOptions};
use pgl_core::cutover::{
    CutoverState, Direction, Purpose, cutover_state, refusal, without_journal,
};
use pgl_core::definitions::{DefinitionComparison, Sought};
use pgl_core::migration::Names;
use pgl_core::plan::Set;
use pgl_core::rights::READ_PGLOGICAL;
use pgl_core::status::Word;
use pgl_core::status::facts::{
    Close, Dsn, Reverse, Seen, Snapshot, SourceClose, SourceNow, TargetClose, TargetNow,
    TroubleKind, WantedTable,
};
use pgl_core::status::state::word;
use pgl_core::{Database, Plan, QualifiedName};

/// For connecting, where the connection string says nothing. A reading must not hang.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the subscription's own DSN, which is tried only to learn why it fails.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one reading tries to catch a server that crashes again and again.
const FALLING: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// More tables than this are not looked into for rows.
const MOST_TABLES: usize = 5000;

/// One server, connected when needed and again after it was lost.
pub(crate) struct Place<'a> {
    context: &'a Context,
    endpoint: Endpoint,
    session: Option<(Session, pgl_cli::signal::Registration)>,
    /// The database, once it was reached.
    pub(crate) database: Option<Database>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(context: &'a Context, endpoint: Endpoint) -> Self {
        Self {
            context,
            endpoint,
            session: None,
            database: None,
        }
    }

    /// The database's name, also where the server does not answer.
    pub(crate) fn dbname(&self) -> &str {
        self.endpoint.dbname()
    }

    fn look<T>(&mut self, read: impl FnOnce(&mut Session) -> Result<T, Error>) -> Seen<T> {
        match self.attempt(read) {
            Ok(value) => Seen::Known(value),
            Err(error) => {
                let mut trouble = catalog::trouble(&error);
                if let (TroubleKind::NotPermitted, Some((session, _))) =
                    (trouble.kind, &mut self.session)
                    && let Ok(grantee) = pgl_catalog::server::grantee(session)
                {
                    trouble.hint = Some(READ_PGLOGICAL.hint(session.side(), &grantee));
                }
                // A session in doubt is not used again.
                self.session = None;
                Seen::Failed(trouble)
            }
        }
    }

    /// What the closer look finds, if it can be read.
    fn find<T>(&mut self, read: impl FnOnce(&mut Session) -> Result<T, Error>) -> Option<T> {
        known(self.look(read))
    }

    fn attempt<T>(
        &mut self,
        read: impl FnOnce(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (session, _) = match &mut self.session {
            Some(open) => open,
            none => {
                let mut session = Session::connect(&self.endpoint, &options(CONNECT_TIMEOUT))?;
                self.database = Some(pgl_catalog::database(&mut session)?);
                let registration = self.context.watch(&session);
                none.insert((session, registration))
            }
        };
        read(session)
    }
}

fn options(connect: Duration) -> SessionOptions {
    SessionOptions::new("status", Access::ReadOnly)
        .connect_timeout(Some(connect))
        .statement_timeout(STATEMENT_TIMEOUT)
        .lock_timeout(LOCK_TIMEOUT)
}

/// Sizes of the tables of an initial copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopySizes {
    /// On the source, read once.
    pub(crate) source: HashMap<QualifiedName, u64>,
    /// On the target: when, and how many bytes in all.
    pub(crate) target: Vec<(f64, u64)>,
}

impl CopySizes {
    /// What pgl-setup has copied, in bytes of the source: the tables of its journal, and as much of the
    /// running ones as COPY has read.
    fn copied(&self, now: &TargetNow) -> u64 {
        let whole: u64 = self
            .source
            .iter()
            .filter(|(name, _)| now.journal.copied.contains(&name.sql()))
            .map(|(_, bytes)| bytes)
            .sum();
        let running = now.copies.iter().map(|copy| {
            let size = self.source.get(&copy.table).copied().unwrap_or(0);
            copy.bytes.or(copy.disk_bytes).unwrap_or(0).min(size)
        });
        whole + running.sum::<u64>()
    }
}

/// Both servers and what is remembered of them.
pub(crate) struct Observer<'a> {
    context: &'a Context,
    began: Instant,
    source: Option<Place<'a>>,
    target: Place<'a>,
    pub(crate) migration: String,
    pub(crate) subscription: String,
    /// The plan that was given.
    pub(crate) plan: Option<Plan>,
    values: bool,
    slot: Option<String>,
    dsn: Option<DsnText>,
    pub(crate) sizes: CopySizes,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(
        context: &'a Context,
        (source, target): (Option<Place<'a>>, Place<'a>),
        migration: String,
        subscription: String,
        plan: Option<Plan>,
        values: bool,
    ) -> Self {
        Self {
            context,
            began: Instant::now(),
            source,
            target,
            migration,
            subscription,
            plan,
            values,
            slot: None,
            dsn: None,
            sizes: CopySizes::default(),
        }
    }

    /// The two databases, as far as they were ever reached.
    pub(crate) fn databases(&self) -> (Option<Database>, Option<Database>) {
        let source = self.source.as_ref();
        let source = source.and_then(|place| place.database.clone());
        (source, self.target.database.clone())
    }

    /// Seconds since this program began to look.
    pub(crate) fn clock(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// One sample: the target first, so that what it has applied is never too much.
    pub(crate) fn sample(&mut self) -> Result<Snapshot, Failure> {
        let at = self.clock();
        let target = self.target_now();
        self.context.interrupt.check()?;
        let source = self.source_now();
        self.context.interrupt.check()?;
        if let Some(now) = target.known() {
            self.copy_sizes(now);
        }
        Ok(Snapshot { at, source, target })
    }

    fn target_now(&mut self) -> Seen<TargetNow> {
        let (migration, name) = (&self.migration, &self.subscription);
        let began = self.began;
        let seen =
            (self.target).look(|session| catalog::target_now(session, migration, name, began));
        seen.map(|(mut now, dsn)| {
            if let Some(subscription) = &mut now.subscription {
                self.slot = Some(subscription.slot_name.clone());
                if let Some(endpoint) = dsn.as_ref().and_then(catalog::provider) {
                    subscription.dsn = Dsn {
                        user: Some(endpoint.user().to_owned()),
                        extra_float_digits: endpoint.startup_setting("extra_float_digits"),
                        datestyle: endpoint.startup_setting("DateStyle"),
                        intervalstyle: endpoint.startup_setting("IntervalStyle"),
                    };
                }
            }
            self.dsn = dsn;
            now
        })
    }

    fn source_now(&mut self) -> Seen<SourceNow> {
        let Some(place) = &mut self.source else {
            return Seen::NotGiven;
        };
        let known = self.slot.clone();
        let migration = &self.migration;
        let (database, subscription) = (self.target.dbname().to_owned(), &self.subscription);
        let began = self.began;
        let seen = place.look(|session| {
            // Where the target does not say which slot is meant, its name can be derived.
            let slot = match known {
                Some(slot) => Some(slot),
                None => catalog::slot_name(session, &database, subscription).unwrap_or_default(),
            };
            catalog::source_now(session, migration, slot.as_deref(), began)
        });
        let database = place.database.as_ref();
        seen.map(|now| SourceNow {
            system_identifier: database.and_then(|database| database.system_identifier.clone()),
            ..now
        })
    }

    /// During an initial copy: how large the tables are on the source, and how much of them is copied.
    fn copy_sizes(&mut self, now: &TargetNow) {
        let word = word(Some(now));
        if !matches!(word, Word::Initializing | Word::SettingUp) {
            return;
        }
        if self.sizes.source.is_empty()
            && let Some(place) = &mut self.source
        {
            let sets = now.subscription.as_ref().map_or_else(
                || {
                    [Set::Default, Set::DefaultInsertOnly]
                        .iter()
                        .filter_map(|set| set.name())
                        .map(str::to_owned)
                        .collect()
                },
                |subscription| subscription.sets.clone(),
            );
            if let Seen::Known(sizes) = place.look(|session| catalog::set_sizes(session, &sets)) {
                self.sizes.source = sizes.into_iter().collect();
            }
        }
        let names: Vec<QualifiedName> = self.sizes.source.keys().cloned().collect();
        if names.is_empty() || names.len() > MOST_TABLES {
            return;
        }
        let total = if word == Word::SettingUp {
            Some(self.sizes.copied(now))
        } else {
            let sizes = (self.target).find(|session| catalog::sizes(session, &names));
            sizes.map(|sizes| sizes.iter().map(|(_, bytes)| bytes).sum())
        };
        if let Some(total) = total {
            self.sizes.target.push((self.clock(), total));
        }
    }

    /// The closer look. What cannot be read is missing from it; the samples say why.
    pub(crate) fn close(&mut self, newest: &Snapshot) -> Result<Close, Failure> {
        let subscription = newest
            .target
            .known()
            .and_then(|target| target.subscription.as_ref());
        let sets = subscription.map(|subscription| subscription.sets.clone());
        let wanted = self.wanted(newest);
        let names: Vec<QualifiedName> = wanted.iter().map(|one| one.table.clone()).collect();
        let mut source = match (&mut self.source, &sets, newest.source.known()) {
            (Some(place), Some(sets), Some(_)) => {
                place.find(|session| catalog::source_close(session, sets, &names))
            }
            _ => None,
        };
        self.context.interrupt.check()?;
        let target = match newest.target.trouble() {
            Some(trouble) => Seen::Failed(trouble.clone()),
            None if subscription.is_some() => {
                (self.target).look(|session| catalog::target_close(session, &self.migration))
            }
            None => Seen::NotGiven,
        };
        self.context.interrupt.check()?;
        let mut target = match target.trouble() {
            Some(trouble) => self.a_falling_server(trouble.kind)?,
            None => known(target),
        };
        let replicating = word(newest.target.known()) == Word::Replicating;
        if let (Some(source), Some(target), true) = (&mut source, &mut target, replicating) {
            self.look_for_rows(source, target);
        }
        let stands = subscription.is_some() && word(newest.target.known()) == Word::Down;
        let ours = self.source.as_ref().map(|place| &place.endpoint);
        let dsn_from_here = match &self.dsn {
            Some(dsn) if stands => catalog::try_dsn(dsn, ours),
            _ => Seen::NotGiven,
        };
        self.context.interrupt.check()?;
        let journals = self.journals();
        let reverse = journals.cutover.as_ref().and_then(|_| self.reverse());
        let unblocked = match (&journals.cutover, &mut self.source) {
            (Some(_), Some(place)) => {
                let found = place.find(|session| pgl_catalog::write_block(session, &names));
                found
                    .into_iter()
                    .flatten()
                    .filter(|one| !one.is_blocked())
                    .map(|one| one.table)
                    .collect()
            }
            _ => Vec::new(),
        };
        self.context.interrupt.check()?;
        Ok(Close {
            reverse,
            unblocked,
            source,
            target,
            dsn_from_here,
            wanted,
            values: self.values,
            ..journals
        })
    }

    /// What the journals of both databases say: whether the target was promoted, and where the source was then; else an
    /// attempt that is not over.
    fn journals(&mut self) -> Close {
        let migration = &self.migration;
        let read = |place: &mut Place<'_>| {
            (place.find(|session| catalog::cutover(session, migration))).flatten()
        };
        let target = read(&mut self.target);
        let source = self.source.as_mut().and_then(read);
        let mut found = Close::default();
        match cutover_state(source.as_ref(), target.as_ref()) {
            CutoverState::NotCutOver => {
                // One that pgl-setup did not make never had a journal.
                found.no_journal = Names::of(migration).subscription == self.subscription
                    && without_journal(source.as_ref(), target.as_ref());
            }
            CutoverState::CutOver(cut) => {
                let last = source.and_then(|record| record.attempt);
                let last = last.filter(|attempt| attempt.token == cut.promotion.token);
                found.final_lsn = last.and_then(|attempt| attempt.final_lsn);
                found.unfinished = cut.rollback.map(|state| (Direction::Back, state));
                found.cutover = Some(cut);
            }
            state @ (CutoverState::Swapped | CutoverState::Other(_)) => {
                found.not_the_pair = refusal(&state, Purpose::Fix).map(|refusal| refusal.what);
            }
            CutoverState::Unfinished(attempt) => {
                found.unfinished = Some((attempt.direction, attempt.state));
            }
        }
        found
    }

    /// The definitions of both sides as they are now, against those at the setup.
    pub(crate) fn definitions(&mut self, pg_bindir: Option<PathBuf>) -> Seen<DefinitionComparison> {
        let (migration, interrupt) = (&self.migration, &self.context.interrupt);
        let (target, given) = (&mut self.target, &self.plan);
        let there_endpoint = target.endpoint.clone();
        let Some(source) = &mut self.source else {
            return Seen::NotGiven;
        };
        let here_endpoint = source.endpoint.clone();
        source.look(|here| {
            target.attempt(|there| {
                let kept = match given {
                    Some(plan) => Some(plan.clone()),
                    None => catalog::kept_plan(there, migration)?,
                };
                let plan = kept.ok_or_else(|| {
                    let why = "no plan is recorded on the target";
                    Error::new(there.side(), Kind::Refused, why)
                })?;
                let endpoints = (&here_endpoint, &there_endpoint);
                let dir = pg_bindir.as_deref();
                definitions::compare(
                    dir,
                    (here, there),
                    endpoints,
                    migration,
                    &plan,
                    Sought::Missing,
                    interrupt,
                )
            })
        })
    }

    /// Replication back to the former source.
    fn reverse(&mut self) -> Option<Reverse> {
        let name = format!("{}_back", self.subscription);
        let place = self.source.as_mut()?;
        let reverse = place.find(|session| catalog::reverse(session, &name));
        let mut reverse = reverse.flatten()?;
        let slot = &reverse.slot;
        let lag = (self.target).find(|session| catalog::reverse_lag(session, slot));
        reverse.lag_bytes = lag.flatten();
        Some(reverse)
    }

    /// The tables that are to be replicated: by the plan that was given or that pgl-setup keeps; without
    /// one those that the subscription has a state for.
    fn wanted(&mut self, newest: &Snapshot) -> Vec<WantedTable> {
        let Some(now) = newest
            .target
            .known()
            .filter(|now| now.subscription.is_some())
        else {
            return Vec::new();
        };
        let (migration, target) = (&self.migration, &mut self.target);
        let kept = self
            .plan
            .clone()
            .or_else(|| (target.find(|session| catalog::kept_plan(session, migration))).flatten());
        let filled = target.find(|session| catalog::filled(session, migration));
        let filled = filled.unwrap_or_default();
        match kept {
            Some(plan) => plan
                .replicated()
                .map(|table| WantedTable {
                    table: table.qualified(),
                    set: table.set.name().map(str::to_owned),
                    filled: filled.get(&table.qualified().sql()).copied(),
                })
                .collect(),
            None => now
                .tables
                .iter()
                .map(|one| WantedTable {
                    table: one.table.clone(),
                    set: None,
                    filled: None,
                })
                .collect(),
        }
    }

    /// A server that crashes again and again answers for a few milliseconds in between: long enough
    /// to read its log, or else to see how often it goes down with a session.
    fn a_falling_server(&mut self, kind: TroubleKind) -> Result<Option<TargetClose>, Failure> {
        // A server that nobody listens for is not one that crashes; a connection that broke off
        // may be either.
        if !matches!(kind, TroubleKind::Recovering | TroubleKind::Unreachable) {
            return Ok(None);
        }
        let mut recovering = kind == TroubleKind::Recovering;
        let mut close = TargetClose::default();
        let until = Instant::now() + FALLING;
        loop {
            let error = match Session::connect(&self.target.endpoint, &options(TRY_TIMEOUT)) {
                Ok(mut session) => match catalog::tail(&mut session) {
                    Ok(log) => {
                        close.log = log;
                        return Ok(Some(close));
                    }
                    Err(error) => {
                        close.sessions_lost += 1;
                        error
                    }
                },
                Err(error) => error,
            };
            log::debug!("{error}");
            recovering |= catalog::trouble(&error).kind == TroubleKind::Recovering;
            self.context.interrupt.check()?;
            if !recovering && close.sessions_lost == 0 {
                return Ok(None);
            }
            if Instant::now() >= until {
                return Ok(recovering.then_some(close));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn look_for_rows(&mut self, source: &mut SourceClose, target: &mut TargetClose) {
        let names: Vec<QualifiedName> = source.tables.iter().map(|one| one.table.clone()).collect();
        let Some(place) = self.source.as_mut().filter(|_| names.len() <= MOST_TABLES) else {
            return;
        };
        let there = (self.target).find(|session| catalog::has_rows(session, &names));
        let empty: Vec<QualifiedName> = there
            .iter()
            .flatten()
            .filter(|(_, has_rows)| !**has_rows)
            .map(|(name, _)| name.clone())
            .collect();
        if empty.is_empty() {
            return;
        }
        let here = place.find(|session| catalog::has_rows(session, &empty));
        for one in &mut source.tables {
            one.has_rows = here.as_ref().and_then(|here| here.get(&one.table).copied());
        }
        for one in &mut target.tables {
            one.has_rows = (there.as_ref()).and_then(|there| there.get(&one.table).copied());
        }
    }
}

fn known<T>(seen: Seen<T>) -> Option<T> {
    match seen {
        Seen::Known(value) => Some(value),
        Seen::Failed(trouble) => {
            log::info!("the closer look is not complete: {}", trouble.message);
            None
        }
        Seen::NotGiven => None,
    }
}
