//! The few regular expressions that our schemas contain: anchored, classes and characters with
//! `{m,n}`. Anything else is not understood, and says so.

/// One piece of a pattern: which characters, and how many of them.
struct Piece {
    ranges: Vec<(char, char)>,
    least: usize,
    most: usize,
}

/// Whether a text fits a pattern; none where the pattern is beyond this reader.
pub(crate) fn fits(pattern: &str, text: &str) -> Option<bool> {
    let body = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let pieces = pieces(body)?;
    let chars: Vec<char> = text.chars().collect();
    Some(rest_fits(&pieces, &chars))
}

fn pieces(body: &str) -> Option<Vec<Piece>> {
    let mut chars = body.chars().peekable();
    let mut out = Vec::new();
    while let Some(c) = chars.next() {
        let ranges = match c {
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                ranges(&class)?
            }
            c if "\\.()|*+?^$]{}".contains(c) => return None,
            c => vec![(c, c)],
        };
        let (least, most) = if chars.next_if_eq(&'{').is_some() {
            let count: String = chars.by_ref().take_while(|c| *c != '}').collect();
            let (least, most) = count.split_once(',')?;
            (least.parse().ok()?, most.parse().ok()?)
        } else {
            (1, 1)
        };
        out.push(Piece {
            ranges,
            least,
            most,
        });
    }
    Some(out)
}

fn ranges(class: &str) -> Option<Vec<(char, char)>> {
    let chars: Vec<char> = class.chars().collect();
    if chars.first() == Some(&'^') || chars.contains(&'\\') {
        return None;
    }
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&from) = chars.get(at) {
        if let (Some('-'), Some(&to)) = (chars.get(at + 1), chars.get(at + 2)) {
            out.push((from, to));
            at += 3;
        } else {
            out.push((from, from));
            at += 1;
        }
    }
    Some(out)
}

fn rest_fits(pieces: &[Piece], text: &[char]) -> bool {
    let Some((piece, rest)) = pieces.split_first() else {
        return text.is_empty();
    };
    let within = |c: &&char| {
        piece
            .ranges
            .iter()
            .any(|(from, to)| (from..=to).contains(c))
    };
    let available = text.iter().take(piece.most).take_while(within).count();
    (piece.least..=available).any(|taken| rest_fits(rest, &text[taken..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_in_the_log() {
        let pattern = "^[0-9A-F]{1,8}/[0-9A-F]{1,8}$";
        for yes in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(fits(pattern, yes), Some(true), "{yes}");
        }
        for no in ["", "0", "0/", "/0", "0/g", "0/123456789", "0/0/0", "0/a"] {
            assert_eq!(fits(pattern, no), Some(false), "{no}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for beyond in ["a", "^a", "^(a)$", "^a*$", "^\\d$", "^[^a]$", "^a{2}$"] {
            assert_eq!(fits(beyond, "a"), None, "{beyond}");
        }
    }
}
