//! From the command line to the verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use pgl_catalog::verify as catalog;
use pgl_catalog::verify::replication::TableFile;
use pgl_cli::args::Format;
use pgl_cli::progress::Unit;
use pgl_cli::{Context, Failure, input};
use pgl_conn::{Access, Environment, Error, Kind, Session};
use pgl_core::cutover::{CutOver, CutoverState, Purpose, cutover_state, refusal};
use pgl_core::definitions::{AFTER_CUTOVER, DefinitionComparison, Sought};
use pgl_core::doc::{Incoming, Verdict};
use pgl_core::migration::Names;
use pgl_core::plan::Plan;
use pgl_core::select::Selection;
use pgl_core::verify::condition;
use pgl_core::verify::fix::{self, RowFix};
use pgl_core::verify::outcome::{Scope, Totals};
use pgl_core::verify::pairing::children::KnownChildren;
use pgl_core::verify::pairing::{PairedCatalogs, PairingEntry, TablePair, Wishes, unknown_columns};
use pgl_core::verify::parsed_condition::BothServers;
use pgl_core::verify::types::RelationInfo;
use pgl_core::verify::{Mode, Status, TableResult};
use pgl_core::{Database, Exit, Migration, QualifiedName, Side};

use crate::args::{Args, How, ModeArg};
use crate::definitions::{self, Definitions};
use crate::digest;
use crate::engine::{Engine, Found, Settings, lock, round};
use crate::lsn_wait::{LsnWait, Marker};
use crate::mode;
use crate::pool::Pool;
use crate::recheck::{self, Open};
use crate::resume::{Files, Journal, RunId, fingerprint};
use crate::snapshot_pair::{self, SnapshotPair};
use crate::throttle::Throttle;
use crate::view::{self, VerifyBody};

/// Tables that one moment does not decide are compared under this many more at most: those that were truncated or rewritten
/// meanwhile, whose changes do not show their rows, or whose snapshot was lost.
const MOMENTS: u32 = 8;
/// How long writers may wait behind the locks of a barrier, unless --max-barrier says otherwise.
const LOCKED: Duration = Duration::from_secs(1);

pub(crate) fn run(args: Args, context: &Context) -> Result<Verdict, Failure> {
    let started = Instant::now();
    if args.how.max_barrier.is_some() && args.how.mode != ModeArg::Barrier {
        return Err(Failure::usage("--max-barrier belongs to --mode barrier"));
    }
    if let Some(condition) = &args.how.condition
        && let Err(why) = condition::texts(condition)
    {
        return Err(Failure::usage(format!("--where: {why}")));
    }
    let incoming = input::read_plan(&args.plan, &context.interrupt)?;
    let environment = Environment::capture();
    let source = context.endpoint(Side::Source, &args.connect, &environment)?;
    let target = context.endpoint(Side::Target, &args.connect, &environment)?;
    let end = args.how.timeout.map(|limit| started + limit);
    let pool = Pool::new(context, source, target, usize::from(args.how.jobs), end);
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| pool.end_in_time(&finished));
        for side in [Side::Source, Side::Target] {
            let (pool, finished) = (&pool, &finished);
            scope.spawn(move || pool.yield_to_others(side, finished));
        }
        let result = compare(&args, incoming, context, &pool, started);
        finished.store(true, Ordering::SeqCst);
        result.map_err(|failure| match failure.exit {
            // Before the tables were known, or where no snapshot was to be had: nothing else was wrong.
            Exit::Unknown if pool.is_expired() => Failure {
                exit: Exit::NotYet,
                message: format!("the time given ran out: {}", failure.message),
                ..failure
            },
            _ => failure,
        })
    })
}

/// After a cutover the rows are those of the production database and of a former source.
fn report_cutover(
    name: Option<&str>,
    database: &Database,
    source: &mut Session,
    target: &mut Session,
    fix_sql: bool,
) -> Result<Option<CutOver>, Failure> {
    let name = name.unwrap_or(&database.database);
    let source = pgl_catalog::status::cutover(source, name)?;
    let target = pgl_catalog::status::cutover(target, name)?;
    let state = cutover_state(source.as_ref(), target.as_ref());
    match (&state, refusal(&state, Purpose::Compare)) {
        (_, Some(refusal)) => Err(Failure::refused(refusal.what).hint(refusal.hint)),
        (CutoverState::CutOver(cut), None) if fix_sql => Err(Failure::refused(format!(
            "{cut}: the target is the production database, and --fix-sql would print statements that make its rows those \
             of the former source"
        ))
        .hint("compare without --fix-sql")),
        (CutoverState::CutOver(cut), None) => {
            log::warn!(
                "{cut}: the target is the production database and is compared with the former source"
            );
            Ok(Some(cut.clone()))
        }
        _ => Ok(None),
    }
}

/// What was read before anything is compared.
struct Ready {
    migration: Migration,
    plan: Option<Plan>,
    entries: Vec<PairingEntry>,
    mode: mode::Choice,
    digest: digest::Choice,
    unsynced: BTreeMap<QualifiedName, String>,
    /// Tables whose definitions differ, and may not any more once the target has caught up.
    undecided: BTreeMap<QualifiedName, String>,
    /// What was below other tables on the source, and on the target.
    children: (KnownChildren, KnownChildren),
    cut_over: Option<CutOver>,
    settings: Settings,
    scope: Scope,
    target: fix::Target,
    run: RunId,
    /// Empty without `--resume`.
    files: Files,
}

const LACKING: &str = "after the tables were listed, a partition or an inheritance child came below it, whose rows are not compared with it";

/// The files of what is compared, on one side.
fn files(
    session: &mut Session,
    entries: &[PairingEntry],
    of: impl Fn(&TablePair) -> &[RelationInfo],
) -> Result<HashMap<QualifiedName, TableFile>, Error> {
    let names: Vec<QualifiedName> = entries
        .iter()
        .filter_map(|entry| match entry {
            PairingEntry::Compare(pair) => Some(of(pair).iter().map(RelationInfo::qualified)),
            _ => None,
        })
        .flatten()
        .collect();
    catalog::replication::table_files(session, &names)
}

/// Refuses a condition that could mean something else on the other side, or at another moment, as both servers parse it.
fn check_condition(
    condition: &str,
    entries: &[PairingEntry],
    texts: &[String],
    servers: BothServers<'_>,
    source: &mut Session,
    target: &mut Session,
) -> Result<(), Failure> {
    for entry in entries {
        let PairingEntry::Compare(pair) = entry else {
            continue;
        };
        let refused = |why: String| Failure::usage(format!("--where, {}: {why}", pair.name));
        // Each is refused, whether the other side takes it or not: it would be run on this one.
        let judge = |session: &mut Session, relations: &[RelationInfo]| {
            let Some(relation) = relations.first() else {
                return Ok(None);
            };
            let side = catalog::side_condition(session, relation, condition)?;
            side.transpose().map_err(refused)
        };
        let one = judge(source, &pair.source)?;
        let two = judge(target, &pair.target)?;
        let mut sides = [&one, &two].into_iter().flatten();
        if let Some(why) = sides.find_map(|side| side.refuse(servers)) {
            return Err(refused(why));
        }
        let (Some(one), Some(two)) = (&one, &two) else {
            continue;
        };
        let moment = condition::moment(texts).filter(|_| one.has_moments());
        if let Some(why) = moment.or_else(|| one.differs(two)) {
            return Err(refused(why));
        }
    }
    Ok(())
}

fn prepare(args: &Args, incoming: Option<Incoming>, pool: &Pool) -> Result<Ready, Failure> {
    let (mut source, _source_watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let (mut target, _target_watch) = pool.open(Side::Target, Access::ReadOnly)?;
    let databases = (
        pgl_catalog::database(&mut source)?,
        pgl_catalog::database(&mut target)?,
    );
    let planned = incoming
        .as_ref()
        .and_then(|document| document.migration.as_ref());
    input::same_pair(planned, &databases.0, Some(&databases.1))?;
    let (name, plan) = incoming.map_or((None, None), |document| {
        (
            document.migration.map(|migration| migration.name),
            document.plan,
        )
    });
    let cut_over = report_cutover(
        name.as_deref(),
        &databases.0,
        &mut source,
        &mut target,
        args.how.fix_sql,
    )?;
    if cut_over.is_some() && args.how.definitions {
        return Err(Failure::usage(AFTER_CUTOVER));
    }
    let (one, two) = (
        catalog::database(&mut source)?,
        catalog::database(&mut target)?,
    );
    if one.integer_datetimes != two.integer_datetimes {
        return Err(Failure::refused(
            "one server was built with floating-point timestamps: their stored form cannot be compared",
        ));
    }
    // The target's first: once it is found unchanged where everything of the source's is applied, it was this at that moment.
    let theirs = catalog::catalog(&mut target, &two.encoding)
        .map_err(|error| error.with_context("reading the catalog"))?;
    let ours = catalog::catalog(&mut source, &one.encoding)
        .map_err(|error| error.with_context("reading the catalog"))?;
    let typed = Selection::from(args.select.clone());
    let names: Vec<_> = [&ours, &theirs]
        .into_iter()
        .flat_map(|side| &side.relations)
        .map(|relation| QualifiedName::new(&relation.schema, &relation.name))
        .collect();
    typed.check(&names)?;
    let selection = match &plan {
        Some(plan) if typed.is_everything() => plan.selection.clone(),
        _ => typed,
    };
    let wishes = Wishes {
        selection,
        columns: args.how.columns.clone(),
        exclude_columns: args.how.exclude_column.clone(),
    };
    let unknown = unknown_columns(&ours, &theirs, &wishes);
    if !unknown.is_empty() {
        return Err(Failure::usage(format!(
            "no selected table has a column {}",
            unknown.join(", ")
        ))
        .hint("write COLUMN, TABLE.COLUMN or SCHEMA.TABLE.COLUMN, as in the catalog"));
    }
    let mode = mode::choose(&args.how, cut_over.is_some(), &mut source, &mut target)?;
    let reading = PairedCatalogs::new(ours, theirs, &wishes, plan.as_ref());
    let definitions = if mode.slots.is_empty() {
        Definitions::of(reading, BTreeMap::new())
    } else {
        definitions::Reader {
            pool,
            slots: &mode.slots,
            source: &mut source,
            target: &mut target,
            wishes: &wishes,
            plan: plan.as_ref(),
            limit: args.how.max_wait,
        }
        .confirm(reading)?
    };
    let entries = definitions.entries;
    if entries.is_empty() && !wishes.selection.is_everything() {
        return Err(Failure::usage(
            "no table is left to compare: what is asked for is excluded, or partitioned tables without partitions",
        ));
    }
    if let Some(condition) = &args.how.condition {
        let servers = BothServers {
            encodings: (one.encoding.as_str(), two.encoding.as_str()),
            oldest: source.version().min(target.version()),
        };
        let texts = condition::texts(condition).unwrap_or_default();
        check_condition(
            condition,
            &entries,
            &texts,
            servers,
            &mut source,
            &mut target,
        )?;
    }
    let digest = digest::choose(
        args.how.digest,
        args.how.counts_only,
        &mut source,
        &mut target,
    );
    let unsynced = if mode.slots.is_empty() {
        BTreeMap::new()
    } else {
        catalog::replication::unsynced(&mut target)?
    };
    let settings = Settings {
        mode: mode.mode,
        digest: digest.digest,
        versions: (source.version(), target.version()),
        jobs: usize::from(args.how.jobs),
        max_diffs: args.how.max_diffs,
        condition: args.how.condition.clone(),
        redact: args.how.redact,
        fix_sql: args.how.fix_sql,
    };
    let run = RunId {
        databases: format!(
            "{:?} {} {:?} {}",
            databases.0.system_identifier, one.oid, databases.1.system_identifier, two.oid
        ),
        source_lsn: match source.is_standby() {
            true => None,
            false => Some(catalog::insert_lsn(&mut source)?),
        },
    };
    let files = match args.how.resume {
        Some(_) => (
            files(&mut source, &entries, |pair| &pair.source)?,
            files(&mut target, &entries, |pair| &pair.target)?,
        ),
        None => Files::default(),
    };
    Ok(Ready {
        run,
        files,
        migration: Migration {
            name: name.unwrap_or_else(|| databases.0.database.clone()),
            source: databases.0,
            target: Some(databases.1),
        },
        plan,
        entries,
        mode,
        digest,
        unsynced,
        undecided: definitions.undecided,
        children: definitions.children,
        cut_over,
        settings,
        scope: Scope {
            counts_only: args.how.counts_only,
            condition: args.how.condition.clone(),
            columns: args.how.columns.clone(),
            exclude_columns: args.how.exclude_column.clone(),
        },
        target: fix::Target {
            identity: target.version().at_least(10),
            unchecked: [&one.encoding, &two.encoding]
                .iter()
                .any(|name| *name == "SQL_ASCII"),
            conflict_resolution: catalog::replication::conflict_resolution(&mut target)?,
        },
    })
}

/// Everything that the second half of a run shares.
struct Run<'a> {
    context: &'a Context,
    pool: &'a Pool,
    args: &'a Args,
    ready: &'a Ready,
    journal: Option<Journal>,
    results: Mutex<Vec<TableResult>>,
    fixes: Mutex<Vec<(QualifiedName, String)>>,
    trouble: Mutex<Option<Failure>>,
    fingerprints: Vec<String>,
}

impl Run<'_> {
    /// Takes a finished table.
    fn take(&self, mut found: Found) {
        if self.ready.settings.condition.is_some() {
            found.result.require_rows();
        }
        let key = self
            .fingerprints
            .get(found.index)
            .cloned()
            .unwrap_or_default();
        if let Some(journal) = &self.journal
            && let Err(failure) = journal.put(&key, &found.result)
        {
            lock(&self.trouble).get_or_insert(failure);
        }
        self.keep(found.result, &found.fixes);
    }

    fn keep(&self, mut result: TableResult, rows: &[RowFix]) {
        result.next = result.next(self.ready.cut_over.as_ref());
        if self.args.how.fix_sql && !matches!(result.status, Status::Identical | Status::Skipped) {
            let text = fix::table(&result, rows, &self.ready.target);
            lock(&self.fixes).push((result.qualified(), text));
        }
        if self.streams()
            && let Err(failure) = self.context.record(&view::record(&result))
        {
            lock(&self.trouble).get_or_insert(failure);
        }
        lock(&self.results).push(result);
    }

    fn streams(&self) -> bool {
        self.context.streams.format == Format::Ndjson && !self.args.how.fix_sql
    }
}

fn compare(
    args: &Args,
    incoming: Option<Incoming>,
    context: &Context,
    pool: &Pool,
    started: Instant,
) -> Result<Verdict, Failure> {
    let ready = prepare(args, incoming, pool)?;
    context.interrupt.check()?;
    context.say(&format!(
        "pgl-verify: mode {} ({}); digest {} ({})",
        ready.mode.mode.as_str(),
        ready.mode.why,
        ready.digest.digest.as_str(),
        ready.digest.why
    ));
    let options = format!(
        "{:?}|{:?}|{:?}|{:?}|{:?}|{}",
        ready.migration.source,
        ready.migration.target,
        ready.settings.mode,
        ready.settings.digest,
        ready.settings.condition,
        ready.settings.redact
    );
    let run = Run {
        context,
        pool,
        args,
        journal: match &args.how.resume {
            Some(path) => Some(Journal::open(path, &ready.run, SystemTime::now())?),
            None => None,
        },
        results: Mutex::new(Vec::new()),
        fixes: Mutex::new(Vec::new()),
        trouble: Mutex::new(None),
        fingerprints: ready
            .entries
            .iter()
            .map(|entry| match entry {
                PairingEntry::Compare(pair) => fingerprint(pair, &options, &ready.files),
                _ => String::new(),
            })
            .collect(),
        ready: &ready,
    };
    let work = run.sort_out();
    let mut lacking = BTreeSet::new();
    let held = run.work(&work, &mut lacking)?;
    let listed: HashSet<&QualifiedName> = ready.entries.iter().map(PairingEntry::name).collect();
    // Those that are compared as one table have their result.
    lacking.retain(|table| !listed.contains(table));
    for table in &lacking {
        let result = TableResult::new(table, Status::Inconclusive, Some(LACKING.to_owned()));
        run.keep(result, &[]);
    }
    let expected = (ready.entries.len() + lacking.len()) as u64;
    if let Some(failure) = lock(&run.trouble).take() {
        return Err(failure);
    }
    let mut tables = std::mem::take(&mut *lock(&run.results));
    tables.sort_by_key(TableResult::qualified);
    let totals = Totals::of(expected, &tables);
    let mut verdict = totals.verdict();
    if let Some(journal) = &run.journal
        && !(pool.is_expired() && verdict == Verdict::NotYet)
    {
        journal.close(SystemTime::now())?;
    }
    let (mut definitions, mut definitions_since_setup, mut definitions_unknown) =
        (None, None, None);
    if args.how.definitions {
        match compare_definitions(args, &ready, pool) {
            Ok(found) => {
                if !found.differences.is_empty() && matches!(verdict, Verdict::Ok | Verdict::NotYet)
                {
                    verdict = Verdict::No;
                }
                definitions_since_setup = Some(found.since_setup);
                definitions = Some(found.differences);
            }
            Err(error) if error.kind == Kind::Cancelled && !pool.is_expired() => {
                return Err(error.into());
            }
            Err(error) => {
                // What is known of the rows stays an answer when the time is over.
                verdict = match verdict {
                    Verdict::Ok | Verdict::NotYet if pool.is_expired() => Verdict::NotYet,
                    Verdict::No if pool.is_expired() => Verdict::No,
                    _ => Verdict::Unknown,
                };
                definitions_unknown = Some(error.to_string());
            }
        }
    }
    if args.how.fix_sql {
        let mut fixes = std::mem::take(&mut *lock(&run.fixes));
        fixes.sort();
        let mut text = fix::preamble().to_owned();
        for (_, part) in fixes {
            text.push_str(&part);
        }
        text.push_str("COMMIT;\n");
        for one in definitions.iter().flatten() {
            text.push_str(&fix::definition(one));
        }
        if let Some(why) = definitions_unknown {
            log::warn!("the definitions could not be compared: {why}");
        }
        context.print(&text)?;
        return Ok(verdict);
    }
    let body = VerifyBody {
        mode: Some(ready.mode.mode),
        mode_reason: ready.mode.why.clone(),
        digest_reason: format!("{} ({})", ready.digest.digest.as_str(), ready.digest.why),
        scope: ready.scope.clone(),
        totals,
        barrier_seconds: held.map(|time| round(time.as_secs_f64())),
        streamed: run.streams(),
        definitions,
        definitions_since_setup,
        definitions_unknown,
        tables,
        seconds: round(started.elapsed().as_secs_f64()),
    };
    context.emit(&context.document(
        verdict,
        Some(ready.migration.clone()),
        ready.plan.clone(),
        body,
    ))?;
    Ok(verdict)
}

/// What differs of the definitions: what one side has changed since pgl-setup, or all where it has not run.
fn compare_definitions(
    args: &Args,
    ready: &Ready,
    pool: &Pool,
) -> Result<DefinitionComparison, Error> {
    let (mut source, _source_watch) = pool.open(Side::Source, Access::ReadOnly)?;
    let (mut target, _target_watch) = pool.open(Side::Target, Access::ReadOnly)?;
    let name = &ready.migration.name;
    let plan = match &ready.plan {
        Some(plan) => Some(plan.clone()),
        None => pgl_catalog::status::kept_plan(&mut target, name)?,
    };
    let mut plan = plan.unwrap_or_else(|| Plan {
        names: Names::of(name),
        selection: Selection::default(),
        tables: Vec::new(),
        sequences: Vec::new(),
        manual_steps: Vec::new(),
        excluded_objects: Vec::new(),
        without_roles: Vec::new(),
    });
    let typed = Selection::from(args.select.clone());
    if !typed.is_everything() {
        plan.tables
            .retain(|table| typed.includes(&table.qualified()));
        plan.selection = typed;
    }
    pgl_catalog::definitions::compare(
        args.programs.dir().as_deref(),
        (&mut source, &mut target),
        pool.endpoints(),
        name,
        &plan,
        Sought::Everything,
        pool,
    )
}

impl<'a> Run<'a> {
    /// Keeps what needs no comparison; gives the rest.
    fn sort_out(&self) -> Vec<(usize, &'a TablePair)> {
        let mut work = Vec::new();
        for (index, entry) in self.ready.entries.iter().enumerate() {
            let plain = |name: &QualifiedName, status, reason: &str| {
                self.keep(TableResult::new(name, status, Some(reason.to_owned())), &[]);
            };
            if let Some((name, why)) = self.ready.undecided.get_key_value(entry.name()) {
                plain(name, Status::Inconclusive, why);
                continue;
            }
            match entry {
                PairingEntry::Skip(name, why) => plain(name, Status::Skipped, why),
                PairingEntry::Differs(name, why) => plain(name, Status::Different, why),
                PairingEntry::Error(name, why) => plain(name, Status::Error, why),
                PairingEntry::Compare(pair) => {
                    let parts = pair.source.iter().map(RelationInfo::qualified);
                    let copying = std::iter::once(pair.name.clone())
                        .chain(parts)
                        .find_map(|name| self.ready.unsynced.get(&name));
                    let fingerprint = self.fingerprints.get(index).map_or("", String::as_str);
                    let known = self
                        .journal
                        .as_ref()
                        .and_then(|journal| journal.get(&pair.name, fingerprint))
                        .filter(|known| {
                            !self.args.how.fix_sql || known.status == Status::Identical
                        });
                    if let Some(status) = copying {
                        let why = format!("its initial copy is not finished (status {status:?})");
                        plain(&pair.name, Status::Inconclusive, &why);
                    } else if let Some(mut result) = known {
                        // Not in the file: what comes next follows from them.
                        result.copy_again.clone_from(&pair.copy_again);
                        result.computed = pair.computed();
                        self.keep(result, &[]);
                    } else {
                        work.push((index, &**pair));
                    }
                }
            }
        }
        work
    }

    /// Compares, and looks again where writes go on. How long a barrier held up writers; `lacking` gets the tables with a
    /// partition of which nothing is known.
    fn work(
        &self,
        work: &[(usize, &'a TablePair)],
        lacking: &mut BTreeSet<QualifiedName>,
    ) -> Result<Option<Duration>, Failure> {
        if work.is_empty() {
            return Ok(None);
        }
        let how = &self.args.how;
        let bytes = work.iter().map(|(_, pair)| pair.bytes()).sum();
        let progress = self.context.progress("comparing", Some(bytes), Unit::Bytes);
        let throttle = Throttle::new(how.throttle);
        let engine = Engine {
            pool: self.pool,
            settings: &self.ready.settings,
            throttle: &throttle,
            progress: &progress,
        };
        let mut relate = match Relate::open(self.pool, self.ready, how) {
            Err(error) if self.out_of_time(&error) => return Ok(self.leave(work, &error, None)),
            other => other?,
        };
        let mut held = None;
        let mut rest: Vec<(usize, &TablePair)> = work.to_vec();
        let mut pause = Duration::from_millis(50);
        for attempt in 1..=MOMENTS {
            let pairs: Vec<&TablePair> = rest.iter().map(|(_, pair)| *pair).collect();
            let moment = match relate.moment(self.pool, &pairs) {
                Err(error) if self.out_of_time(&error) => {
                    return Ok(self.leave(&rest, &error, held));
                }
                other => other?,
            };
            held = held.max(moment.held);
            let lack = match moment.lacking(self.pool, &self.ready.children) {
                Err(error) if self.out_of_time(&error) => {
                    return Ok(self.leave(&rest, &error, held));
                }
                Err(error) if attempt < MOMENTS && recheck::moment_is_gone(&error.to_string()) => {
                    continue;
                }
                other => other?,
            };
            let open = Mutex::new(Vec::new());
            let again = Mutex::new(Vec::new());
            let exported = moment.source.is_some();
            let done = |mut found: Found| {
                let Some((index, pair)) = rest.iter().find(|(index, _)| *index == found.index)
                else {
                    return;
                };
                let undecided = found.result.status == Status::Inconclusive;
                if lack.contains(&pair.name) && !(undecided && found.pending.is_empty()) {
                    found.again = Some(LACKING.to_owned());
                }
                if found.again.is_none()
                    && found.result.status == Status::Error
                    && exported
                    && found
                        .result
                        .reason
                        .as_deref()
                        .is_some_and(recheck::moment_is_gone)
                {
                    found.again = found.result.reason.clone();
                }
                match found.again.take() {
                    Some(why) if attempt < MOMENTS && !self.pool.stopped() => {
                        log::info!("{} is compared again: {why}", pair.name);
                        lock(&again).push((*index, *pair));
                    }
                    Some(why) if found.result.status != Status::Error => {
                        found.result.status = Status::Inconclusive;
                        found.result.reason = Some(format!("{why}, in each of {attempt} attempts"));
                        self.take(found);
                    }
                    _ if found.pending.is_empty() => {
                        progress.message(&format!(
                            "{} {}",
                            pair.name,
                            found.result.status.as_str()
                        ));
                        self.take(found);
                    }
                    _ => lock(&open).push(Open { pair, found }),
                }
            };
            engine.run(&rest, &moment, &done)?;
            drop(moment);
            lacking.extend(lack.iter().cloned());
            let open = std::mem::take(&mut *lock(&open));
            relate.settle(self.pool, &engine, open, &done);
            rest = std::mem::take(&mut *lock(&again));
            if rest.is_empty() {
                break;
            }
            self.pool.pause(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        progress.finish();
        Ok(held)
    }

    /// Whether --timeout or --max-wait has run out.
    fn out_of_time(&self, error: &Error) -> bool {
        self.pool.is_expired() || error.kind == Kind::NotYet
    }

    /// The time was over before there were snapshots to read these tables under.
    fn leave(
        &self,
        tables: &[(usize, &'a TablePair)],
        error: &Error,
        held: Option<Duration>,
    ) -> Option<Duration> {
        for (_, pair) in tables {
            let why = format!("the time given ran out before it was read: {error}");
            self.keep(
                TableResult::new(&pair.name, Status::Inconclusive, Some(why)),
                &[],
            );
        }
        held
    }
}

/// What relates the two sides in this mode.
struct Relate<'a> {
    ready: &'a Ready,
    how: &'a How,
    lsn_wait: Option<LsnWait>,
    marker: Option<Marker>,
}

impl<'a> Relate<'a> {
    fn open(pool: &Pool, ready: &'a Ready, how: &'a How) -> Result<Self, Error> {
        let lsn_wait = if ready.mode.slots.is_empty() {
            None
        } else {
            Some(LsnWait::open(pool, &ready.mode.slots)?)
        };
        let marker = match ready.mode.marker && ready.mode.mode == Mode::Live {
            true => Some(Marker::open(pool)?),
            false => None,
        };
        Ok(Self {
            ready,
            how,
            lsn_wait,
            marker,
        })
    }

    fn moment(&mut self, pool: &Pool, pairs: &[&TablePair]) -> Result<SnapshotPair, Error> {
        let limit = self.how.max_wait;
        let Some(lsn_wait) = &mut self.lsn_wait else {
            return SnapshotPair::unrelated(pool, pairs);
        };
        match self.ready.mode.mode {
            Mode::Static => SnapshotPair::unrelated(pool, pairs),
            Mode::Fenced => snapshot_pair::versions(pool, lsn_wait, pairs, limit),
            Mode::Barrier => {
                let locked = self.how.max_barrier.unwrap_or(LOCKED);
                snapshot_pair::barrier(pool, lsn_wait, pairs, (limit, locked))
            }
            Mode::Live => snapshot_pair::live(pool, lsn_wait, &mut self.marker, pairs, limit),
        }
    }

    fn settle(
        &mut self,
        pool: &Pool,
        engine: &Engine<'_>,
        open: Vec<Open<'_>>,
        done: &dyn Fn(Found),
    ) {
        if !open.is_empty() {
            recheck::settle(engine, open, |pairs| self.moment(pool, pairs), done);
        }
    }
}
