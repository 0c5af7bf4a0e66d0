//! What a terminal would obey instead of showing it.
//!
//! Names of objects and messages of servers are anybody's text. Every text for people passes here, on
//! its way into a [`Page`](crate::Page), to standard error or into a progress bar.

use std::borrow::Cow;

/// Whether line breaks of the text are its own layout or part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// They are written as they are.
    Keep,
    /// They are escaped: the text is one line.
    Escape,
}

/// The text with control characters, and characters that reorder or break lines, as escapes that JSON
/// knows too.
pub(crate) fn escape(text: &str, breaks: Breaks) -> Cow<'_, str> {
    let obeyed = |c: char| match c {
        '\n' => breaks == Breaks::Escape,
        // Line and paragraph separators, marks, embeddings, overrides and isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !obeyed(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\x1b[2Jb\rc\x07d\u{9b}31me\u{202e}f\u{2028}g\th\x7f";
        let shown = escape(hostile, Breaks::Keep);
        assert_eq!(
            shown,
            "a\\u001b[2Jb\\rc\\u0007d\\u009b31me\\u202ef\\u2028g\\th\\u007f"
        );
        assert_eq!(escape("a\nb", Breaks::Keep), "a\nb");
        assert_eq!(escape("a\nb", Breaks::Escape), "a\\nb");
        assert!(matches!(
            escape("Ünï \"cödé\" ✓", Breaks::Escape),
            Cow::Borrowed(_)
        ));
        let json = format!("\"{}\"", escape("\x1b\u{202e}", Breaks::Keep));
        assert_eq!(
            serde_json::from_str::<String>(&json).unwrap(),
            "\x1b\u{202e}"
        );
    }
}
