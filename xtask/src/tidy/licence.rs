//! Licence expressions: whether a dependency may be linked into the suite.

/// Licences that may be linked into an Apache-2.0 program without further duties than naming.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether a licence expression can be satisfied from [`LICENCES`]: one side of each OR, both
/// sides of each AND. `/` is the old form of OR.
pub(crate) fn fits(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = either(&words, &mut at);
    value && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut value = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= both(words, at);
    }
    value
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut value = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(words, at);
    }
    value
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let value = either(words, at);
        *at += 1;
        return value;
    }
    let mut value = LICENCES.contains(word);
    if words.get(*at) == Some(&"WITH") {
        value &= words.get(*at + 1) == Some(&"LLVM-exception");
        *at += 2;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        for yes in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(fits(yes), "{yes}");
        }
        for no in ["GPL-3.0-only", "MIT AND GPL-2.0", "", "(MIT"] {
            assert!(!fits(no), "{no}");
        }
    }
}
