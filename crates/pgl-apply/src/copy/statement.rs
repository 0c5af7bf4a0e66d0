//! The two statements of a copy task.

use pgl_core::quote_ident;
use pgl_core::setup::copy::{Form, RowScope, Task};

/// Whether rows are written frozen: possible where the table was emptied in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Spares the target a later rewrite of every page.
    Yes,
    /// The table has rows of other tasks, or foreign keys point to it.
    No,
}

/// What is run on the source. A table without columns has rows, too.
pub fn copy_out(task: &Task, encoding: &str) -> String {
    let options = format!("(FORMAT {}, ENCODING '{encoding}')", format(task));
    let table = task.table.sql();
    match (&task.rows, task.columns.is_empty()) {
        (RowScope::All, true) => format!("COPY {table} TO STDOUT WITH {options}"),
        (RowScope::All, false) => {
            format!("COPY {table} ({}) TO STDOUT WITH {options}", list(task))
        }
        (RowScope::Where(condition), _) => format!(
            "COPY (SELECT {} FROM ONLY {table} WHERE {condition}) TO STDOUT WITH {options}",
            list(task)
        ),
    }
}

/// What is run on the target.
pub fn copy_in(task: &Task, encoding: &str, freeze: Freeze) -> String {
    let freeze = match freeze {
        Freeze::Yes => "FREEZE true, ",
        Freeze::No => "",
    };
    let options = format!("({freeze}FORMAT {}, ENCODING '{encoding}')", format(task));
    let table = task.table.sql();
    if task.columns.is_empty() {
        format!("COPY {table} FROM STDIN WITH {options}")
    } else {
        format!("COPY {table} ({}) FROM STDIN WITH {options}", list(task))
    }
}

fn list(task: &Task) -> String {
    let columns: Vec<String> = task.columns.iter().map(|c| quote_ident(c)).collect();
    columns.join(", ")
}

fn format(task: &Task) -> &'static str {
    match task.form {
        Form::Text => "text",
        Form::Binary => "binary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgl_core::QualifiedName;

    fn task(name: &str, columns: &[&str], rows: RowScope, form: Form) -> Task {
        Task {
            table: QualifiedName::new("public", name),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows,
            form,
            bytes: 0,
        }
    }

    #[test]
    fn names_are_quoted_and_no_columns_means_no_list() {
        let big = task("big", &[], RowScope::All, Form::Binary);
        assert_eq!(
            copy_out(&big, "UTF8"),
            r#"COPY "public"."big" TO STDOUT WITH (FORMAT binary, ENCODING 'UTF8')"#
        );
        let mine = task("mine", &["e\"x"], RowScope::All, Form::Text);
        assert_eq!(
            copy_in(&mine, "UTF8", Freeze::Yes),
            r#"COPY "public"."mine" ("e""x") FROM STDIN WITH (FREEZE true, FORMAT text, ENCODING 'UTF8')"#
        );
    }

    #[test]
    fn a_part_of_a_table_reads_only_its_own_rows() {
        let part = task("t", &["a"], RowScope::Where("a < 5".to_owned()), Form::Text);
        assert_eq!(
            copy_out(&part, "UTF8"),
            r#"COPY (SELECT "a" FROM ONLY "public"."t" WHERE a < 5) TO STDOUT WITH (FORMAT text, ENCODING 'UTF8')"#
        );
    }
}
