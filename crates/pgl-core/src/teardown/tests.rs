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
            ("schema", Source),
            // The record of the cutover goes last.
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
fn a_journal_of_two_migrations_stays_without_this_one() {
    let mut source = source();
    source.journal.push("other".into());
    let planned = plan(&request(), Some(&source), None);
    assert!(!kinds(&planned).contains(&("schema", Side::Source)));
    let last = planned.removals.last().unwrap();
    assert_eq!((last.kind, last.object.as_str()), (Kind::Journal, "shop"));
    let left = leftovers(&request(), Side::Source, &source);
    assert!(
        left.contains(&"source: journal of shop".to_owned()),
        "{left:?}"
    );
    assert!(!left.iter().any(|one| one.contains("schema")), "{left:?}");
    source.journal = vec!["other".into()];
    let planned = plan(&request(), Some(&source), None);
    assert!(!planned.removals.iter().any(|one| one.kind == Kind::Journal));
    let left = leftovers(&request(), Side::Source, &source);
    assert!(!left.iter().any(|one| one.contains("journal")), "{left:?}");
}

#[test]
fn objects_of_another_migration_are_nobody_s_to_drop() {
    let subscription = |name: &str, slot: &str| Subscription {
        name: name.into(),
        slot: slot.into(),
        enabled: true,
    };
    let theirs = "pgl_shop_pgl_sour7654321_pgl_other";
    let mut target = target();
    target.subscriptions.push(subscription("pgl_other", theirs));
    target
        .subscriptions
        .push(subscription("theirs", "pgl_x_y_z"));
    target.origins.push(theirs.into());
    target.origins.push("pgl_x_y_z".into());
    let planned = plan(&request(), None, Some(&target));
    let dropped = |kind: Kind| -> Vec<&str> {
        let all = planned.removals.iter().filter(|one| one.kind == kind);
        all.map(|one| one.object.as_str()).collect()
    };
    assert_eq!(dropped(Kind::Subscription), ["pgl_shop"]);
    assert_eq!(dropped(Kind::Origin), [SLOT]);
    // pglogical would drop their slots with the node.
    assert!(dropped(Kind::Node).is_empty() && dropped(Kind::Extension).is_empty());
    let left = leftovers(&request(), Side::Target, &target);
    assert!(
        !left
            .iter()
            .any(|one| one.contains("other") || one.contains("theirs")),
        "{left:?}"
    );
    // The one of reverse replication is this migration's.
    target.subscriptions = vec![subscription("pgl_shop_back", "s")];
    let planned = plan(&request(), None, Some(&target));
    assert_eq!(planned.removals[0].object, "pgl_shop_back");
}

/// An origin has the name of the slot that its subscription reads: one that another subscription reads
/// is in use, whatever its name looks like.
#[test]
fn an_origin_that_another_subscription_uses_stays() {
    let mut target = target();
    target.subscriptions = vec![Subscription {
        name: "theirs".into(),
        slot: SLOT.into(),
        enabled: true,
    }];
    let planned = plan(&request(), None, Some(&target));
    assert!(
        !planned.removals.iter().any(|one| one.kind == Kind::Origin),
        "{planned:?}"
    );
    target.subscriptions[0].slot = "pgl_x_y_z".into();
    let planned = plan(&request(), None, Some(&target));
    assert!(
        planned
            .removals
            .iter()
            .any(|one| one.kind == Kind::Origin && one.object == SLOT)
    );
}

#[test]
fn only_a_slot_with_pglogical_s_name_or_one_of_the_journal_is_ours() {
    let mut source = source();
    source.slots = vec![
        slot("cdc_pgl_sour1234567_pgl_shop"),
        slot("pgl_shop_pgl_sour1234567_pgl_shop_old"),
        slot("pgl_other_pgl_sour1234567_pgl_shop"),
        slot("noted"),
    ];
    source.noted_slots = vec!["noted".into()];
    let dropped = |request: &Request<'_>| -> Vec<String> {
        plan(request, Some(&source), None)
            .removals
            .into_iter()
            .filter(|one| one.kind == Kind::Slot)
            .map(|one| one.object)
            .collect()
    };
    assert_eq!(
        dropped(&request()),
        ["pgl_other_pgl_sour1234567_pgl_shop", "noted"]
    );
    // An ending that no server has told proves nothing.
    let unknown = Request {
        slot_endings: &[String::new()],
        ..request()
    };
    assert_eq!(dropped(&unknown), ["noted"]);
}

fn trigger(table: &str, in_set: bool) -> TruncateTrigger {
    TruncateTrigger {
        schema: "shop".into(),
        table: table.into(),
        name: "queue_truncate_trigger_1".into(),
        in_set,
    }
}

#[test]
fn truncate_triggers_go_where_the_extension_stays() {
    let mut source = source();
    source.truncate_triggers = vec![trigger("a", true), trigger("b", false)];
    let triggers = |standing: &Standing| {
        let planned = plan(&request(), Some(standing), None);
        let found = planned
            .removals
            .into_iter()
            .find(|one| one.kind == Kind::Triggers);
        found.map(|one| one.triggers)
    };
    // With the extension they go by themselves.
    assert_eq!(triggers(&source), None);
    source.extension_ours = false;
    let both = source.truncate_triggers.clone();
    assert_eq!(triggers(&source).unwrap(), both);
    let left = leftovers(&request(), Side::Source, &source);
    assert!(
        left.contains(&"source: 1 truncate triggers of pglogical".to_owned()),
        "{left:?}"
    );
    // A node that stays for others replicates its sets' TRUNCATE.
    source.slots.push(slot("pgl_other_x_y"));
    assert_eq!(triggers(&source).unwrap(), both[1..]);
    source.node = None;
    assert_eq!(triggers(&source).unwrap(), both);
}

/// USAGE and EXECUTE together are as much as superuser: whoever keeps the one for TRUNCATE is not given
/// the other.
#[test]
fn execute_is_given_back_only_where_no_role_keeps_the_use_of_the_schema() {
    let mut source = source();
    source.execute = vec!["PUBLIC".into(), "monitor".into()];
    let execute = |standing: &Standing| -> (usize, usize) {
        let planned = plan(&request(), Some(standing), None);
        let given = planned
            .removals
            .iter()
            .filter(|one| one.kind == Kind::Execute);
        let kept = planned
            .kept
            .iter()
            .filter(|one| one.object.starts_with("EXECUTE"));
        (given.count(), kept.count())
    };
    assert_eq!(execute(&source), (2, 0));
    source.extension_ours = false;
    assert_eq!(execute(&source), (0, 2));
    source.grants.clear();
    assert_eq!(execute(&source), (2, 0));
}

/// An extension that stays makes TRUNCATE fail for everybody who may not use its schema.
#[test]
fn the_use_of_the_schema_stays_as_long_as_the_extension() {
    let mut source = source();
    source.grants.push("PUBLIC".into());
    let grants = |standing: &Standing| -> (Vec<String>, Vec<Kept>) {
        let planned = plan(&request(), Some(standing), None);
        let dropped = planned
            .removals
            .into_iter()
            .filter(|one| one.kind == Kind::Grant);
        let kept = planned
            .kept
            .into_iter()
            .filter(|one| one.object.starts_with("USAGE"));
        (dropped.map(|one| one.object).collect(), kept.collect())
    };
    assert_eq!(
        grants(&source),
        (vec!["app".into(), "PUBLIC".into()], vec![])
    );
    source.extension_ours = false;
    let (dropped, kept) = grants(&source);
    assert!(dropped.is_empty());
    assert!(
        kept[0]
            .reason
            .ends_with(r#"REVOKE USAGE ON SCHEMA pglogical FROM "app""#),
        "{kept:?}"
    );
    assert!(kept[1].reason.ends_with("FROM PUBLIC"), "{kept:?}");
    source.extension = None;
    assert_eq!(grants(&source), (vec![], vec![]));
}

#[test]
fn a_name_that_means_nothing_is_not_a_teardown_that_is_done() {
    let (source, target) = (source(), target());
    let others = |name: &'static str, source: &Standing, target: &Standing| {
        let request = Request {
            migration: name,
            slot_endings: &[],
            ..request()
        };
        other_names(&request, &[(Side::Source, source), (Side::Target, target)])
    };
    assert_eq!(others("shop", &source, &target), None);
    assert_eq!(
        others("typo", &source, &target),
        Some(vec!["shop".to_owned()])
    );
    // Half of it is gone, the journal or the objects.
    let nothing = Standing::default();
    assert_eq!(others("shop", &nothing, &target), None);
    let noted = Standing {
        journal: vec!["else".into()],
        ..Standing::default()
    };
    let without_journal = Standing {
        journal: Vec::new(),
        ..target.clone()
    };
    assert_eq!(others("shop", &noted, &without_journal), None);
    let subscription_alone = Standing {
        node: None,
        ..without_journal.clone()
    };
    assert_eq!(others("shop", &noted, &subscription_alone), None);
    let node_alone = Standing {
        subscriptions: Vec::new(),
        ..without_journal
    };
    assert_eq!(others("shop", &noted, &node_alone), None);
    // After a complete teardown there is nothing of any migration.
    assert_eq!(others("shop", &nothing, &nothing), None);
    let slot_alone = Standing {
        slots: vec![slot(SLOT)],
        ..noted.clone()
    };
    assert_eq!(
        other_names(&request(), &[(Side::Source, &slot_alone)]),
        None
    );
    assert_eq!(
        other_names(&request(), &[(Side::Source, &noted)]),
        Some(vec!["else".to_owned()])
    );
}

#[test]
fn the_extension_goes_where_it_is_ours_or_asked_for_and_free() {
    let extension = |request: &Request<'_>, standing: &Standing| {
        let planned = plan(request, Some(standing), None);
        let dropped = planned
            .removals
            .iter()
            .any(|one| one.kind == Kind::Extension);
        let kept = planned
            .kept
            .iter()
            .find(|one| one.object.starts_with("extension"))
            .map(|one| one.reason.clone());
        let left = leftovers(request, Side::Source, standing)
            .iter()
            .any(|one| one == "source: extension pglogical");
        (dropped, kept, left)
    };
    let with = |choice| Request {
        extension: choice,
        ..request()
    };
    let ours = source();
    let mut theirs = source();
    theirs.extension_ours = false;
    let mut used = source();
    used.slots.push(slot("pgl_other_x_y"));
    assert_eq!(extension(&request(), &ours), (true, None, true));
    assert_eq!(
        extension(&with(Extension::Drop), &theirs),
        (true, None, true)
    );
    let (dropped, kept, left) = extension(&request(), &theirs);
    assert!(!dropped && !left && kept.unwrap().contains("--drop-extension"));
    let (dropped, kept, left) = extension(&with(Extension::Keep), &ours);
    assert!(!dropped && !left && kept.unwrap().contains("asked"));
    let (dropped, kept, left) = extension(&with(Extension::Drop), &used);
    assert!(!dropped && left && kept.unwrap().contains("in use"));
    // Gone already: its schema is shown.
    let gone = Standing {
        extension: None,
        extension_schema: true,
        ..source()
    };
    let planned = plan(&with(Extension::Drop), Some(&gone), None);
    assert!(
        !planned
            .removals
            .iter()
            .any(|one| matches!(one.kind, Kind::Extension | Kind::Grant))
    );
    assert!(
        planned
            .kept
            .iter()
            .any(|one| one.object == "schema pglogical")
    );
    let left = leftovers(&request(), Side::Source, &gone);
    assert!(
        left.contains(&"source: schema pglogical without its extension".to_owned()),
        "{left:?}"
    );
    let left = leftovers(&request(), Side::Source, &ours);
    assert!(!left.iter().any(|one| one.contains("without")), "{left:?}");
}

#[test]
fn a_role_goes_last_of_the_source_and_only_there() {
    let with_role = Request {
        drop_role: Some("repl"),
        ..request()
    };
    let (source, target) = (source(), target());
    let planned = plan(&with_role, Some(&source), Some(&target));
    let role = planned
        .removals
        .iter()
        .position(|one| one.kind == Kind::Role)
        .unwrap();
    assert_eq!(planned.removals[role].side, Side::Source);
    assert_eq!(kinds(&planned)[role + 1..], [("schema", Side::Target)]);
    let planned = plan(&with_role, None, Some(&target));
    assert!(!planned.removals.iter().any(|one| one.kind == Kind::Role));
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
    let expected = [
        format!("source: slot {SLOT}"),
        "source: node pgl_source_shop".to_owned(),
        "source: extension pglogical".to_owned(),
        "source: schema pgl".to_owned(),
    ];
    assert_eq!(left, expected);
    let left = leftovers(&request(), Side::Target, &target());
    assert!(
        left.contains(&"target: subscription pgl_shop".to_owned()),
        "{left:?}"
    );
    assert!(left.contains(&format!("target: origin {SLOT}")), "{left:?}");
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
