//! A small lexer for Rust: enough to tell code from comments and strings, and tests from the rest.
//!
//! It does not parse. The rules look for short runs of tokens (`println` `!`), which a search in
//! the text would also find in comments, strings and longer names.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or keyword; raw identifiers without their `r#`.
    Ident,
    /// One character of punctuation.
    Punct,
    /// A string literal of any sort: its content, with escapes as written.
    Str,
    /// A character, a number or a lifetime: nothing that a rule asks for.
    Other,
    /// `//!` or `/*! … */`.
    InnerDoc,
    /// Any other comment.
    Comment,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Whether it belongs to an item that exists in tests only.
    pub(crate) test: bool,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Ident | Kind::Punct) && self.text == text
    }

    pub(crate) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Comment | Kind::InnerDoc)
    }
}

/// All tokens of a file, those of `#[cfg(test)]` and `#[test]` items marked.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        out: Vec::new(),
    };
    lexer.run();
    mark_tests(&mut lexer.out);
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        if c == '\n' {
            self.line += 1;
        }
        self.at += 1;
        c
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.out.push(Token {
            kind,
            text,
            line,
            test: false,
        });
    }

    fn run(&mut self) {
        if self.peek(0) == '#' && self.peek(1) == '!' && self.peek(2) == '/' {
            self.until_line_end();
        }
        while self.at < self.chars.len() {
            let (c, line) = (self.peek(0), self.line);
            if c.is_whitespace() {
                self.bump();
            } else if c == '/' && self.peek(1) == '/' {
                let text = self.until_line_end();
                let kind = if text.starts_with("//!") {
                    Kind::InnerDoc
                } else {
                    Kind::Comment
                };
                self.push(kind, text, line);
            } else if c == '/' && self.peek(1) == '*' {
                self.block_comment(line);
            } else if let Some(hashes) = self.string_prefix() {
                self.string(hashes, line);
            } else if c.is_alphabetic() || c == '_' {
                self.word(line);
            } else if c == '\'' {
                self.quote(line);
            } else if c.is_ascii_digit() {
                while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                    self.bump();
                }
                self.push(Kind::Other, String::new(), line);
            } else {
                self.bump();
                self.push(Kind::Punct, c.to_string(), line);
            }
        }
    }

    fn until_line_end(&mut self) -> String {
        let mut text = String::new();
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            text.push(self.bump());
        }
        text
    }

    fn block_comment(&mut self, line: usize) {
        let (mut text, mut depth) = (String::new(), 0_usize);
        while self.at < self.chars.len() {
            if self.peek(0) == '/' && self.peek(1) == '*' {
                depth += 1;
                text.push(self.bump());
            } else if self.peek(0) == '*' && self.peek(1) == '/' {
                depth -= 1;
                text.push(self.bump());
                text.push(self.bump());
                if depth == 0 {
                    break;
                }
                continue;
            }
            text.push(self.bump());
        }
        let kind = if text.starts_with("/*!") {
            Kind::InnerDoc
        } else {
            Kind::Comment
        };
        self.push(kind, text, line);
    }

    /// Where a string begins here: `None` for an ordinary one, `Some(n)` hashes for a raw one.
    fn string_prefix(&self) -> Option<Option<usize>> {
        let prefix = ["\"", "b\"", "c\""]
            .iter()
            .any(|p| p.chars().enumerate().all(|(i, c)| self.peek(i) == c));
        if prefix {
            return Some(None);
        }
        let r = match (self.peek(0), self.peek(1)) {
            ('r', _) => 1,
            ('b' | 'c', 'r') => 2,
            _ => return None,
        };
        let mut hashes = 0;
        while self.peek(r + hashes) == '#' {
            hashes += 1;
        }
        (self.peek(r + hashes) == '"').then_some(Some(hashes))
    }

    fn string(&mut self, raw: Option<usize>, line: usize) {
        while self.bump() != '"' {}
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.bump();
            match raw {
                None if c == '\\' => {
                    text.push(c);
                    text.push(self.bump());
                }
                None if c == '"' => break,
                Some(hashes) if c == '"' && (0..hashes).all(|i| self.peek(i) == '#') => {
                    (0..hashes).for_each(|_| {
                        self.bump();
                    });
                    break;
                }
                _ => text.push(c),
            }
        }
        self.push(Kind::Str, text, line);
    }

    fn word(&mut self, line: usize) {
        if self.peek(0) == 'r' && self.peek(1) == '#' {
            self.bump();
            self.bump();
        }
        let mut text = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            text.push(self.bump());
        }
        self.push(Kind::Ident, text, line);
    }

    /// A character literal or a lifetime.
    fn quote(&mut self, line: usize) {
        self.bump();
        if self.peek(0) == '\\' {
            self.bump();
            self.bump();
            while self.at < self.chars.len() && self.bump() != '\'' {}
        } else if self.peek(1) == '\'' {
            self.bump();
            self.bump();
        }
        self.push(Kind::Other, String::new(), line);
    }
}

/// Marks the items under `#[cfg(test)]`, `#[cfg(all(test, …))]` and `#[test]`.
fn mark_tests(tokens: &mut [Token]) {
    let code: Vec<usize> = (0..tokens.len())
        .filter(|&i| !tokens[i].is_comment())
        .collect();
    let starts = |at: usize, run: &[&str]| {
        run.iter()
            .enumerate()
            .all(|(i, text)| code.get(at + i).is_some_and(|&t| tokens[t].is(text)))
    };
    let mut regions = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if starts(at, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            regions.push((0, tokens.len()));
            break;
        }
        let test = starts(at, &["#", "[", "cfg", "(", "test", ")"])
            || starts(at, &["#", "[", "cfg", "(", "all", "(", "test"])
            || starts(at, &["#", "[", "test", "]"]);
        if test {
            let end = item_end(tokens, &code, at);
            regions.push((code[at], end));
            while at < code.len() && code[at] < end {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    for (from, to) in regions {
        for token in &mut tokens[from..to] {
            token.test = true;
        }
    }
}

/// The index after the item whose attributes begin at `code[at]`.
fn item_end(tokens: &[Token], code: &[usize], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&i) = code.get(at) {
        let token = &tokens[i];
        if token.kind == Kind::Punct {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return i + 1;
                    }
                }
                ";" if depth == 0 => return i + 1,
                _ => {}
            }
        }
        at += 1;
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter(|t| t.kind == Kind::Str)
            .map(|t| t.text)
            .collect()
    }

    fn idents(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter(|t| t.kind == Kind::Ident)
            .map(|t| t.text)
            .collect()
    }

    #[test]
    fn strings_of_every_sort() {
        let text = r###"f("a\"b", b"c", r"d\", r#"e"f"#, c"g", br##"h"#"##)"###;
        assert_eq!(strings(text), [r#"a\"b"#, "c", r"d\", "e\"f", "g", "h\"#"]);
    }

    #[test]
    fn lifetimes_and_characters_do_not_open_strings() {
        let text = "fn f<'a>(x: &'a str) { g('\"', '\\'', '\\u{1F}', b'x', \"s\") }";
        assert_eq!(strings(text), ["s"]);
    }

    #[test]
    fn comments_are_not_code() {
        let text = "// println!\n/* a /* todo!() */ b */ let r#type = 1; //! no\n";
        assert_eq!(idents(text), ["let", "type"]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let all = tokens("\"a\nb\"\nx");
        assert_eq!((all[0].line, all[1].line), (1, 3));
    }

    #[test]
    fn test_items_end_where_they_end() {
        let text = "fn a() {}\n#[cfg(test)]\nmod t { fn b() { [1; 2]; } }\nfn c() {}\n\
                    #[cfg(test)]\n#[path = \"x\"]\nmod u;\nfn d() {}\n#[test]\nfn e() {}";
        let outside: Vec<String> = tokens(text)
            .into_iter()
            .filter(|t| !t.test && t.kind == Kind::Ident && t.text.len() == 1)
            .map(|t| t.text)
            .collect();
        assert_eq!(outside, ["a", "c", "d"]);
    }
}
