//! Statements whose parameters must not stand in the server's log: those that hand a connection
//! string to pglogical. With `log_statement = all`, or a low `log_min_duration_statement`, a server
//! writes parameters in full.

use pgl_conn::Session;

/// Settings that keep parameters, or before 13 whole statements, out of the log. Terse: pglogical's connection errors
/// have the connection string as their DETAIL.
fn settings(session: &Session) -> &'static [&'static str] {
    if session.version().at_least(13) {
        &[
            "log_parameter_max_length = 0",
            "log_parameter_max_length_on_error = 0",
            "log_error_verbosity = terse",
        ]
    } else {
        &[
            "log_statement = 'none'",
            "log_min_duration_statement = -1",
            "log_error_verbosity = terse",
        ]
    }
}

/// Settings that keep whole statements out of log and statistics.
const STATEMENTS: &[&str] = &[
    "log_statement = 'none'",
    "log_min_duration_statement = -1",
    "log_min_error_statement = 'panic'",
    "log_error_verbosity = terse",
    "pg_stat_statements.track_utility = off",
];

/// Does something with parameters kept out of the log, as far as the role may: some of these
/// settings are a superuser's. Where it may not, that is said and nothing is held up.
pub(crate) fn unlogged<T, E>(
    session: &mut Session,
    doing: impl FnOnce(&mut Session) -> Result<T, E>,
) -> Result<T, E> {
    let wanted = settings(session);
    with(
        session,
        wanted,
        "the connection string that pglogical stores",
        doing,
    )
}

/// Likewise with whole statements: values of theirs are nobody's to read.
pub(crate) fn unlogged_statements<T, E>(
    session: &mut Session,
    doing: impl FnOnce(&mut Session) -> Result<T, E>,
) -> Result<T, E> {
    with(
        session,
        STATEMENTS,
        "options of foreign servers and user mappings",
        doing,
    )
}

fn with<T, E>(
    session: &mut Session,
    settings: &[&'static str],
    secret: &str,
    doing: impl FnOnce(&mut Session) -> Result<T, E>,
) -> Result<T, E> {
    let mut made = Vec::new();
    for setting in settings {
        match session.batch(&format!("SET {setting}")) {
            Ok(()) => made.push(setting.split(' ').next().unwrap_or_default()),
            // The extension is there, and of another version.
            Err(error) if setting.contains('.') => log::debug!("SET {setting}: {}", error.message),
            Err(error) => log::warn!(
                "{}: SET {setting} is not permitted ({}); where the server's log shows such statements, it will hold {secret}",
                session.side(),
                error.message
            ),
        }
    }
    let result = doing(session);
    for name in made {
        if let Err(error) = session.batch(&format!("RESET {name}")) {
            // The session is gone, and the setting with it.
            log::debug!("{}: RESET {name}: {}", session.side(), error.message);
        }
    }
    result
}
