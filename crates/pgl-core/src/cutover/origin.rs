//! Whether a server has room for one more replication origin: without one the attempt would end in the middle.

use serde::Deserialize;

use super::guard::Refusal;
use crate::Side;

/// The replication origins of a server, as far as one of them is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OriginRoom {
    /// The setting that limits them.
    pub setting: String,
    /// Its value.
    pub max: u64,
    /// Origins that exist beside this one. It may exist itself without having a place: only then it has none.
    pub others: u64,
}

impl OriginRoom {
    /// What is missing for the origin that is needed `for_what`.
    pub fn missing(&self, side: Side, for_what: &str) -> Option<Refusal> {
        let Self {
            setting,
            max,
            others,
        } = self;
        let needed = others + 1;
        (needed > *max).then(|| Refusal {
            id: "cut.origins".to_owned(),
            what: format!(
                "{setting} is {max} on the {side}, where {others} other replication origins exist: {for_what} needs one more"
            ),
            hint: format!(
                "on the {side}: drop those that nobody uses (pg_replication_origin_drop), or ALTER SYSTEM SET {setting} = {needed} and restart it"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_needed_counts_once() {
        let room = |others| OriginRoom {
            setting: "max_active_replication_origins".to_owned(),
            max: 10,
            others,
        };
        assert_eq!(room(9).missing(Side::Target, "x"), None);
        let found = room(10).missing(Side::Target, "x");
        assert!(found.is_some_and(|one| one.hint.contains("origins = 11")));
    }
}
