//! Rows of other tables that refer to a table whose rows were replaced, and find nothing there.
//!
//! The copy is the source's, so such a row differs from the source itself: it was damaged, or
//! somebody wrote to the target. Nothing is mended here; without a word it would be found when the
//! cutover brings the foreign key.

use pgl_apply::Watch;
use pgl_catalog::foreign_keys::{orphans, referring};
use pgl_cli::Failure;
use pgl_core::control::{LinkedKey, Orphans, to_look_at};
use pgl_core::{QualifiedName, Side, plural};

use crate::work::Work;

/// Looks while replication goes on. The apply worker commits the source's transactions one by one, and
/// each key is looked at by one statement, with one view: rows on their way are on both sides of
/// the key or on none. What is found is looked at once more behind a marker all the same.
pub(crate) fn look(work: &mut Work<'_>, tables: &[QualifiedName]) -> Result<bool, Failure> {
    let on_source = referring(&mut work.migration.source, tables)?;
    let on_target = referring(&mut work.migration.target, tables)?;
    if on_source.is_empty() && on_target.is_empty() {
        return Ok(true);
    }
    let shapes = pgl_catalog::setup::tables(&mut work.migration.target)?;
    let looked = to_look_at(&on_source, &on_target, &work.migration.plan, |table| {
        shapes
            .iter()
            .any(|one| one.schema == table.schema && one.name == table.name)
    });
    for sentence in looked.left_out {
        work.body.note(sentence);
    }
    let mut suspects = Vec::new();
    for key in looked.keys.iter() {
        if one(work, key)?.is_some() {
            suspects.push(key);
        }
    }
    if !suspects.is_empty() {
        work.settle()?;
    }
    for key in suspects {
        if let Some(found) = one(work, key)? {
            work.context.say(&format!(
                "pgl-control: {key}: {} without a row in {}",
                plural(found.rows, "row"),
                found.references
            ));
            work.body.orphans.push(found);
        }
    }
    let clean = work.body.orphans.is_empty();
    if clean && !looked.keys.is_empty() {
        work.body.step(
            "orphans",
            None,
            format!(
                "{} foreign keys refer to these tables; no row of the target contradicts them",
                looked.keys.len()
            ),
            [],
        );
    }
    if !clean {
        work.body.note(
            "rows of the target refer to rows that the source does not have: tables that they are in differ from the source, \
             and the cutover's foreign keys would not hold. pgl-verify names the differences, pgl-control resync of those \
             tables fixes them",
        );
    }
    Ok(clean)
}

fn one(work: &mut Work<'_>, key: &LinkedKey) -> Result<Option<Orphans>, Failure> {
    work.watch.doing(&format!("foreign key {key}"));
    orphans(&mut work.migration.target, key).map_err(|error| Failure::from(error).on(Side::Target))
}
