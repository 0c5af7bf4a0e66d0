//! Which rows and columns of a table the replication sets carry, so that a copy brings the same.

use serde::Deserialize;

/// A table's membership in one replication set that the subscription follows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SetMembership {
    /// The set.
    pub set: String,
    /// Columns that are carried; null for all.
    pub columns: Option<Vec<String>>,
    /// Rows that are carried, as an expression; null for all.
    pub filter: Option<String>,
}

/// What of a table is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Columns; none for all.
    pub columns: Option<Vec<String>>,
    /// A condition; none for all rows.
    pub condition: Option<String>,
}

/// What all memberships carry together: pglogical sends what any one of them lets through.
pub fn part(memberships: &[SetMembership]) -> Part {
    let mut columns: Option<Vec<String>> = Some(Vec::new());
    let mut conditions = Some(Vec::new());
    for one in memberships {
        columns = match (columns, &one.columns) {
            (Some(mut all), Some(some)) => {
                for column in some {
                    if !all.contains(column) {
                        all.push(column.clone());
                    }
                }
                Some(all)
            }
            _ => None,
        };
        conditions = match (conditions, &one.filter) {
            (Some(mut all), Some(filter)) => {
                all.push(format!("({filter})"));
                Some(all)
            }
            _ => None,
        };
    }
    Part {
        columns: columns.filter(|all| !all.is_empty()),
        condition: conditions
            .filter(|all| !all.is_empty())
            .map(|all| all.join(" OR ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(columns: Option<&[&str]>, filter: Option<&str>) -> SetMembership {
        SetMembership {
            set: "s".to_owned(),
            columns: columns.map(|all| all.iter().map(|c| (*c).to_owned()).collect()),
            filter: filter.map(str::to_owned),
        }
    }

    #[test]
    fn the_widest_membership_decides() {
        let whole = Part {
            columns: None,
            condition: None,
        };
        assert_eq!(part(&[]), whole);
        assert_eq!(part(&[member(None, None)]), whole);
        let narrow = member(Some(&["id", "a"]), Some("id > 5"));
        assert_eq!(part(&[narrow.clone(), member(None, None)]), whole);
        let other = member(Some(&["id", "b"]), Some("id < 0"));
        let both = part(&[narrow, other]);
        assert_eq!(both.columns.unwrap(), ["id", "a", "b"]);
        assert_eq!(both.condition.unwrap(), "(id > 5) OR (id < 0)");
    }
}
