//! Triggers made quiet, materialised views filled, statistics gathered.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use pgl_conn::{Error as ConnError, Session};
use pgl_core::{QualifiedName, Side, plural, quote_literal};

use crate::worker_pool::run_workers;
use crate::{Done, Error, ObjectFailure, Servers, Watch};

/// The statements, for a transaction, that disable what would fire for replicated rows and record how it was, for the
/// next promotion.
pub fn quiet_triggers_sql(migration: &str) -> String {
    format!(
        "SET LOCAL pgl.migration = {};\n{};\n",
        quote_literal(migration),
        include_str!("../../sql/quiet_triggers.sql")
    )
}

/// Disables what would fire for replicated rows, whoever created it; a sentence about what was disabled, where anything was.
///
/// # Errors
/// The server's.
pub fn quiet_triggers(target: &mut Session, migration: &str) -> Result<Option<String>, ConnError> {
    let loud = pgl_catalog::setup::loud_triggers(target)?;
    if loud.is_empty() {
        return Ok(None);
    }
    let quiet = quiet_triggers_sql(migration);
    target
        .batch(&format!("BEGIN;\n{quiet}COMMIT;"))
        .or_else(|error| {
            target.rollback()?;
            Err(error)
        })?;
    let names: Vec<String> = loud.into_iter().map(|trigger| trigger.name).collect();
    Ok(Some(format!(
        "triggers disabled until the cutover, because they fire for replicated rows: {}",
        names.join(", ")
    )))
}

/// Materialised views that hold rows on the source and none on the target.
///
/// # Errors
/// The servers'.
pub fn unfilled(
    source: &mut Session,
    target: &mut Session,
) -> Result<Vec<QualifiedName>, ConnError> {
    let named = |view: pgl_catalog::setup::Matview| QualifiedName::new(view.schema, view.name);
    let wanted: Vec<QualifiedName> = pgl_catalog::setup::matviews(source)?
        .into_iter()
        .filter(|view| view.populated)
        .map(named)
        .collect();
    let here = pgl_catalog::setup::matviews(target)?;
    Ok(here
        .into_iter()
        .filter(|view| !view.populated)
        .map(named)
        .filter(|name| wanted.contains(name))
        .collect())
}

/// Tables that hold something and were never analysed.
///
/// # Errors
/// The server's.
pub fn unanalyzed(target: &mut Session) -> Result<Vec<QualifiedName>, ConnError> {
    pgl_catalog::rows(target, include_str!("../../sql/never_analyzed.sql"), &[])
}

/// Fills materialised views, each after those that it reads. Those that the source never filled
/// stay empty. A view that fails does not keep the others from being filled.
///
/// # Errors
/// [`Error::Objects`] with the views that failed.
pub fn matviews(
    source: &mut Session,
    target: &mut Session,
    watch: &dyn Watch,
) -> Result<Done, Error> {
    let todo = unfilled(source, target)?;
    if todo.is_empty() {
        return Ok(Done::Already(
            "every materialised view that holds rows on the source is filled".to_owned(),
        ));
    }
    watch.begin("materialised views", todo.len() as u64, false);
    let mut failures = Vec::new();
    for view in &todo {
        if watch.stop() {
            return Err(Error::Interrupted);
        }
        watch.doing(&view.to_string());
        let _cancel = watch.cancel_on_stop(target.cancel_handle());
        // The view runs with its owner's search path of old: names in it are qualified.
        let refresh = format!("REFRESH MATERIALIZED VIEW {}", view.sql());
        if let Err(error) = target.with_views(true, |target| target.batch(&refresh)) {
            if error.is_lost() {
                return Err(error.into());
            }
            failures.push(ObjectFailure::new(view.to_string(), &error));
        }
        watch.add(1);
    }
    watch.end();
    if failures.is_empty() {
        Ok(Done::Changed(format!(
            "{} materialised views filled",
            todo.len()
        )))
    } else {
        Err(Error::Objects {
            side: Side::Target,
            what: format!("{} materialised views could not be filled", failures.len()),
            failures,
        })
    }
}

/// The catalogs that a schema of thousands of objects fills faster than autovacuum comes.
const CATALOGS: [&str; 8] = [
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_index",
    "pg_sequence",
    "pg_type",
];

/// Gathers planner statistics for the catalogs: without them a query over 10,000 tables may take half a minute, also while writes are
/// blocked. Who owns neither them nor the database has to wait for autovacuum.
///
/// # Errors
/// The server's.
pub fn analyze_catalogs(target: &mut Session) -> Result<(), ConnError> {
    let before_10 = !target.version().at_least(10);
    target.batch("SET client_min_messages = error")?;
    for catalog in CATALOGS {
        if !(before_10 && catalog == "pg_sequence") {
            target.batch(&format!("ANALYZE pg_catalog.{catalog}"))?;
        }
    }
    target.batch("RESET client_min_messages")
}

/// Gathers planner statistics for tables that have none, largest first, side by side.
///
/// # Errors
/// The server's.
pub fn analyze(
    servers: &Servers,
    target: &mut Session,
    jobs: usize,
    watch: &dyn Watch,
) -> Result<Done, Error> {
    let tables = unanalyzed(target)?;
    if tables.is_empty() {
        return Ok(Done::Already("every table has statistics".to_owned()));
    }
    analyze_catalogs(target)?;
    let count = tables.len();
    watch.begin("analyze", count as u64, false);
    let queue = Mutex::new(tables.into_iter());
    let results = run_workers(jobs.clamp(1, count), || -> Result<(), ConnError> {
        let mut session = servers.session(Side::Target)?;
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(table) = next else { return Ok(()) };
            if watch.stop() {
                return Ok(());
            }
            let _cancel = watch.cancel_on_stop(session.cancel_handle());
            session
                .batch(&format!("ANALYZE {}", table.sql()))
                .map_err(|error| error.with_context(format!("analysing {table}")))?;
            watch.add(1);
        }
    });
    watch.end();
    if watch.stop() {
        return Err(Error::Interrupted);
    }
    results.into_iter().collect::<Result<(), _>>()?;
    // What a session has counted becomes visible a moment after it ended.
    std::thread::sleep(Duration::from_millis(50));
    Ok(Done::Changed(format!(
        "{} analysed",
        plural(count, "table")
    )))
}
