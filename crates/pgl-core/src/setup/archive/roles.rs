//! The schema without roles that the target does not have.

use std::collections::HashSet;

use super::Work;
use crate::quote_ident;

/// Takes out of the schema what names one of these roles: as an owner, in a privilege, as the user of a mapping, in a policy. A policy
/// for others as well stays for them. Gives back what is left out: labels of whole entries, and `OWNER name of LABEL`, `TO name in LABEL`, and
/// `GRANTOR name in LABEL` where the owner gives what it has given.
pub fn without_roles(work: &mut Vec<Work>, missing: &[&str]) -> Vec<String> {
    let mut gone: HashSet<u32> = HashSet::new();
    let mut left_out = Vec::new();
    let names: Vec<(&str, String)> = missing
        .iter()
        .map(|name| (*name, quote_ident(name)))
        .collect();
    work.retain_mut(|Work { entry, .. }| {
        let label = entry.label();
        let is_privilege = matches!(entry.kind.as_str(), "ACL" | "ACL LANGUAGE" | "DEFAULT ACL");
        let mut goes = entry.depends.iter().any(|id| gone.contains(id));
        for (name, quoted) in &names {
            if let Some(owner) = &entry.owner
                && owner.ends_with(&format!(" OWNER TO {quoted};\n"))
            {
                let rest = entry.sql.strip_suffix(owner.as_str()).unwrap_or(&entry.sql);
                entry.sql = rest.to_owned();
                entry.owner = None;
                left_out.push(format!("OWNER {name} of {label}"));
            }
            let rest = match entry.kind.as_str() {
                _ if is_privilege => privileges(&entry.sql, quoted),
                "POLICY" => policy(&entry.sql, quoted),
                "USER MAPPING" => mapping(&entry.sql, quoted),
                _ => continue,
            };
            match rest {
                Some(rest) if rest.is_empty() => goes = true,
                Some(rest) => {
                    if is_privilege && entry.sql.contains(&grantor(quoted)) {
                        left_out.push(format!("GRANTOR {name} in {label}"));
                    }
                    entry.sql = rest;
                    left_out.push(format!("TO {name} in {label}"));
                }
                None => {}
            }
        }
        if goes {
            // A column's privileges come after its table's, and do not need them.
            if !is_privilege {
                gone.insert(entry.id);
            }
            left_out.push(label);
        }
        !goes
    });
    left_out
}

/// A word, a quoted name, or another character, with where it begins and ends. Names are quoted, all of them: pg_dump is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    end: usize,
}

/// The tokens of a statement, as far as it holds no literal.
fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql[at..].trim_start();
        at = sql.len() - rest.len();
        let first = rest.chars().next()?;
        let length = if first == '"' {
            let mut quotes = rest.match_indices('"').skip(1).map(|(index, _)| index);
            loop {
                // Two of them are one in the name.
                let index = quotes.next()?;
                if rest[index + 1..].starts_with('"') {
                    quotes.next();
                } else {
                    break index + 1;
                }
            }
        } else if first.is_ascii_alphabetic() {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let text = &rest[..length];
        at += length;
        Some(Token { text, end: at })
    })
}

/// The end of what comes before the privileges that a role has given without being the owner; `RESET SESSION AUTHORIZATION` comes
/// after them.
fn grantor(role: &str) -> String {
    format!(" AUTHORIZATION {role};\n")
}

/// GRANT, REVOKE and ALTER DEFAULT PRIVILEGES without those that name the role. None where none does. What it has given itself is
/// given by the owner.
fn privileges(sql: &str, role: &str) -> Option<String> {
    let (mut kept, mut from) = (String::new(), 0);
    let (mut named, mut before, mut found) = (false, ";", false);
    let (mut first, mut grantor, mut reset) = ("", "", false);
    for Token { text, end } in tokens(sql) {
        named |= text == role && matches!(before, "TO" | "FROM" | "ROLE" | "AUTHORIZATION");
        if before == ";" {
            first = text;
        }
        before = text;
        if text == ";" {
            let statement = &sql[from..end];
            match first {
                "SET" if named => {}
                // Only where something is left that it gives.
                "SET" => grantor = statement,
                "RESET" => {
                    if reset {
                        kept.push_str(statement);
                    }
                    (grantor, reset) = ("", false);
                }
                _ if named => {}
                _ => {
                    reset |= !grantor.is_empty();
                    kept.push_str(grantor);
                    kept.push_str(statement);
                    grantor = "";
                }
            }
            found |= named;
            (from, named) = (end, false);
        }
    }
    found.then(|| kept.trim_start().to_owned())
}

/// A policy for the other roles that it names; empty where there is none.
fn policy(sql: &str, role: &str) -> Option<String> {
    let head: Vec<Token<'_>> = tokens(sql)
        .take_while(|token| !matches!(token.text, "USING" | "WITH" | ";"))
        .collect();
    let to = head.iter().position(|token| token.text == "TO")?;
    let (_, names) = head.split_at(to + 1);
    let others: Vec<&str> = (names.iter().map(|token| token.text))
        .filter(|text| *text != "," && *text != role)
        .collect();
    let all = names.iter().filter(|token| token.text != ",").count();
    if others.len() == all {
        return None;
    }
    if others.is_empty() {
        return Some(String::new());
    }
    let (start, end) = (head[to].end, names.last()?.end);
    Some(format!(
        "{} {}{}",
        &sql[..start],
        others.join(", "),
        &sql[end..]
    ))
}

/// A mapping of the role's: nothing is left of it.
fn mapping(sql: &str, role: &str) -> Option<String> {
    let mut words = tokens(sql)
        .map(|token| token.text)
        .skip_while(|text| *text != "FOR");
    (words.nth(1) == Some(role)).then(String::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_of_other_roles_stay() {
        let sql = "REVOKE ALL ON FUNCTION \"s\".\"f;x\"() FROM PUBLIC;\nGRANT ALL ON FUNCTION \"s\".\"f;x\"() TO \"gone\";\n\
                   GRANT SELECT(\"to\"\"\") ON TABLE \"gone\" TO \"stays\" WITH GRANT OPTION;\n";
        assert_eq!(
            privileges(sql, "\"gone\"").as_deref(),
            Some(
                "REVOKE ALL ON FUNCTION \"s\".\"f;x\"() FROM PUBLIC;\n\
                 GRANT SELECT(\"to\"\"\") ON TABLE \"gone\" TO \"stays\" WITH GRANT OPTION;"
            )
        );
        assert_eq!(privileges(sql, "\"other\""), None);
        let sql = "ALTER DEFAULT PRIVILEGES FOR ROLE \"gone\" IN SCHEMA \"s\" GRANT SELECT ON TABLES TO \"stays\";\n";
        assert_eq!(privileges(sql, "\"gone\"").as_deref(), Some(""));
        assert_eq!(privileges(sql, "\"stays\"").as_deref(), Some(""));
        assert_eq!(privileges(sql, "\"s\""), None);
    }

    #[test]
    fn what_a_missing_role_has_given_is_the_owners() {
        let give = |role: &str| format!("GRANT SELECT ON TABLE \"t\" TO \"{role}\";\n");
        let by = |role: &str, given: &str| {
            let grantor = grantor(&format!("\"{role}\""));
            format!("SET SESSION{grantor}{given}RESET SESSION AUTHORIZATION;\n")
        };
        let without = |sql: &str| privileges(sql, "\"gone\"");
        let sql = by("a", &give("b")) + &by("b", &give("gone")) + &by("gone", &give("a"));
        let kept = by("a", &give("b")) + &give("a");
        assert_eq!(without(&sql).as_deref(), Some(kept.trim_end()));
        assert_eq!(without(&kept), None);
        // Nothing is left of what it gave to itself, or to another that is missing.
        let sql = give("gone") + &by("gone", &give("also"));
        let rest = without(&sql).unwrap_or_default();
        assert_eq!(privileges(&rest, "\"also\"").as_deref(), Some(""));
    }

    #[test]
    fn a_policy_stays_for_the_others() {
        let sql = |roles: &str| {
            format!(
                "CREATE POLICY \"p\" ON \"s\".\"gone\" AS RESTRICTIVE FOR SELECT TO {roles} USING ((\"a\" IN ( SELECT \"x\" FROM \"gone\")));\n"
            )
        };
        let without = |roles: &str| policy(&sql(roles), "\"gone\"");
        assert_eq!(without("\"a\", \"gone\", \"b\""), Some(sql("\"a\", \"b\"")));
        assert_eq!(without("\"gone\"").as_deref(), Some(""));
        assert_eq!(without("\"a\""), None);
        let of_all = "CREATE POLICY \"p\" ON \"s\".\"t\" USING ((\"a\" = CAST('TO \"gone\"' AS \"text\")));\n";
        assert_eq!(policy(of_all, "\"gone\""), None);
    }

    #[test]
    fn a_mapping_is_one_roles() {
        let sql = "CREATE USER MAPPING FOR \"gone\" SERVER \"far\" OPTIONS (\n    \"user\" 'FOR \"x\"'\n);\n";
        assert_eq!(mapping(sql, "\"gone\"").as_deref(), Some(""));
        assert_eq!(mapping(sql, "\"x\""), None);
        assert_eq!(mapping(sql, "\"far\""), None);
    }
}
