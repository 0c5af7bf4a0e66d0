//! Text for people: lines, styles and tables that fit the width.

use std::fmt::Write as _;

use pgl_core::doc::StepState;

use crate::escape::{Breaks, escape};

/// How a piece of text is emphasised. Colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// A heading.
    Bold,
    /// Of secondary interest.
    Dim,
    /// Something is wrong.
    Red,
    /// Something needs attention.
    Yellow,
    /// All is well.
    Green,
}

impl From<StepState> for Style {
    fn from(state: StepState) -> Self {
        match state {
            StepState::Done => Self::Green,
            StepState::Refused | StepState::Failed => Self::Red,
            StepState::Planned => Self::Plain,
            StepState::Already | StepState::Skipped | StepState::NotReached => Self::Dim,
        }
    }
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[31m",
            Self::Yellow => "\x1b[33m",
            Self::Green => "\x1b[32m",
        }
    }
}

/// A page being written.
#[derive(Debug)]
pub struct Page {
    text: String,
    color: bool,
    width: usize,
}

impl Page {
    /// An empty page.
    pub fn new(width: usize, color: bool) -> Self {
        Self {
            text: String::new(),
            color,
            width,
        }
    }

    /// The columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One line of pieces, each in its style if the page has colour. Blanks at the end are left out.
    pub fn spans(&mut self, pieces: &[(Style, &str)]) {
        for (style, text) in pieces {
            let text = escape(text, Breaks::Escape);
            if self.color && *style != Style::Plain {
                let _ = write!(self.text, "{}{text}\x1b[0m", style.code());
            } else {
                self.text.push_str(&text);
            }
        }
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    /// One line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.spans(&[(Style::Plain, text.as_ref())]);
    }

    /// One line in a style.
    pub fn heading(&mut self, style: Style, text: &str) {
        self.spans(&[(style, text)]);
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A paragraph, wrapped to the width behind `indent` blanks.
    pub fn wrapped(&mut self, indent: usize, text: &str) {
        let room = self.width.saturating_sub(indent).max(20);
        for part in escape(text, Breaks::Keep).lines() {
            for line in wrap(part, room) {
                let _ = writeln!(self.text, "{:indent$}{line}", "");
            }
        }
    }

    /// A table; the widest text column is cut where the width does not do.
    pub fn table(&mut self, table: &Table) {
        for line in table.lines(self.width) {
            self.line(line);
        }
    }

    /// The finished text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    // Blanks between words stay: names may differ by them.
    for word in text.trim().split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Rows under a header; what CSV writes and what people see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names; for CSV they are part of the contract.
    pub header: Vec<&'static str>,
    /// Rows as wide as the header.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn lines(&self, width: usize) -> Vec<String> {
        let all: Vec<Vec<String>> = std::iter::once(
            self.header
                .iter()
                .map(|h| h.to_uppercase().replace('_', " "))
                .collect(),
        )
        .chain(self.rows.iter().map(|row| {
            row.iter()
                .map(|c| escape(c, Breaks::Escape).into_owned())
                .collect()
        }))
        .collect();
        let columns = self.header.len();
        let mut widths: Vec<usize> = (0..columns)
            .map(|i| {
                all.iter()
                    .filter_map(|r| r.get(i))
                    .map(|c| c.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let gaps = 2 * columns.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let Some(widest) = widths.iter_mut().max() else {
                break;
            };
            if *widest <= 12 {
                break;
            }
            *widest -= 1;
        }
        let numeric: Vec<bool> = (0..columns)
            .map(|i| {
                self.rows.iter().filter_map(|r| r.get(i)).all(|c| {
                    c.is_empty() || c.starts_with(|f: char| f.is_ascii_digit() || f == '-')
                })
            })
            .collect();
        all.iter()
            .map(|row| {
                let mut line = String::new();
                for (i, cell) in row.iter().enumerate() {
                    let room = widths.get(i).copied().unwrap_or(0);
                    let cell = cut(cell, room);
                    if i > 0 {
                        line.push_str("  ");
                    }
                    let _ = if numeric.get(i) == Some(&true) {
                        write!(line, "{cell:>room$}")
                    } else {
                        write!(line, "{cell:<room$}")
                    };
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        text.to_owned()
    } else {
        let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
        kept.push('…');
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_fit_the_width_and_align_numbers() {
        let mut table = Table::new(&["name", "rows"]);
        table.row(["a".repeat(100), "7".to_owned()]);
        table.row(["b\nc".to_owned(), "1234".to_owned()]);
        let mut page = Page::new(40, false);
        page.table(&table);
        let text = page.finish();
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
        assert!(text.contains("b\\nc"), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with("   7"), "{text}");
    }

    #[test]
    fn wrapping_keeps_every_word() {
        let mut page = Page::new(30, false);
        page.wrapped(4, "one two three four five six seven eight nine ten");
        let text = page.finish();
        assert_eq!(text.split_whitespace().count(), 10);
        assert!(
            text.lines()
                .all(|line| line.starts_with("    ") && line.len() <= 30),
            "{text}"
        );
    }

    #[test]
    fn wrapping_keeps_blanks_within_a_line() {
        assert_eq!(wrap(" \"i  d\" for   a ", 20), ["\"i  d\" for   a"]);
        assert_eq!(wrap("\"i  d\" for   a", 10), ["\"i  d\" for", "a"]);
    }

    #[test]
    fn colour_only_where_allowed() {
        let page = |color| {
            let mut page = Page::new(80, color);
            page.spans(&[(Style::Red, "x"), (Style::Plain, " y  ")]);
            page.finish()
        };
        assert_eq!(page(false), "x y\n");
        assert_eq!(page(true), "\x1b[31mx\x1b[0m y\n");
    }

    proptest! {
        /// Whatever a name or a message holds: no way of writing it lets a terminal obey it, and no
        /// name makes a line of its own.
        #[test]
        fn no_text_drives_the_terminal(text in any::<String>(), escapes in "[\x00-\x1f\x7f-\u{9f}\u{2028}\u{202e}]{1,4}") {
            let hostile = format!("{text}{escapes}\x1b[31m");
            let mut page = Page::new(80, false);
            page.line(&hostile);
            page.heading(Style::Red, &hostile);
            page.spans(&[(Style::Bold, &hostile), (Style::Plain, &hostile)]);
            let mut table = Table::new(&["name"]);
            table.row([hostile.clone()]);
            page.table(&table);
            prop_assert_eq!(page.text.matches('\n').count(), 5, "{:?}", page.text);
            page.wrapped(4, &hostile);
            let shown = page.finish();
            let obeyed = |c: char| (c.is_control() && c != '\n') || "\u{2028}\u{202e}".contains(c);
            prop_assert!(!shown.contains(obeyed), "{:?}", shown);
        }
    }
}
