//! A number with its noun.

use std::fmt::Display;

/// `1 table`, `2 tables`.
pub fn plural<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    format!(
        "{count} {noun}{}",
        if count == N::from(1) { "" } else { "s" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(plural(1_usize, "table"), "1 table");
        assert_eq!(plural(0_u64, "table"), "0 tables");
        assert_eq!(plural(2_i64, "row"), "2 rows");
    }
}
