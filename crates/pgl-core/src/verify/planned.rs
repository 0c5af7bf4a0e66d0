//! What the planner runs of a table before anything is read: it computes every call of an immutable function that has only
//! constants, in the expressions of indexes and extended statistics, with the rights of whoever plans. Such a table is not read by a role
//! that is not the function's owner.

/// Functions in an expression of the catalog (`pg_node_tree`) that are called with constants alone.
pub fn constant_calls(tree: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![Node::default()];
    let mut word = String::new();
    let mut last = String::new();
    let mut chars = tree.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            '{' | '}' | '(' | ')' => {
                end_word(&mut word, &mut last, &mut open);
                if c == '{' {
                    open.push(Node::default());
                    last = "{".to_owned();
                } else if c == '}'
                    && let Some(node) = open.pop()
                {
                    close(node, &mut open, &mut found);
                }
            }
            c if c.is_whitespace() => end_word(&mut word, &mut last, &mut open),
            c => word.push(c),
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// One node of the tree while it is read.
#[derive(Default)]
struct Node {
    kind: String,
    function: Option<u32>,
    /// Whether it depends on a column.
    column: bool,
    /// Whether it depends on the value that an outer CASE or array coercion passes in.
    passed: bool,
    /// Calls below that depend on nothing but such a value.
    waiting: Vec<u32>,
}

fn end_word(word: &mut String, last: &mut String, open: &mut [Node]) {
    if word.is_empty() {
        return;
    }
    if let Some(node) = open.last_mut() {
        match last.as_str() {
            "{" => {
                node.column |= matches!(word.as_str(), "VAR" | "PARAM");
                node.passed |= matches!(word.as_str(), "CASETESTEXPR" | "COERCETODOMAINVALUE");
                node.kind.clone_from(word);
            }
            ":funcid" | ":opfuncid" => node.function = word.parse().ok(),
            _ => {}
        }
    }
    std::mem::swap(last, word);
    word.clear();
}

fn close(mut node: Node, open: &mut [Node], found: &mut Vec<u32>) {
    if !node.column {
        let calls: Vec<u32> = node.waiting.drain(..).chain(node.function).collect();
        let passes = matches!(node.kind.as_str(), "CASEEXPR" | "CASE" | "ARRAYCOERCEEXPR");
        if node.passed && !passes {
            node.waiting = calls;
        } else {
            node.passed = false;
            found.extend(calls);
        }
    } else {
        node.waiting.clear();
        node.passed = false;
    }
    if let Some(above) = open.last_mut() {
        above.column |= node.column;
        above.passed |= node.passed;
        above.waiting.append(&mut node.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAR: &str = "{VAR :varno 1 :varattno 2 :vartype 23 :location 5}";
    const CONST: &str = "{CONST :consttype 23 :constlen 4 :constvalue 4 [ 1 0 0 0 0 0 0 0 ]}";

    fn call(function: u32, args: &str) -> String {
        format!("{{FUNCEXPR :funcid {function} :funcresulttype 16 :args ({args}) :location 3}}")
    }

    #[test]
    fn calls_with_constants_are_found_wherever_they_are() {
        assert_eq!(constant_calls(&call(17_000, CONST)), [17_000]);
        assert_eq!(constant_calls(&call(17_000, "")), [17_000]);
        assert!(constant_calls(&call(17_000, VAR)).is_empty());
        let inner = call(17_001, CONST);
        let outer = call(17_000, &format!("{inner} {VAR}"));
        assert_eq!(constant_calls(&outer), [17_001]);
        let sum = format!("({{OPEXPR :opno 551 ​:opfuncid 17000 :args ({VAR} {inner})}} {VAR})");
        assert_eq!(constant_calls(&sum), [17_001]);
        let operator = format!("{{OPEXPR :opno 20000 :opfuncid 17002 :args ({CONST} {CONST})}}");
        assert_eq!(constant_calls(&operator), [17_002]);
    }

    /// An element function of an array coercion works on a value that is passed in: a constant array makes it constant.
    #[test]
    fn a_value_that_is_passed_in_is_what_it_is_outside() {
        let test = "{CASETESTEXPR :typeId 23}";
        let coercion = |arg: &str| {
            let element = call(17_003, test);
            format!("{{ARRAYCOERCEEXPR :arg {arg} :elemexpr {element} :resulttype 1009}}")
        };
        assert_eq!(constant_calls(&coercion(CONST)), [17_003]);
        assert!(constant_calls(&coercion(VAR)).is_empty());
        let inside = call(17_004, &coercion(CONST));
        assert_eq!(constant_calls(&inside), [17_003, 17_004]);
    }

    #[test]
    fn text_of_a_constant_is_no_node() {
        let escaped = r"{DEFELEM :defname a\{FUNCEXPR\ :funcid\ 17000\} :arg <>}";
        assert!(constant_calls(escaped).is_empty());
    }
}
