//! Privileges that an object gives away.

use pgl_core::database_properties::{Grant, Privilege};
use pgl_core::quote_ident;

/// The statement for an object such as `LARGE OBJECT 7`.
pub(crate) fn grant_sql(grant: &Grant, object: &str) -> String {
    let right = match grant.right {
        Privilege::Select => "SELECT",
        Privilege::Update => "UPDATE",
        Privilege::Create => "CREATE",
        Privilege::Connect => "CONNECT",
        Privilege::Temporary => "TEMPORARY",
    };
    let who = grant
        .grantee
        .as_deref()
        .map_or_else(|| "PUBLIC".to_owned(), quote_ident);
    let option = if grant.grantable {
        " WITH GRANT OPTION"
    } else {
        ""
    };
    format!("GRANT {right} ON {object} TO {who}{option};")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_given_as_they_were() {
        let mut grant = Grant {
            grantee: Some("a\"b".to_owned()),
            right: Privilege::Update,
            grantable: true,
        };
        assert_eq!(
            grant_sql(&grant, "LARGE OBJECT 7"),
            "GRANT UPDATE ON LARGE OBJECT 7 TO \"a\"\"b\" WITH GRANT OPTION;"
        );
        grant.grantee = None;
        grant.grantable = false;
        assert_eq!(
            grant_sql(&grant, "LARGE OBJECT 7"),
            "GRANT UPDATE ON LARGE OBJECT 7 TO PUBLIC;"
        );
    }
}
