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
    let mut quote = None;
    for line in sql.split_inclusive('\n') {
        let outside = quote.is_none();
        for c in line.chars().filter(|c| matches!(c, '\'' | '"')) {
            // A doubled quote ends and begins again.
            match quote {
                None => quote = Some(c),
                Some(open) if open == c => quote = None,
                Some(_) => {}
            }
        }
        match kept(line).filter(|_| outside) {
            Some(rest) => out.push_str(&rest),
            None => out.push_str(line),
        }
    }
    out
}

/// What is left of a statement that sets such an option; None where the line is something else.
fn kept(line: &str) -> Option<String> {
    let statement = line.trim_end();
    let (head, options) = statement.strip_suffix(");")?.rsplit_once('(')?;
    // Options hold no parenthesis, a name may: what stands before is looked at from both ends.
    let sets = head.trim_end().ends_with(" SET") && head.starts_with("ALTER");
    let own = |option: &&str| {
        let name = option.split('=').next().unwrap_or(option);
        OWN.contains(&name)
    };
    if !sets || !options.split(", ").any(|option| own(&option)) {
        return None;
    }
    let theirs: Vec<&str> = options.split(", ").filter(|option| !own(option)).collect();
    Some(if theirs.is_empty() {
        String::new()
    } else {
        format!("{head}({});\n", theirs.join(", "))
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
    fn what_only_looks_like_it_stays() {
        for sql in [
            // In a default that goes over several lines, and in a name that does.
            "CREATE TABLE t (\n    a text DEFAULT 'it''s\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n'\n);\n",
            "CREATE TABLE \"o'\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n\" (\n    a text\n);\n",
            // The user's own option, of a name that begins like it.
            "ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attverse=1);\n",
            "ALTER TABLE ONLY t ALTER COLUMN pg_attver SET (n_distinct=1);\n",
        ] {
            assert_eq!(without_own("FOREIGN TABLE", sql.to_owned()), sql);
        }
        // The column is called so; its option is the server's.
        let named = "ALTER TABLE ONLY t ALTER COLUMN \" SET (pg_attver=2);\" SET (pg_attver=1);\n";
        assert_eq!(without_own("TABLE", named.to_owned()), "");
        let body = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN\n\
                    ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\nEND$$;\n";
        assert_eq!(without_own("FUNCTION", body.to_owned()), body);
    }
}
