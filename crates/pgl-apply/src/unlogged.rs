//! Statements whose parameters must not stand in the server's log: those that hand a connection
//! string to pglogical. With `log_statement = all`, or a low `log_min_duration_statement`, a server
//! writes parameters in full.

use pgl_conn::Session;

/// Settings that keep parameters, or before 13 whole statements, out of the log.
fn settings(session: &Session) -> &'static [&'static str] {
    if session.version().at_least(13) {
        &[
            "log_parameter_max_length = 0",
            "log_parameter_max_length_on_error = 0",
        ]
    } else {
        &["log_statement = 'none'", "log_min_duration_statement = -1"]
    }
}

/// Does something with parameters kept out of the log, as far as the role may: some of these
/// settings are a superuser's. Where it may not, that is said and nothing is held up.
pub(crate) fn unlogged<T, E>(
    session: &mut Session,
    doing: impl FnOnce(&mut Session) -> Result<T, E>,
) -> Result<T, E> {
    let mut made = Vec::new();
    for setting in settings(session) {
        match session.batch(&format!("SET {setting}")) {
            Ok(()) => made.push(setting.split(' ').next().unwrap_or_default()),
            Err(error) => log::warn!(
                "{}: parameters cannot be kept out of the server's log ({}); where that log shows them, it will hold the connection string that pglogical stores",
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
