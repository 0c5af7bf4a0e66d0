//! What goes, in which order, and what stays.

use super::*;

const SLOT: &str = "pgl_shop_pgl_sour1234567_pgl_shop";

fn request() -> Request<'static> {
    static ENDINGS: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| vec!["_pgl_sour1234567_pgl_shop".to_owned()]);
    Request {
        migration: "shop",
        slot_endings: &ENDINGS,
        extension: Extension::IfOurs,
        held: Held::Refuse,
        drop_role: None,
    }
}

fn slot(name: &str) -> Slot {
    Slot {
        name: name.into(),
        active_pid: None,
        held_bytes: Some(1),
    }
}

fn source() -> Standing {
    Standing {
        extension: Some("2.3.3".into()),
        extension_ours: true,
        schema_ours: Some(true),
        journal: vec!["shop".into()],
        node: Some("pgl_source_shop".into()),
        slots: vec![slot(SLOT)],
        grants: vec!["app".into()],
        ..Standing::default()
    }
}

fn target() -> Standing {
    Standing {
        extension: Some("2.4.5".into()),
        extension_ours: true,
        schema_ours: Some(true),
        journal: vec!["shop".into()],
        node: Some("pgl_target_shop".into()),
        subscriptions: vec![Subscription {
            name: "pgl_shop".into(),
            slot: SLOT.into(),
            enabled: true,
        }],
        origins: vec![SLOT.into()],
        ..Standing::default()
    }
}

fn kinds(teardown: &Teardown) -> Vec<(&'static str, Side)> {
    teardown
        .removals
        .iter()
        .map(|removal| (removal.kind.as_str(), removal.side))
        .collect()
}

#[test]
fn everything_of_ours_goes_in_the_order_that_works() {
    let (source, target) = (source(), target());
    let planned = plan(&request(), Some(&source), Some(&target));
    use Side::{Source, Target};
    assert_eq!(
        kinds(&planned),
        [
            ("subscription", Target),
            ("node", Target),
            ("origin", Target),
            ("extension", Target),
            ("slot", Source),
            ("node", Source),
            ("grant", Source),
            ("extension", Source),
            // The record of the cutover goes last.
            ("schema", Source),
            ("schema", Target),
        ]
    );
    assert_eq!(planned.kept, []);
}

#[test]
fn the_mark_of_tables_copied_again_goes_too() {
    let mut target = target();
    target.origins.push("pgl_recopy_pgl_shop".into());
    target.origins.push("pgl_recopy_pgl_other".into());
    let planned = plan(&request(), None, Some(&target));
    let gone = |name: &str| planned.removals.iter().any(|r| r.object == name);
    assert!(gone("pgl_recopy_pgl_shop"));
    assert!(!gone("pgl_recopy_pgl_other"));
}

#[test]
fn another_subscribers_slot_protects_the_node() {
    let mut source = source();
    source.slots.push(slot("pgl_other_x_y"));
    let planned = plan(&request(), Some(&source), None);
    assert!(
        !kinds(&planned)
            .iter()
            .any(|(kind, _)| *kind == "node" || *kind == "extension")
    );
    assert!(
        planned
            .kept
            .iter()
            .any(|kept| kept.object == "slot pgl_other_x_y"),
        "{planned:?}"
    );
    assert!(
        planned
            .kept
            .iter()
            .any(|kept| kept.object.starts_with("node ")),
        "{planned:?}"
    );
}

#[test]
fn what_is_not_ours_is_kept_with_a_reason() {
    let strange = Standing {
        extension: Some("2.4.5".into()),
        schema_ours: Some(false),
        node: Some("other".into()),
        origins: vec!["pgl_a_b_c".into()],
        ..Standing::default()
    };
    let planned = plan(&request(), None, Some(&strange));
    assert_eq!(planned.removals, []);
    assert_eq!(planned.kept.len(), 4, "{:?}", planned.kept);
    assert!(leftovers(&request(), Side::Target, &strange).is_empty());
}

#[test]
fn a_journal_of_two_migrations_stays() {
    let mut source = source();
    source.journal.push("other".into());
    let planned = plan(&request(), Some(&source), None);
    assert!(!kinds(&planned).contains(&("schema", Side::Source)));
}

#[test]
fn held_statements_are_not_lost_unnoticed() {
    let mut target = target();
    assert_eq!(refusal(&request(), Side::Target, &target), None);
    target.held.push(("target.foreign-keys".into(), 3));
    assert!(
        refusal(&request(), Side::Target, &target)
            .unwrap()
            .0
            .contains("3 of target.foreign-keys")
    );
    let discard = Request {
        held: Held::Discard,
        ..request()
    };
    assert_eq!(refusal(&discard, Side::Target, &target), None);
}

#[test]
fn leftovers_name_what_is_still_there() {
    let left = leftovers(&request(), Side::Source, &source());
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(leftovers(&request(), Side::Source, &Standing::default()).is_empty());
}

#[test]
fn what_9_4_needs_goes_behind_pglogical_where_we_made_it() {
    let mut old = source();
    old.slots.clear();
    old.emulation_ours = true;
    let extensions = |request: &Request<'_>, standing: &Standing| -> Vec<String> {
        let planned = plan(request, Some(standing), None);
        planned
            .removals
            .into_iter()
            .filter(|removal| removal.kind == Kind::Extension)
            .map(|removal| removal.object)
            .collect()
    };
    assert_eq!(
        extensions(&request(), &old),
        ["pglogical", "pglogical_origin"]
    );
    // A run that was killed between the two.
    old.extension = None;
    assert_eq!(extensions(&request(), &old), ["pglogical_origin"]);
    let left = leftovers(&request(), Side::Source, &old);
    assert!(
        left.contains(&"source: extension pglogical_origin".to_owned()),
        "{left:?}"
    );
    let keep = Request {
        extension: Extension::Keep,
        ..request()
    };
    assert!(extensions(&keep, &old).is_empty());
    assert!(!format!("{:?}", leftovers(&keep, Side::Source, &old)).contains("pglogical_origin"));
    // Somebody else's stays, and so does pglogical with it.
    let mut theirs = source();
    theirs.extension_ours = false;
    theirs.emulation_ours = true;
    assert!(extensions(&request(), &theirs).is_empty());
}
