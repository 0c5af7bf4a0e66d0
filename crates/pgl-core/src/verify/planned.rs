//! What the planner may run of a table before anything is read: it simplifies the expressions of indexes and extended statistics, and
//! calls an immutable function in them whose arguments have become constants, with the rights of whoever plans. Such a table is
//! not read by a role that does not trust the function's owner.
//!
//! Only a form that cannot be simplified is taken for harmless: a call of a function that is not inlined whose arguments are
//! columns and nothing else. Functions in language SQL are inlined, whatever they call, calls with constants included, unless
//! they are SECURITY DEFINER or have settings of their own (`SET search_path`). There is no reading around it: the server
//! prepares the expressions of all indexes of a table for every query on it, and COPY of a table, which is not planned, gives no
//! digests.

use serde::Deserialize;

/// A function in an expression, whose owner is neither a superuser nor the connected role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Called {
    /// `pg_proc.oid`.
    pub oid: u32,
    /// Schema and name.
    pub name: String,
    /// Whether the planner puts its body, in language SQL, in the place of its call.
    pub inlined: bool,
}

/// The first of these functions that the planner may run, or inline, in an expression of the catalog (`pg_node_tree`).
pub fn may_run<'a>(tree: &str, functions: &'a [Called]) -> Option<&'a Called> {
    let harmless = harmless_calls(tree);
    let all = calls(tree);
    functions.iter().find(|function| {
        let count = |list: &[u32]| list.iter().filter(|oid| **oid == function.oid).count();
        function.inlined || count(&harmless) < count(&all)
    })
}

/// The functions that the tree names, once for each time.
fn calls(tree: &str) -> Vec<u32> {
    let words: Vec<&str> = tree.split([' ', '{', '}', '(', ')', '\n']).collect();
    words
        .windows(2)
        .filter(|pair| pair[0].ends_with("funcid"))
        .filter_map(|pair| pair[1].parse().ok())
        .collect()
}

/// The functions that are called with columns alone, once for each call.
fn harmless_calls(tree: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for kind in ["{FUNCEXPR ", "{OPEXPR "] {
        for (at, _) in tree.match_indices(kind) {
            let rest = &tree[at + 1..];
            // Up to its arguments there is no other node.
            let Some((head, arguments)) = rest.split_once(":args (") else {
                continue;
            };
            if !head.contains('{')
                && columns_alone(arguments)
                && let [function] = calls(head)[..]
            {
                found.push(function);
            }
        }
    }
    found
}

/// Whether a list of nodes, up to its closing parenthesis, has one or more columns and nothing else.
fn columns_alone(list: &str) -> bool {
    let mut rest = list;
    let mut some = false;
    loop {
        rest = rest.trim_start();
        if rest.starts_with(')') {
            return some;
        }
        let Some(node) = rest.strip_prefix("{VAR ") else {
            return false;
        };
        let Some((inside, after)) = node.split_once('}') else {
            return false;
        };
        if inside.contains('{') {
            return false;
        }
        some = true;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAR: &str =
        "{VAR :varno 1 :varattno 2 :vartype 23 :varnullingrels (b) :varlevelsup 0 :location 5}";
    const CONST: &str = "{CONST :consttype 23 :constlen 4 :constvalue 4 [ 1 0 0 0 0 0 0 0 ]}";

    fn call(function: u32, args: &str) -> String {
        format!("{{FUNCEXPR :funcid {function} :funcresulttype 16 :args ({args}) :location 3}}")
    }

    fn found(tree: &str) -> Option<u32> {
        let function = |oid| Called {
            oid,
            name: "s.f".to_owned(),
            inlined: false,
        };
        may_run(tree, &[function(17_000), function(17_001)]).map(|one| one.oid)
    }

    #[test]
    fn columns_alone_are_harmless() {
        assert_eq!(found(&call(17_000, VAR)), None);
        assert_eq!(found(&call(17_000, &format!("{VAR} {VAR}"))), None);
        let operator = format!("{{OPEXPR :opno 20000 :opfuncid 17000 :args ({VAR} {VAR})}}");
        assert_eq!(found(&operator), None);
        // Another function may have any argument.
        assert_eq!(found(&call(870, CONST)), None);
        assert_eq!(
            found(&format!("({} {})", call(17_000, VAR), call(17_001, VAR))),
            None
        );
    }

    #[test]
    fn whatever_can_become_a_constant_is_not() {
        let case = format!(
            "{{CASEEXPR :args ({{CASEWHEN :expr {CONST} :result {CONST}}}) :defresult {VAR}}}"
        );
        let row = format!("{{FIELDSELECT :arg {{ROWEXPR :args ({CONST} {VAR})}} :fieldnum 1}}");
        let either = format!("{{BOOLEXPR :boolop or :args ({CONST} {VAR})}}");
        for argument in ["", CONST, &case, &row, &either, &call(870, VAR)] {
            assert_eq!(found(&call(17_000, argument)), Some(17_000), "{argument}");
            let both = format!("{VAR} {argument}");
            if !argument.is_empty() {
                assert_eq!(found(&call(17_000, &both)), Some(17_000), "{both}");
            }
        }
        // Twice, and once in a form that is harmless.
        let twice = format!("({} {})", call(17_000, VAR), call(17_000, CONST));
        assert_eq!(found(&twice), Some(17_000));
        let nested = call(17_000, &call(17_001, VAR));
        assert_eq!(found(&nested), Some(17_000));
        let other = format!(
            "{{SCALARARRAYOPEXPR :opno 5 :opfuncid 17001 :useOr true :args ({VAR} {VAR})}}"
        );
        assert_eq!(found(&other), Some(17_001));
    }

    #[test]
    fn a_function_in_sql_is_what_its_body_is() {
        let inlined = [Called {
            oid: 17_000,
            name: "s.f".to_owned(),
            inlined: true,
        }];
        assert!(may_run(&call(17_000, VAR), &inlined).is_some());
    }
}
