//! Which sequences `--table` and `--schema` select: those that a matching table owns, and those that
//! match by their own name.

use std::collections::HashMap;

use crate::QualifiedName;
use crate::select::{EmptySelection, Selection};

use super::SequenceReading;

/// The sequences that are meant, of those in `wanted` (a plan's) or of all. `all` says who owns them.
///
/// # Errors
/// [`EmptySelection`]: a name that means nothing is a mistake, and never "nothing to do". A table that is
/// excluded need not own a sequence.
pub fn pick(
    selection: &Selection,
    all: &[SequenceReading],
    wanted: Option<Vec<QualifiedName>>,
) -> Result<Vec<QualifiedName>, EmptySelection> {
    let wanted = wanted.unwrap_or_else(|| all.iter().map(SequenceReading::qualified).collect());
    if selection.is_everything() {
        return Ok(wanted);
    }
    let owners: HashMap<QualifiedName, _> = (all.iter())
        .map(|one| (one.qualified(), one.owner()))
        .collect();
    let owner = |name: &QualifiedName| owners.get(name).cloned().flatten();
    let named: Vec<Vec<QualifiedName>> = wanted
        .iter()
        .map(|name| std::iter::once(name.clone()).chain(owner(name)).collect())
        .collect();
    let included = Selection {
        schemas: selection.schemas.clone(),
        tables: selection.tables.clone(),
        ..Selection::default()
    };
    included.check(named.iter().flatten())?;
    let picked: Vec<QualifiedName> = wanted
        .into_iter()
        .zip(&named)
        .filter(|(_, names)| selection.includes_any(names))
        .map(|(name, _)| name)
        .collect();
    if picked.is_empty() {
        return Err(EmptySelection::AllExcluded("the exclusions".to_owned()));
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SequenceReading> {
        let owned = |schema: &str, name: &str, table: Option<&str>| SequenceReading {
            schema: schema.into(),
            name: name.into(),
            owner_schema: table.map(|_| "shop".into()),
            owner_table: table.map(Into::into),
            ..SequenceReading::default()
        };
        vec![
            owned("shop", "orders_id_seq", Some("orders")),
            owned("other", "numbers", Some("orders")),
            owned("shop", "items_id_seq", Some("items")),
            owned("shop", "ticket", None),
        ]
    }

    fn picks(
        tables: &[&str],
        schemas: &[&str],
        exclude: &[&str],
    ) -> Result<Vec<String>, EmptySelection> {
        let typed = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let selection = Selection {
            tables: typed(tables),
            schemas: typed(schemas),
            exclude_tables: typed(exclude),
            ..Selection::default()
        };
        let names = pick(&selection, &all(), None)?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_table_selects_the_sequences_that_it_owns() {
        let orders = ["shop.orders_id_seq", "other.numbers"];
        assert_eq!(picks(&["shop.orders"], &[], &[]).unwrap(), orders);
        assert_eq!(picks(&["ticket"], &[], &[]).unwrap(), ["shop.ticket"]);
        assert_eq!(picks(&["numbers"], &[], &[]).unwrap(), ["other.numbers"]);
        assert_eq!(picks(&[], &["shop"], &[]).unwrap().len(), 4);
        assert_eq!(picks(&[], &["other"], &[]).unwrap(), ["other.numbers"]);
        assert_eq!(
            picks(&[], &[], &["orders", "ticket"]).unwrap(),
            ["shop.items_id_seq"]
        );
        assert_eq!(picks(&[], &[], &[]).unwrap().len(), 4);
    }

    #[test]
    fn a_name_that_means_nothing_is_never_nothing_to_do() {
        let unknown = |typed: &str| Err(EmptySelection::NoMatch(typed.to_owned()));
        assert_eq!(picks(&["order"], &[], &[]), unknown("--table order"));
        assert_eq!(
            picks(&["orders", "typo"], &[], &[]),
            unknown("--table typo")
        );
        assert_eq!(picks(&["orders"], &["shpo"], &[]), unknown("--schema shpo"));
        for excluded in ["orders", "*"] {
            assert!(matches!(
                picks(&["orders"], &[], &[excluded]),
                Err(EmptySelection::AllExcluded(_))
            ));
        }
        // An excluded table without sequences leaves all of them.
        assert_eq!(picks(&[], &[], &["log"]).unwrap().len(), 4);
    }

    #[test]
    fn of_a_plan_only_its_own() {
        let planned = vec![
            QualifiedName::new("shop", "items_id_seq"),
            QualifiedName::new("shop", "gone"),
        ];
        let of_table = |table: &str| Selection {
            tables: vec![table.to_owned()],
            ..Selection::default()
        };
        let picked = |selection: &Selection| pick(selection, &all(), Some(planned.clone()));
        assert_eq!(picked(&of_table("items")).unwrap(), planned[..1]);
        assert_eq!(picked(&of_table("gone")).unwrap(), planned[1..]);
        assert!(picked(&of_table("orders")).is_err());
        assert_eq!(picked(&Selection::default()).unwrap(), planned);
        // A migration without sequences is no mistake.
        assert_eq!(pick(&Selection::default(), &[], None), Ok(Vec::new()));
    }
}
