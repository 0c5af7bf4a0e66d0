//! Definitions of ours that no event trigger sees.

use pgl_conn::Session;

/// Event triggers do not fire for our own definitions from here to the end of the transaction, where the role may say
/// so: one that writes a row would meet the trigger that was just created.
pub(crate) fn quiet_sql(session: &Session) -> &'static str {
    pgl_catalog::sql!(
        session.version(), 150_000 => "cutover/quiet_ddl", 170_000 => "cutover/quiet_ddl_pg15",
        _ => "cutover/quiet_ddl_pg17"
    )
}
