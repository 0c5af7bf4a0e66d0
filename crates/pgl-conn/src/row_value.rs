//! Single values out of answers. One that cannot be read is an error which says what was asked for: a
//! default in its place would be an answer that nobody gave.

use pgl_core::Side;
use postgres::Row;
use postgres::types::{FromSql, FromSqlOwned, ToSql};

use crate::error::{Error, Kind};
use crate::session::Session;

/// Column `at` of a row, counted from 0. `what` completes "reading …".
///
/// # Errors
/// [`Kind::Protocol`]; also for NULL, where `T` is no `Option`.
pub fn field<'a, T: FromSql<'a>>(
    side: Side,
    row: &'a Row,
    at: usize,
    what: &str,
) -> Result<T, Error> {
    row.try_get(at).map_err(|error| {
        Error::new(side, Kind::Protocol, error.to_string()).with_context(format!("reading {what}"))
    })
}

impl Session {
    /// The first column of the only row.
    ///
    /// # Errors
    /// The server's; [`Kind::Protocol`] for another number of rows, and as [`field`].
    pub fn value<T: FromSqlOwned>(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        what: &str,
    ) -> Result<T, Error> {
        let row = self.query_one(sql, params)?;
        field(self.side(), &row, 0, what)
    }

    /// The first column of the only row, if there is one.
    ///
    /// # Errors
    /// The server's; [`Kind::Protocol`] for several rows, and as [`field`].
    pub fn value_opt<T: FromSqlOwned>(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        what: &str,
    ) -> Result<Option<T>, Error> {
        let row = self.query_opt(sql, params)?;
        row.map(|row| field(self.side(), &row, 0, what)).transpose()
    }

    /// The first column of every row.
    ///
    /// # Errors
    /// The server's; as [`field`] for each.
    pub fn values<T: FromSqlOwned>(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        what: &str,
    ) -> Result<Vec<T>, Error> {
        let rows = self.query(sql, params)?;
        let side = self.side();
        rows.iter().map(|row| field(side, row, 0, what)).collect()
    }

    /// A count: the first column of the only row, a `bigint`.
    ///
    /// # Errors
    /// As [`Session::value`].
    pub fn count(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        what: &str,
    ) -> Result<u64, Error> {
        self.value::<i64>(sql, params, what).map(i64::unsigned_abs)
    }
}
