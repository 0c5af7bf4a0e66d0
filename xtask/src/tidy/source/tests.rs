//! A failing example of each rule over one file.

use super::*;

const DOC: &str = "//! Doc.\n";

/// Rule and line of each violation, in a file that begins with a module comment.
fn broken(path: &str, text: &str) -> Vec<(&'static str, usize)> {
    check(&Source::new(path, &format!("{DOC}{text}")))
        .into_iter()
        .map(|v| (v.rule, v.line))
        .collect()
}

const TOOL: &str = "crates/pgl-status/src/run.rs";

#[test]
fn a_clean_file_breaks_nothing() {
    let text = "/// Prints? `println!` is only named here.\nfn f() { log::info!(\"println!\") }";
    assert_eq!(broken(TOOL, text), []);
}

#[test]
fn only_cli_prints() {
    for bad in [
        "fn f() { println!(\"x\"); }",
        "fn f() { eprint!(\"x\"); }",
        "fn f() { std::io::stdout().flush(); }",
        "use std::io::stderr;\nfn f() { stderr().flush(); }",
    ] {
        let found = broken(TOOL, bad);
        assert_eq!(found.first().map(|f| f.0), Some("cli-prints"), "{bad}");
        assert_eq!(broken("crates/pgl-cli/src/streams.rs", bad), [], "{bad}");
        assert_eq!(broken("tests/e2e.rs", bad), [], "{bad}");
    }
    assert_eq!(
        broken(TOOL, "#[cfg(test)]\nmod t { fn f() { println!() } }"),
        []
    );
    assert_eq!(
        broken("xtask/src/a.rs", "fn f() { println!() }"),
        [("cli-prints", 2)]
    );
}

#[test]
fn only_conn_names_the_client() {
    for bad in [
        "use postgres::Client;",
        "use postgres::{Config,\nClient};",
        "fn f(c: &mut postgres::Client) {}",
    ] {
        assert_eq!(
            broken(TOOL, bad).first().map(|f| f.0),
            Some("driver-in-conn"),
            "{bad}"
        );
        assert_eq!(broken("crates/pgl-conn/src/session.rs", bad), [], "{bad}");
    }
    assert_eq!(broken(TOOL, "use postgres::types::ToSql;"), []);
}

#[test]
fn only_conn_reads_rows() {
    for bad in [
        "fn f(row: Row) -> i64 { row.try_get(0).unwrap_or(0) }",
        "fn f(row: Row) { row.try_get::<_, bool>(0).ok(); }",
    ] {
        assert_eq!(broken(TOOL, bad), [("answers-in-conn", 2)], "{bad}");
        assert_eq!(broken("crates/pgl-conn/src/answer.rs", bad), [], "{bad}");
    }
    assert_eq!(broken(TOOL, "fn f() { field(side, &row, 0, \"it\"); }"), []);
}

#[test]
fn only_conn_reads_pg_variables() {
    for bad in [
        "fn f() { std::env::var(\"PGHOST\"); }",
        "fn f() { env::var_os(\"PGPASSWORD\"); }",
        "struct A { #[arg(env = \"PGUSER\")] a: u8 }",
        "fn f() { for v in std::env::vars_os() {} }",
    ] {
        assert_eq!(broken(TOOL, bad), [("pg-env-in-conn", 2)], "{bad}");
        assert_eq!(broken("crates/pgl-conn/src/env.rs", bad), [], "{bad}");
    }
    for good in [
        "fn f() { std::env::var(\"PGL_SOURCE\"); }",
        "fn f(c: Command) { c.env_remove(\"PGHOST\"); }",
    ] {
        assert_eq!(broken(TOOL, good), [], "{good}");
    }
}

#[test]
fn core_is_pure() {
    for bad in [
        "use std::fs;",
        "fn f() { std::env::args(); }",
        "fn f() { Instant::now(); }",
    ] {
        assert_eq!(
            broken("crates/pgl-core/src/plan.rs", bad),
            [("pure-core", 2)],
            "{bad}"
        );
        assert_eq!(broken("crates/pgl-cli/src/input.rs", bad), [], "{bad}");
    }
}

#[test]
fn main_is_six_lines() {
    let main = "crates/pgl-status/src/main.rs";
    assert_eq!(broken(main, &"\n".repeat(5)), []);
    assert_eq!(broken(main, &"\n".repeat(6)), [("main-size", 0)]);
}

#[test]
fn a_module_comment_comes_first() {
    let of = |text: &str| check(&Source::new(TOOL, text)).first().map(|v| v.rule);
    assert_eq!(of("use x;\n//! Late."), Some("module-doc"));
    assert_eq!(of("// Not a doc comment.\n"), Some("module-doc"));
    assert_eq!(of(""), Some("module-doc"));
    assert_eq!(of("//! (skeleton)"), Some("module-doc"));
    assert_eq!(of("//! For this."), None);
}

#[test]
fn tests_run_and_nothing_is_left_open() {
    assert_eq!(
        broken("tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        [("no-ignore", 3)]
    );
    assert_eq!(
        broken(TOOL, "#[should_panic]\nfn f() {}"),
        [("no-ignore", 2)]
    );
    assert_eq!(broken(TOOL, "fn f() { todo!() }"), [("no-todo", 2)]);
    assert_eq!(broken("tests/a.rs", "// FIXME: later.\n"), [("no-todo", 2)]);
    assert_eq!(broken(TOOL, "// A TODOLIST is a table.\n"), []);
}

#[test]
fn lints_are_excepted_with_a_reason() {
    assert_eq!(
        broken(TOOL, "#[allow(dead_code)]\nfn f() {}"),
        [("no-allow", 2)]
    );
    assert_eq!(broken(TOOL, "#![allow(dead_code)]"), [("no-allow", 2)]);
    assert_eq!(
        broken(TOOL, "#[expect(dead_code)]\nfn f() {}"),
        [("no-allow", 2)]
    );
    assert_eq!(
        broken(TOOL, "#[expect(dead_code, reason = \"x\")]\nfn f() {}"),
        []
    );
}
