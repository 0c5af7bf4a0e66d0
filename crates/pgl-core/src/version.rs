//! Server versions, from `server_version_num`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `server_version_num`: 90624 is 9.6.24, 170011 is 17.11.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    /// The oldest server that pglogical runs on.
    pub const OLDEST: Self = Self(90_400);

    /// A number that orders majors: 904, 905, 906, then 1000, 1100 … 1800.
    pub fn major_num(self) -> u32 {
        if self.0 < 100_000 {
            self.0 / 100
        } else {
            self.0 / 10_000 * 100
        }
    }

    /// The major version as people write it: `9.6`, `17`.
    pub fn major(self) -> String {
        if self.0 < 100_000 {
            format!("{}.{}", self.0 / 10_000, self.0 / 100 % 100)
        } else {
            (self.0 / 10_000).to_string()
        }
    }

    /// The minor release within the major: 24 of 9.6.24, 11 of 17.11.
    pub fn minor(self) -> u32 {
        if self.0 < 100_000 {
            self.0 % 100
        } else {
            self.0 % 10_000
        }
    }

    /// Whether this is the given major or a later one. `at_least(10)`; for the old scheme
    /// `at_least_num(90_600)`.
    pub fn at_least(self, major: u32) -> bool {
        self.0 >= major * 10_000
    }

    /// Whether `server_version_num` is at least this.
    pub fn at_least_num(self, number: u32) -> bool {
        self.0 >= number
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbering_schemes() {
        let cases = [
            (90_426, "9.4.26", "9.4", 904),
            (130_016, "13.16", "13", 1300),
        ];
        for (number, shown, major, order) in cases {
            let version = ServerVersion(number);
            assert_eq!(version.to_string(), shown);
            assert_eq!(version.major(), major);
            assert_eq!(version.major_num(), order);
        }
        assert!(ServerVersion(90_600).major_num() < ServerVersion(100_000).major_num());
        assert!(ServerVersion(130_016).at_least(13));
        assert!(!ServerVersion(90_624).at_least(10));
    }
}
