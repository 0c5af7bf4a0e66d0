//! Options of columns that a server gives by itself and that are nobody's to carry over.
//!
//! The minor releases of November 2026 (seen in 17.12) keep `pg_attver=…` with every column of every new table. A
//! pg_dump that is not of these releases writes it out as an option of the user's, `ALTER TABLE ONLY t ALTER COLUMN c SET
//! (pg_attver=37989672)`, and a server that is not of them refuses that: 18.6 with 22023, «unrecognized parameter».
//! A target that knows it makes its own.

const OWN: &[&str] = &["pg_attver"];

/// The SQL of one entry of this kind without these options. Only what has columns is looked into: the body of a function is
/// nobody's to change.
pub(super) fn without_own(kind: &str, sql: String) -> String {
    let columns = kind.ends_with("TABLE") || kind.ends_with("VIEW");
    if !columns || !OWN.iter().any(|name| sql.contains(name)) {
        return sql;
    }
    let mut out = String::with_capacity(sql.len());
    let (mut quote, mut from, mut open) = (None, 0, None);
    for (at, c) in sql.char_indices() {
        match quote {
            // A doubled quote ends and begins again.
            Some(q) if q == c => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '(' => open = Some(at),
            None if c == ';' => {
                let statement = &sql[from..=at];
                match open.and_then(|open| kept(statement, open - from)) {
                    Some(rest) => out.push_str(&rest),
                    None => out.push_str(statement),
                }
                (from, open) = (at + 1, None);
            }
            None => {}
        }
    }
    out.push_str(&sql[from..]);
    out
}

/// What is left of a statement that sets such an option; None where it does something else. `open` is its last
/// parenthesis that opens outside quotes.
fn kept(statement: &str, open: usize) -> Option<String> {
    let (head, options) = statement.split_at(open);
    let options = options.strip_prefix('(')?.strip_suffix(");")?;
    let sets = head.trim_end().ends_with(" SET") && head.trim_start().starts_with("ALTER");
    let (own, theirs): (Vec<&str>, Vec<&str>) = options
        .split(", ")
        .partition(|option| OWN.contains(&option.split('=').next().unwrap_or(option)));
    if !sets || own.is_empty() {
        return None;
    }
    Some(if theirs.is_empty() {
        String::new()
    } else {
        format!("{head}({});", theirs.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pg_dump 18.6 wrote it of 17.12.
    #[test]
    fn the_servers_own_options_go_and_the_users_stay() {
        let sql = "CREATE TABLE public.t (\n    id integer NOT NULL,\n    a text\n);\n\
                   ALTER TABLE ONLY public.t ALTER COLUMN id SET (pg_attver=37989672);\n\
                   ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=-0.5, pg_attver=37989672);\n\
                   ALTER TABLE ONLY public.t ALTER COLUMN a SET STATISTICS 500;\n";
        assert_eq!(
            without_own("TABLE", sql.to_owned()),
            "CREATE TABLE public.t (\n    id integer NOT NULL,\n    a text\n);\n\
             ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=-0.5);\n\
             ALTER TABLE ONLY public.t ALTER COLUMN a SET STATISTICS 500;\n"
        );
    }

    #[test]
    fn names_of_several_lines_are_read_to_their_end() {
        let own = "SET default_tablespace = '';\n\nCREATE TABLE \"a\n(b;\" (\n    \"c\nd\" integer\n);\n\
                   ALTER TABLE ONLY \"a\n(b;\" ALTER COLUMN \"c\nd\" SET (pg_attver=37989672);\n\
                   ALTER TABLE ONLY \"a\n(b;\" ALTER COLUMN \"c\nd\" SET (n_distinct=-1, pg_attver=37989672);\n";
        let rest = "SET default_tablespace = '';\n\nCREATE TABLE \"a\n(b;\" (\n    \"c\nd\" integer\n);\n\
                    ALTER TABLE ONLY \"a\n(b;\" ALTER COLUMN \"c\nd\" SET (n_distinct=-1);\n";
        assert_eq!(without_own("TABLE", own.to_owned()), rest);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for sql in [
            // In a default that goes over several lines, and in a name that does.
            "CREATE TABLE t (\n    a text DEFAULT 'it''s\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n'\n);\n",
            "CREATE TABLE \"o'\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n\" (\n    a text\n);\n",
            // The user's own option, of a name that begins like it.
            "ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attverse=1);\n",
            "ALTER TABLE ONLY t ALTER COLUMN pg_attver SET (n_distinct=1);\n",
            "ALTER TABLE ONLY t ADD CONSTRAINT c CHECK ((a <> ' SET (pg_attver=1'::text));\n",
            // A boolean column of that name.
            "ALTER TABLE ONLY t ADD CONSTRAINT c CHECK (pg_attver);\n",
        ] {
            assert_eq!(without_own("FOREIGN TABLE", sql.to_owned()), sql);
        }
        let behind = "CREATE TABLE t (\n    a text DEFAULT 'x'\n);\n";
        let set = "ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n";
        assert_eq!(without_own("TABLE", format!("{behind}{set}")), behind);
        // The column is called so; its option is the server's.
        let named = "ALTER TABLE ONLY t ALTER COLUMN \" SET (pg_attver=2);\" SET (pg_attver=1);\n";
        assert_eq!(without_own("TABLE", named.to_owned()), "\n");
        let body = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN\n\
                    NULL;\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\nEND$$;\n";
        assert_eq!(without_own("FUNCTION", body.to_owned()), body);
    }
}
