//! Both sides held against each other by their numbers of rows.

use pgl_conn::{Error, Session, field};
use pgl_core::QualifiedName;

/// A table's answer on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The table.
    pub table: QualifiedName,
    /// Rows.
    pub answer: String,
}

/// Tables in one statement.
const AT_ONCE: usize = 200;

fn read(session: &mut Session, tables: &[QualifiedName]) -> Result<Vec<Counted>, Error> {
    let mut all = Vec::new();
    for some in tables.chunks(AT_ONCE) {
        let parts: Vec<String> = some
            .iter()
            .enumerate()
            .map(|(n, table)| {
                format!(
                    "SELECT {n}::int4, (SELECT count(*)::text FROM ONLY {})",
                    table.sql()
                )
            })
            .collect();
        let sql = format!("{} ORDER BY 1", parts.join(" UNION ALL "));
        let rows = session.query(&sql, &[])?;
        let side = session.side();
        let answers = rows
            .iter()
            .map(|row| field(side, row, 1, "the number of rows"))
            .collect::<Result<Vec<String>, Error>>()?;
        // An answer that is missing must never pass for an equal one.
        if answers.len() != some.len() {
            return Err(Error::new(
                session.side(),
                pgl_conn::Kind::Protocol,
                format!("{} of {} tables were counted", answers.len(), some.len()),
            ));
        }
        let counted = some.iter().cloned().zip(answers);
        all.extend(counted.map(|(table, answer)| Counted { table, answer }));
    }
    Ok(all)
}

/// Reads both sides at the same time; the differences as sentences, one a table.
///
/// # Errors
/// The servers'.
pub fn compare(
    old: &mut Session,
    new: &mut Session,
    tables: &[QualifiedName],
) -> Result<Vec<String>, Error> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let (left, right) = std::thread::scope(|scope| {
        let other = scope.spawn(|| read(new, tables));
        let mine = read(old, tables);
        (mine, other.join())
    });
    let left = left?;
    let right = right.unwrap_or_else(|_| {
        Err(Error::new(
            old.side(),
            pgl_conn::Kind::Protocol,
            "counting ended unexpectedly",
        ))
    })?;
    Ok(left
        .iter()
        .zip(&right)
        .filter(|(a, b)| a.answer != b.answer)
        .map(|(a, b)| format!("{}: {} rows here, {} there", a.table, a.answer, b.answer))
        .collect())
}
