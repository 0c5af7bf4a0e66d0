//! What goes, in which order, and what stays.

use super::*;

const SLOT: &str = "pgl_shop_pgl_sour1234567_pgl_shop";

fn request() -> TeardownRequest<'static> {
    static ENDINGS: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| vec!["_pgl_sour1234567_pgl_shop".to_owned()]);
    TeardownRequest {
        migration: "shop",
        slot_endings: &ENDINGS,
        extension: ExtensionRemoval::IfOurs,
        drop_held: false,
        drop_role: None,
    }
}

fn slot(name: &str) -> RemainingSlot {
    RemainingSlot {
        name: name.into(),
        active_pid: None,
        held_bytes: Some(1),
    }
}

fn source() -> Remaining {
    Remaining {
        extension: Some("2.3.3".into()),
        extension_ours: true,
        schema_ours: Some(true),
        journal: vec!["shop".into()],
        node: Some("pgl_source_shop".into()),
        slots: vec![slot(SLOT)],
        grants: vec!["app".into()],
        ..Remaining::default()
    }
}

fn target() -> Remaining {
    Remaining {
        extension: Some("2.4.5".into()),
        extension_ours: true,
        schema_ours: Some(true),
        journal: vec!["shop".into()],
        node: Some("pgl_target_shop".into()),
        subscriptions: vec![RemainingSubscription {
            name: "pgl_shop".into(),
            slot: SLOT.into(),
            enabled: true,
        }],
        origins: vec![SLOT.into()],
        ..Remaining::default()
    }
}

fn kinds(teardown: &TeardownPlan) -> Vec<(&'static str, Side)> {
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

/// Both servers may have everything: what is found on one is never removed from the other, nor said of it.
#[test]
fn what_is_found_on_a_side_is_removed_and_reported_there() {
    let subscription = |name: &str| RemainingSubscription {
        name: name.into(),
        slot: "s".into(),
        enabled: true,
    };
    let everything = Remaining {
        extension: Some("2.4.5".into()),
        extension_ours: true,
        emulation_ours: true,
        schema_ours: Some(true),
        journal: vec!["shop".into()],
        node: Some("pgl_source_shop".into()),
        subscriptions: vec![subscription("pgl_shop")],
        slots: vec![slot(SLOT)],
        origins: vec![SLOT.into(), "pgl_a_b_c".into()],
        grants: vec!["app".into()],
        execute: vec!["PUBLIC".into(), "monitor".into()],
        write_block: vec![QualifiedName::new("public", "t")],
        disabled_triggers: vec!["ALTER TABLE ONLY t ENABLE ALWAYS TRIGGER a".into()],
        closed: Some(Closed {
            database: "shop".into(),
            overrides: Vec::new(),
        }),
        attempt: Some(AttemptState::Done),
        ..Remaining::default()
    };
    let stays = Remaining {
        extension_ours: false,
        emulation_ours: false,
        truncate_triggers: vec![trigger("a", false)],
        ..everything.clone()
    };
    let shared = Remaining {
        journal: vec!["other".into(), "shop".into()],
        subscriptions: vec![subscription("theirs")],
        slots: vec![slot("pgl_other_x_y")],
        ..everything.clone()
    };
    let strange = Remaining {
        node: Some("theirs".into()),
        schema_ours: Some(false),
        ..everything.clone()
    };
    let gone = Remaining {
        extension: None,
        extension_schema: true,
        schema_ours: None,
        ..everything.clone()
    };
    for remaining in [everything, stays, shared, strange, gone] {
        for side in [Side::Source, Side::Target] {
            let planned = match side {
                Side::Source => plan(&request(), Some(&remaining), None),
                Side::Target => plan(&request(), None, Some(&remaining)),
            };
            assert!(!planned.removals.is_empty() && !planned.kept.is_empty());
            assert!(
                planned.removals.iter().all(|one| one.side == side),
                "{side}: {:?}",
                planned.removals
            );
            assert!(
                planned.kept.iter().all(|one| one.side == side),
                "{side}: {:?}",
                planned.kept
            );
            let dropped = |kind| planned.removals.iter().any(|one| one.kind == kind);
            assert!(!dropped(RemovalKind::Schema) || remaining.schema_ours == Some(true));
            let said = planned.kept.iter().any(|one| one.object == "schema pgl");
            assert!(!said || remaining.schema_ours.is_some());
        }
    }
}

#[test]
fn each_kind_has_a_word_of_its_own() {
    let all = [
        RemovalKind::Subscription,
        RemovalKind::Slot,
        RemovalKind::Node,
        RemovalKind::Origin,
        RemovalKind::Triggers,
        RemovalKind::Grant,
        RemovalKind::Execute,
        RemovalKind::Extension,
        RemovalKind::WriteBlockTriggers,
        RemovalKind::Schema,
        RemovalKind::Journal,
        RemovalKind::Role,
    ];
    let words: std::collections::BTreeSet<&str> = all.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words.len(), all.len());
    assert_eq!(RemovalKind::Role.as_str(), "role");
}

/// How it was stands in the schema that goes.
#[test]
fn a_target_that_was_never_promoted_accepts_writes_before_its_journal_goes() {
    let blocked = Remaining {
        closed: Some(Closed {
            database: "shop".into(),
            overrides: Vec::new(),
        }),
        ..target()
    };
    let planned = plan(&request(), None, Some(&blocked));
    let [.., opens, schema] = planned.removals.as_slice() else {
        panic!("{planned:?}");
    };
    assert_eq!(
        (opens.kind, schema.kind),
        (RemovalKind::WriteBlockTriggers, RemovalKind::Schema)
    );
    assert_eq!(
        opens.statements,
        [r#"ALTER DATABASE "shop" RESET default_transaction_read_only"#]
    );
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
    let strange = Remaining {
        extension: Some("2.4.5".into()),
        schema_ours: Some(false),
        node: Some("other".into()),
        origins: vec!["pgl_a_b_c".into()],
        ..Remaining::default()
    };
    let planned = plan(&request(), None, Some(&strange));
    assert_eq!(planned.removals, []);
    assert_eq!(planned.kept.len(), 4, "{:?}", planned.kept);
    assert!(leftovers(&request(), Side::Target, &strange).is_empty());
    // The extension is ours by now and serves a node of somebody else.
    let used = Remaining {
        extension_ours: true,
        ..strange
    };
    let planned = plan(&request(), None, Some(&used));
    assert_eq!(planned.removals, []);
    assert!(
        planned
            .kept
            .iter()
            .any(|kept| kept.object.starts_with("extension") && kept.reason.contains("in use")),
        "{planned:?}"
    );
}

#[test]
fn a_journal_of_two_migrations_stays_without_this_one() {
    let mut source = source();
    source.journal.push("other".into());
    let planned = plan(&request(), Some(&source), None);
    assert!(!kinds(&planned).contains(&("schema", Side::Source)));
    let last = planned.removals.last().unwrap();
    assert_eq!(
        (last.kind, last.object.as_str()),
        (RemovalKind::Journal, "shop")
    );
    let kept = planned.kept.last().unwrap();
    assert_eq!(
        (kept.object.as_str(), kept.reason.as_str()),
        ("schema pgl", "its journal has other migrations: other")
    );
    let left = leftovers(&request(), Side::Source, &source);
    assert!(
        left.contains(&"source: journal of shop".to_owned()),
        "{left:?}"
    );
    assert!(!left.iter().any(|one| one.contains("schema")), "{left:?}");
    source.journal = vec!["other".into()];
    let planned = plan(&request(), Some(&source), None);
    assert!(
        !planned
            .removals
            .iter()
            .any(|one| one.kind == RemovalKind::Journal)
    );
    let left = leftovers(&request(), Side::Source, &source);
    assert!(!left.iter().any(|one| one.contains("journal")), "{left:?}");
}

#[test]
fn objects_of_another_migration_are_nobody_s_to_drop() {
    let subscription = |name: &str, slot: &str| RemainingSubscription {
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
    let dropped = |kind: RemovalKind| -> Vec<&str> {
        let all = planned.removals.iter().filter(|one| one.kind == kind);
        all.map(|one| one.object.as_str()).collect()
    };
    assert_eq!(dropped(RemovalKind::Subscription), ["pgl_shop"]);
    let kept: Vec<&str> = planned.kept.iter().map(|one| one.object.as_str()).collect();
    assert_eq!(kept[..2], ["subscription pgl_other", "subscription theirs"]);
    assert_eq!(dropped(RemovalKind::Origin), [SLOT]);
    // pglogical would drop their slots with the node.
    assert!(dropped(RemovalKind::Node).is_empty() && dropped(RemovalKind::Extension).is_empty());
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
    target.subscriptions = vec![RemainingSubscription {
        name: "theirs".into(),
        slot: SLOT.into(),
        enabled: true,
    }];
    let planned = plan(&request(), None, Some(&target));
    assert!(
        !planned
            .removals
            .iter()
            .any(|one| one.kind == RemovalKind::Origin),
        "{planned:?}"
    );
    target.subscriptions[0].slot = "pgl_x_y_z".into();
    let planned = plan(&request(), None, Some(&target));
    assert!(
        planned
            .removals
            .iter()
            .any(|one| one.kind == RemovalKind::Origin && one.object == SLOT)
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
    let dropped = |request: &TeardownRequest<'_>| -> Vec<String> {
        plan(request, Some(&source), None)
            .removals
            .into_iter()
            .filter(|one| one.kind == RemovalKind::Slot)
            .map(|one| one.object)
            .collect()
    };
    assert_eq!(
        dropped(&request()),
        ["pgl_other_pgl_sour1234567_pgl_shop", "noted"]
    );
    let left = leftovers(&request(), Side::Source, &source);
    let left: Vec<&String> = left.iter().filter(|one| one.contains("slot")).collect();
    assert_eq!(
        left,
        [
            "source: slot pgl_other_pgl_sour1234567_pgl_shop",
            "source: slot noted"
        ]
    );
    // An ending that no server has told proves nothing.
    let unknown = TeardownRequest {
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
    source.truncate_triggers = vec![trigger("a", true), trigger("b", false), trigger("c", false)];
    let triggers = |remaining: &Remaining| {
        let planned = plan(&request(), Some(remaining), None);
        let found = planned
            .removals
            .into_iter()
            .find(|one| one.kind == RemovalKind::Triggers);
        found.map(|one| one.triggers)
    };
    // With the extension they go by themselves.
    assert_eq!(triggers(&source), None);
    source.extension_ours = false;
    let all = source.truncate_triggers.clone();
    assert_eq!(triggers(&source).unwrap(), all);
    let left = leftovers(&request(), Side::Source, &source);
    assert!(
        left.contains(&"source: 2 truncate triggers of pglogical".to_owned()),
        "{left:?}"
    );
    let one = Remaining {
        truncate_triggers: vec![trigger("b", false)],
        ..source.clone()
    };
    let left = leftovers(&request(), Side::Source, &one);
    assert!(
        left.contains(&"source: 1 truncate triggers of pglogical".to_owned()),
        "{left:?}"
    );
    // A node that stays for others replicates its sets' TRUNCATE.
    source.slots.push(slot("pgl_other_x_y"));
    assert_eq!(triggers(&source).unwrap(), all[1..]);
    source.node = None;
    assert_eq!(triggers(&source).unwrap(), all);
}

/// USAGE and EXECUTE together are as much as superuser: whoever keeps the one for TRUNCATE is not given
/// the other.
#[test]
fn execute_is_given_back_only_where_no_role_keeps_the_use_of_the_schema() {
    let mut source = source();
    source.execute = vec!["PUBLIC".into(), "monitor".into()];
    let execute = |remaining: &Remaining| -> (usize, Vec<String>) {
        let planned = plan(&request(), Some(remaining), None);
        let given = planned
            .removals
            .iter()
            .filter(|one| one.kind == RemovalKind::Execute);
        let kept = planned.kept.iter().map(|one| one.object.clone());
        (
            given.count(),
            kept.filter(|one| one.starts_with("EXECUTE")).collect(),
        )
    };
    assert_eq!(execute(&source), (2, vec![]));
    source.extension_ours = false;
    assert_eq!(
        execute(&source),
        (
            0,
            vec![
                "EXECUTE on pglogical's functions, revoked from PUBLIC".to_owned(),
                "EXECUTE on pglogical's functions, granted to monitor".to_owned()
            ]
        )
    );
    source.grants.clear();
    assert_eq!(execute(&source), (2, vec![]));
}

/// An extension that stays makes TRUNCATE fail for everybody who may not use its schema.
#[test]
fn the_use_of_the_schema_stays_as_long_as_the_extension() {
    let mut source = source();
    source.grants.push("PUBLIC".into());
    let grants = |remaining: &Remaining| -> (Vec<String>, Vec<Kept>) {
        let planned = plan(&request(), Some(remaining), None);
        let dropped = planned
            .removals
            .into_iter()
            .filter(|one| one.kind == RemovalKind::Grant);
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
    let others = |name: &'static str, source: &Remaining, target: &Remaining| {
        let request = TeardownRequest {
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
    let nothing = Remaining::default();
    assert_eq!(others("shop", &nothing, &target), None);
    let noted = Remaining {
        journal: vec!["else".into()],
        ..Remaining::default()
    };
    let without_journal = Remaining {
        journal: Vec::new(),
        ..target.clone()
    };
    assert_eq!(others("shop", &noted, &without_journal), None);
    let subscription_alone = Remaining {
        node: None,
        ..without_journal.clone()
    };
    assert_eq!(others("shop", &noted, &subscription_alone), None);
    let node_alone = Remaining {
        subscriptions: Vec::new(),
        ..without_journal
    };
    assert_eq!(others("shop", &noted, &node_alone), None);
    // After a complete teardown there is nothing of any migration.
    assert_eq!(others("shop", &nothing, &nothing), None);
    let slot_alone = Remaining {
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
    let journal = |names: &[&str]| Remaining {
        journal: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Remaining::default()
    };
    let among_others = journal(&["else", "shop"]);
    assert_eq!(
        other_names(&request(), &[(Side::Source, &among_others)]),
        None
    );
    // Each once, whatever the order of the sides.
    assert_eq!(
        others("typo", &journal(&["b", "c"]), &journal(&["a", "b"])),
        Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    );
}

#[test]
fn the_extension_goes_where_it_is_ours_or_asked_for_and_free() {
    let extension = |request: &TeardownRequest<'_>, remaining: &Remaining| {
        let planned = plan(request, Some(remaining), None);
        let dropped = planned
            .removals
            .iter()
            .any(|one| one.kind == RemovalKind::Extension);
        let kept = planned
            .kept
            .iter()
            .find(|one| one.object.starts_with("extension"))
            .map(|one| one.reason.clone());
        let left = leftovers(request, Side::Source, remaining)
            .iter()
            .any(|one| one == "source: extension pglogical");
        (dropped, kept, left)
    };
    let with = |choice| TeardownRequest {
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
        extension(&with(ExtensionRemoval::Drop), &theirs),
        (true, None, true)
    );
    let (dropped, kept, left) = extension(&request(), &theirs);
    assert!(!dropped && !left && kept.unwrap().contains("--drop-extension"));
    let (dropped, kept, left) = extension(&with(ExtensionRemoval::Keep), &ours);
    assert!(!dropped && !left && kept.unwrap().contains("asked"));
    let (dropped, kept, left) = extension(&with(ExtensionRemoval::Drop), &used);
    assert!(!dropped && left && kept.unwrap().contains("in use"));
    // Gone already: its schema is shown.
    let gone = Remaining {
        extension: None,
        extension_schema: true,
        ..source()
    };
    let planned = plan(&with(ExtensionRemoval::Drop), Some(&gone), None);
    assert!(
        !planned
            .removals
            .iter()
            .any(|one| matches!(one.kind, RemovalKind::Extension | RemovalKind::Grant))
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
    let with_role = TeardownRequest {
        drop_role: Some("repl"),
        ..request()
    };
    let (source, target) = (source(), target());
    let planned = plan(&with_role, Some(&source), Some(&target));
    let role = planned
        .removals
        .iter()
        .position(|one| one.kind == RemovalKind::Role)
        .unwrap();
    assert_eq!(planned.removals[role].side, Side::Source);
    assert_eq!(kinds(&planned)[role + 1..], [("schema", Side::Target)]);
    let planned = plan(&with_role, None, Some(&target));
    assert!(
        !planned
            .removals
            .iter()
            .any(|one| one.kind == RemovalKind::Role)
    );
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
    // The source's schema is whole.
    assert_eq!(refusal(&request(), Side::Source, &target), None);
    let discard = TeardownRequest {
        drop_held: true,
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
    assert!(leftovers(&request(), Side::Source, &Remaining::default()).is_empty());
}

#[test]
fn what_9_4_needs_goes_behind_pglogical_where_we_made_it() {
    let mut old = source();
    old.slots.clear();
    old.emulation_ours = true;
    let extensions = |request: &TeardownRequest<'_>, remaining: &Remaining| -> Vec<String> {
        let planned = plan(request, Some(remaining), None);
        planned
            .removals
            .into_iter()
            .filter(|removal| removal.kind == RemovalKind::Extension)
            .map(|removal| removal.object)
            .collect()
    };
    assert_eq!(
        extensions(&request(), &old),
        ["pglogical", "pglogical_origin"]
    );
    // A run that was killed between the two.
    old.extension = None;
    old.extension_ours = false;
    assert_eq!(extensions(&request(), &old), ["pglogical_origin"]);
    let left = leftovers(&request(), Side::Source, &old);
    assert!(
        left.contains(&"source: extension pglogical_origin".to_owned()),
        "{left:?}"
    );
    let keep = TeardownRequest {
        extension: ExtensionRemoval::Keep,
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

#[test]
fn what_was_not_looked_at_and_what_the_journals_recorded_is_not_known() {
    use crate::cutover::{CutoverRecord, CutoverState, Traces};
    let with = CutoverRecord::default();
    let gone = CutoverRecord {
        traces: Some(Traces::default()),
        ..CutoverRecord::default()
    };
    let state = CutoverState::NotCutOver;
    let both =
        |record: &CutoverRecord, found| unknown(Some(record), Some(record), &state, found).len();
    assert_eq!(
        [both(&with, true), both(&gone, true), both(&gone, false)],
        [0, 1, 0]
    );
    let target = unknown(None, Some(&gone), &state, false);
    assert!(
        target[0].contains("the source was not looked at"),
        "{target:?}"
    );
    assert!(
        target[1].contains("whether the target was promoted is not known"),
        "{target:?}"
    );
    assert_eq!(unknown(None, Some(&with), &state, true).len(), 1);
    // Each side is named, and the journal of either is enough.
    let source = unknown(Some(&with), None, &state, true);
    assert_eq!(source.len(), 1, "{source:?}");
    assert!(
        source[0].contains("the target was not looked at"),
        "{source:?}"
    );
    assert!(unknown(Some(&with), Some(&gone), &state, true).is_empty());
}
