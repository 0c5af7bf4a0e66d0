//! Facts about objects, the checks on them, and the plan, on real servers.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgl_conn::{Access, Endpoint, Environment, Session, SessionOptions};
use pgl_core::facts::objects::Objects;
use pgl_core::facts::server::{Identity, WATCHED};
use pgl_core::facts::{Facts, NotRun, Section, ServerFacts};
use pgl_core::plan::{self, Set};
use pgl_core::rules;
use pgl_core::select::Selection;
use pgl_core::{Finding, Severity, Side};
use pgl_testkit::{Cluster, ClusterOptions, Pair, Tool, shared_pair};

const HAZARDS: &str = include_str!("sql/hazards.sql");
const HAZARDS_TARGET: &str = include_str!("sql/hazards_target.sql");
const CLEAN: &str = include_str!("sql/clean.sql");

fn session(side: Side, dsn: &str) -> Result<Session> {
    let endpoint = Endpoint::resolve(side, Some(OsStr::new(dsn)), &Environment::bare())?;
    let options = SessionOptions::new("pgl-test", Access::ReadOnly);
    Ok(Session::connect(&endpoint, &options)?)
}

/// One server's facts: its objects, and of the server itself only what the rules need of it.
fn server(side: Side, dsn: &str, selection: &Selection) -> Result<ServerFacts> {
    let mut session = session(side, dsn)?;
    let mut facts = ServerFacts::default();
    facts.server.identity = Section::Known(Identity {
        version: session.version(),
        database: session.endpoint().dbname().to_owned(),
        user: session.endpoint().user().to_owned(),
        ..Identity::default()
    });
    let schemas = include_str!("../crates/pgl-catalog/sql/pgl_schema.sql");
    facts.server.own_schemas = Section::Known(pgl_catalog::rows(&mut session, schemas, &[])?);
    let overrides = include_str!("../crates/pgl-catalog/sql/server/overrides.sql");
    let overrides = pgl_catalog::rows(&mut session, overrides, &[&WATCHED])?;
    facts.server.overrides = Section::Known(overrides);
    facts.objects = pgl_catalog::objects::collect(&mut session, selection)?;
    if side == Side::Source {
        facts.objects.sequences_later =
            pgl_catalog::objects::sequences_later(&mut session, &facts.objects)?;
    }
    Ok(facts)
}

fn facts(source: &str, target: Option<&str>, selection: Selection) -> Result<Facts> {
    let mut facts = Facts {
        source: server(Side::Source, source, &selection)?,
        target: match target {
            Some(dsn) => Some(server(Side::Target, dsn, &selection)?),
            None => None,
        },
        asked: pgl_core::facts::Asked {
            selection,
            ..Default::default()
        },
        ..Facts::default()
    };
    if let Some(target) = target {
        let source = session(Side::Source, source)?;
        let target = session(Side::Target, target)?;
        let servers = (source.endpoint(), target.endpoint());
        facts.generated =
            pgl_catalog::generated::collect(servers, "pgl-test", &facts, &mut |_| ())?;
    }
    Ok(facts)
}

fn ours(id: &str) -> bool {
    ["tbl.", "type.", "data.", "obj.", "seq."]
        .iter()
        .any(|family| id.starts_with(family))
}

/// Runs the object checks; what did not run is returned with its reason.
fn check(facts: &Facts) -> (Vec<Finding>, BTreeMap<&'static str, String>) {
    let (mut findings, mut not_run) = (Vec::new(), BTreeMap::new());
    for check in rules::all().filter(|check| ours(check.id)) {
        if let Err(NotRun(reason)) = check.run(facts, &mut findings) {
            not_run.insert(check.id, reason);
        }
    }
    (findings, not_run)
}

/// The sections that could not be read, with the reason.
fn unknown(objects: &Objects) -> Result<BTreeMap<String, String>> {
    let json = serde_json::to_value(objects)?;
    let sections = json.as_object().context("objects are a JSON object")?;
    Ok(sections
        .iter()
        .filter_map(|(name, section)| {
            let reason = section.get("unknown")?.as_str()?;
            Some((name.clone(), reason.to_owned()))
        })
        .collect())
}

fn exclude(tables: &[&str]) -> Selection {
    Selection {
        exclude_tables: tables.iter().map(|one| (*one).to_owned()).collect(),
        ..Selection::default()
    }
}

/// What hazards.sql plants: the check that must find it, and the object that it must name.
const PLANTED: &[(&str, &str)] = &[
    ("tbl.no_key", "hz.no_key"),
    ("tbl.no_key_candidate", "hz.candidate"),
    ("tbl.no_key_mutations", "hz.mutated"),
    ("tbl.identity_full", "hz.identity_full"),
    ("tbl.identity_nothing", "hz.identity_nothing"),
    ("tbl.identity_index_bad", "hz.identity_index"),
    ("tbl.pk_deferrable", "hz.pk_deferrable"),
    ("tbl.unlogged", "hz.unlogged"),
    ("tbl.temp", ""),
    ("tbl.partitioned", "hz.parted"),
    ("tbl.foreign", "hz.remote"),
    ("tbl.extension_config", "hz.of_extension"),
    ("tbl.generated_cols", "hz.generated"),
    ("tbl.generated_values", "hz.generated_values"),
    ("tbl.fk_to_excluded", "hz.fk_to_left_out"),
    ("tbl.truncate_fk", "hz.circle_b"),
    ("tbl.truncate_users", "TRUNCATE hz.circle_a CASCADE"),
    ("tbl.fk_not_valid", "hz.not_valid"),
    ("tbl.check_volatile", "hz.check_volatile"),
    ("tbl.unique_deferrable", "hz.unique_deferrable"),
    ("tbl.exclusion_constraint", "hz.exclusion"),
    ("tbl.rls", "hz.rls"),
    ("tbl.triggers_always", "hz.triggers"),
    ("tbl.constraint_triggers", "hz.circle_b"),
    ("tbl.constraint_triggers", "hz.unchecked"),
    ("tbl.constraint_triggers", "hz.t_fk"),
    ("tbl.rules", "hz.rules"),
    ("tbl.huge", "hz.huge"),
    ("tbl.bloat", "hz.bloat"),
    ("tbl.similar_names", "hz.\"Triggers\""),
    ("tbl.zero_columns", "hz.zero_columns"),
    ("tbl.target_not_empty", "hz.t_rows"),
    ("tbl.missing_on_target", "hz.t_missing"),
    ("tbl.kind_mismatch", "hz.t_kind"),
    ("tbl.unlogged_target", "hz.t_unlogged"),
    ("tbl.column_mismatch", "hz.t_columns"),
    ("tbl.type_mismatch", "hz.t_columns"),
    ("tbl.extra_notnull_target", "hz.t_columns"),
    ("tbl.not_null_target", "hz.t_columns"),
    ("tbl.generated_differs", "hz.t_columns"),
    ("tbl.pk_mismatch", "hz.t_key"),
    ("tbl.extra_unique_target", "hz.t_extra"),
    ("tbl.extra_check_target", "hz.t_extra"),
    ("tbl.fk_on_target", "hz.t_fk"),
    ("tbl.secondary_idx_present_target", "hz.t_extra"),
    ("tbl.only_on_target", "hz.t_only_here"),
    ("type.reg", "hz.types"),
    ("type.oid_columns", "hz.types"),
    ("type.system_composite", "hz.types"),
    ("type.mismatch", "hz.mood"),
    ("type.c_language", "hz.foreign_type"),
    ("type.money", "hz.types"),
    ("type.xml", "hz.types"),
    ("data.no_checksums", ""),
    ("data.huge_values", "hz.huge_values"),
    ("obj.large_objects", ""),
    ("obj.matviews", "hz.mv_second"),
    ("obj.invalid_indexes", "hz.invalid_index"),
    ("obj.views_on_syscat", "hz.activity"),
    ("obj.foreign_servers", "hz_server"),
    ("obj.c_functions", "hz.foreign_type_in(cstring)"),
    ("obj.languages", "hz_language"),
    ("obj.postfix_operators", "hz.!!!(bigint)"),
    ("obj.conversions", "hz.conversion"),
    (
        "obj.polymorphic_arrays",
        "aggregate hz.array_cat_all(anyarray)",
    ),
    ("obj.casts", "hz.mood AS money"),
    ("obj.text_search", "dictionary hz.words"),
    ("obj.security_labels", "hz_provider"),
    ("obj.not_dumped", "hz.up"),
    ("obj.not_dumped", "hz.stored"),
    ("obj.not_dumped", "hz.stored_too"),
    ("obj.not_dumped", ""),
    ("obj.default_privileges", "postgres"),
    ("obj.functions_search_path", "hz.shout(text)"),
    ("obj.functions_search_path", "hz.unpathed(text)"),
    ("obj.functions_search_path", "hz.unpathed_below()"),
    ("obj.functions_search_path", "hz.unpathed_key(integer)"),
    ("obj.functions_search_path", "hz.unpathed_deep(integer)"),
    ("obj.hash_of_enum", "hz.hashed"),
    ("obj.event_triggers", "hz_guard"),
    ("obj.tablespaces", "hz_space"),
    ("obj.db_role_settings", "search_path"),
    ("obj.schema_pgl", "pgl"),
    ("obj.schema_pglogical", "pglogical"),
    ("seq.inventory", ""),
    ("seq.missing_on_target", "hz.seq_missing"),
    ("seq.params", "hz.seq_params"),
    ("seq.behind_data", "hz.overtaken_id_seq"),
    ("seq.near_limit", "hz.nearly_full_id_seq"),
    ("seq.replicated_by_pglogical", "hz.seq_member"),
    ("seq.unfit_for_pglogical", "hz.seq_down"),
    ("seq.owner_excluded", "hz.left_out_id_seq"),
];

/// Checks that hazards.sql cannot serve on 13, with the place that does.
const ELSEWHERE: &[&str] = &[
    "tbl.with_oids",          // gone in 12
    "type.removed",           // gone in 12
    "type.float_text",        // of sources before 12
    "data.checksum_failures", // needs a broken page
    "tbl.generated_virtual",  // 18: see the test of that name
    "tbl.nullable_child",     // to 18: likewise
    "seq.unlogged",           // 15: likewise
    "obj.invalid_databases",  // needs the server's facts
    "obj.comments_acl",       // likewise: see preflight_tool
    "obj.functions_rights",   // likewise: see preflight_roles
    "seq.hot",                // needs writes meanwhile: see preflight_tool
];

/// A pair with every hazard planted, and the session that holds a temporary table.
fn hazardous(source: u16, target: u16) -> Result<(Pair, postgres::Client)> {
    let preload =
        ClusterOptions::new().set("shared_preload_libraries", "pglogical,pg_stat_statements");
    let pair = Pair {
        source: Cluster::start(source, preload)?,
        target: Cluster::start(target, ClusterOptions::new())?,
    };
    pair.createdb("hazards")?;
    // As the server sees its files, which may lie under another root.
    let data = pair.source.value("hazards", "SHOW data_directory")?;
    let space = std::path::Path::new(&data).with_file_name("hz_space");
    let make = format!(
        "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p {}'",
        space.display()
    );
    pair.source.sql("hazards", &make)?;
    let create = format!("CREATE TABLESPACE hz_space LOCATION '{}'", space.display());
    pair.source.sql("hazards", &create)?;
    let mut client = pair.source.client("hazards")?;
    client.batch_execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pglogical;")?;
    client.batch_execute(HAZARDS)?;
    client.batch_execute(
        "SELECT pglogical.create_node('hz', 'dbname=hazards');
         SELECT pglogical.replication_set_add_sequence('default', 'hz.seq_member');
         CREATE TABLE hz.elsewhere (id int PRIMARY KEY) TABLESPACE hz_space;
         CREATE TEMPORARY TABLE mine (id int);",
    )?;
    client.batch_execute("TRUNCATE hz.circle_a CASCADE")?;
    pair.target
        .client("hazards")?
        .batch_execute(HAZARDS_TARGET)?;
    Ok((pair, client))
}

/// Collects until the server's statistics know of the changes that were just made.
fn settled(pair: &Pair, writer: &mut postgres::Client) -> Result<Facts> {
    let selection = exclude(&["hz.left_out"]);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // Before 15 a session hands over its counters only at the end of a statement.
        writer.batch_execute("SELECT 1")?;
        let (source, target) = (pair.source.dsn("hazards"), pair.target.dsn("hazards"));
        let facts = facts(&source, Some(&target), selection.clone())?;
        let (findings, _) = check(&facts);
        let seen = |id: &str| findings.iter().any(|finding| finding.id == id);
        let counted = [seen("tbl.no_key_mutations"), seen("tbl.bloat")];
        if counted == [true, true] {
            return Ok(facts);
        }
        ensure!(
            Instant::now() < end,
            "updates, dead rows counted: {counted:?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn every_planted_hazard_is_found_by_name() -> Result<()> {
    let (pair, mut writer) = hazardous(13, 17)?;
    let facts = settled(&pair, &mut writer)?;
    for side in [&facts.source, facts.target()?] {
        assert_eq!(unknown(&side.objects)?, BTreeMap::new());
    }
    let (findings, not_run) = check(&facts);
    let expected = BTreeSet::from([
        "obj.comments_acl",
        "obj.functions_rights",
        "obj.invalid_databases",
    ]);
    assert_eq!(
        not_run.keys().copied().collect::<BTreeSet<_>>(),
        expected,
        "{not_run:?}"
    );
    let found: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|finding| (finding.id.as_str(), finding.object.as_deref().unwrap_or("")))
        .collect();
    let missed: Vec<_> = PLANTED
        .iter()
        .filter(|planted| !found.contains(*planted))
        .collect();
    assert!(
        missed.is_empty(),
        "not found: {missed:#?}\nfound: {found:#?}"
    );
    let covered: BTreeSet<&str> = PLANTED
        .iter()
        .map(|(id, _)| *id)
        .chain(ELSEWHERE.iter().copied())
        .collect();
    for check in rules::all().filter(|check| ours(check.id)) {
        assert!(
            covered.contains(check.id),
            "{} is planted nowhere",
            check.id
        );
    }
    let text = serde_json::to_string(&facts)?;
    assert!(
        !text.contains("canary-value"),
        "a secret of the application is in the facts"
    );
    assert_eq!(
        serde_json::from_str::<Facts>(&text)?,
        facts,
        "a recording replays"
    );
    what_is_not_dumped(&findings);
    plan_of_the_hazards(&facts)
}

/// A trigger's own name is not to be had on 17.
fn what_is_not_dumped(findings: &[Finding]) {
    let findings = findings.iter().filter(|one| one.id == "obj.not_dumped");
    let lost =
        "schemas of the server: function pg_catalog.hz_lost(), table information_schema.lost";
    assert!(findings.clone().any(|one| one.what.ends_with(lost)));
    let statements: Vec<_> = findings
        .flat_map(|one| one.manual_sql.as_deref().unwrap_or("(none)").lines())
        .collect();
    assert_eq!(
        statements,
        [
            "ALTER TABLE hz.up_2 RENAME CONSTRAINT up_other_fkey TO \"Own\";",
            "COMMENT ON CONSTRAINT \"Own\" ON hz.up_2 IS 'mine';",
            "COMMENT ON CONSTRAINT up_other_fkey ON hz.up_1 IS 'above';",
            "(none)",
            "COMMENT ON CONSTRAINT positive ON hz.stored_too IS 'below';",
            "ALTER TABLE ONLY hz.stored ALTER COLUMN t SET STORAGE EXTENDED;",
            "SECURITY LABEL FOR hz_provider ON LARGE OBJECT 4711 IS 'secret';",
            "(none)",
        ]
    );
}

fn plan_of_the_hazards(facts: &Facts) -> Result<()> {
    let plan = plan::build(facts)?;
    let table = |name: &str| {
        let mut all = plan.tables.iter();
        all.find(|one| one.schema == "hz" && one.name == name)
            .context(name.to_owned())
    };
    for name in [
        "no_key",
        "candidate",
        "identity_full",
        "identity_nothing",
        "pk_deferrable",
    ] {
        assert_eq!(table(name)?.set, Set::DefaultInsertOnly, "{name}");
        assert!(
            !table(name)?.recopy_at_cutover,
            "{name}: nothing was changed"
        );
    }
    assert!(table("mutated")?.recopy_at_cutover);
    for name in ["unlogged", "of_extension", "left_out"] {
        assert_eq!(table(name)?.set, Set::Excluded, "{name}");
    }
    assert!(table("unlogged")?.recopy_at_cutover);
    assert_eq!(
        table("generated")?.copy_columns,
        Some(vec!["id".to_owned()])
    );
    let leaf = table("parted_1")?;
    assert_eq!(leaf.set, Set::Default);
    assert_eq!(
        leaf.partition_root
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("hz.parted")
    );
    assert_eq!(leaf.key, Some(vec!["id".to_owned(), "at".to_owned()]));
    assert!(table("parted").is_err() && table("remote").is_err());
    let refresh: Vec<_> = plan
        .manual_steps
        .iter()
        .filter(|one| one.id == "obj.matviews")
        .map(|one| (one.object.as_deref(), one.action.contains("number 1 ")))
        .collect();
    assert_eq!(
        refresh,
        [(Some("hz.mv_a_third"), false), (Some("hz.mv_second"), true)]
    );
    assert!(
        plan.sequences
            .iter()
            .all(|one| one.name != "left_out_id_seq")
    );
    let nearly = plan
        .sequences
        .iter()
        .find(|one| one.name == "nearly_full_id_seq");
    let nearly = nearly.context("nearly_full_id_seq is planned")?;
    assert_eq!(nearly.used_percent, Some(93));
    assert_eq!(nearly.owned_by.as_deref(), Some("hz.nearly_full.id"));
    Ok(())
}

#[test]
fn newer_servers_bring_hazards_of_their_own() -> Result<()> {
    let (pair, mut writer) = hazardous(18, 18)?;
    let facts = settled(&pair, &mut writer)?;
    assert_eq!(unknown(&facts.source.objects)?, BTreeMap::new());
    let (findings, _) = check(&facts);
    let has = |id: &str, object: &str| {
        findings
            .iter()
            .any(|one| one.id == id && one.object.as_deref() == Some(object))
    };
    assert!(has("tbl.generated_virtual", "hz.generated_virtual"));
    assert!(has("seq.unlogged", "hz.seq_unlogged"));
    // Equal majors ship values in binary form.
    assert!(has("tbl.type_mismatch", "hz.t_columns"));
    // These could not even be created from 14 on.
    for id in [
        "obj.postfix_operators",
        "obj.polymorphic_arrays",
        "obj.conversions",
    ] {
        assert!(findings.iter().all(|one| one.id != id), "{id}");
    }
    Ok(())
}

#[test]
fn a_clean_database_gives_nothing_above_info() -> Result<()> {
    for (source, target) in [(13, 17), (15, 18), (17, 18)] {
        let db = shared_pair(source, target)?.database("preflight_clean")?;
        db.source_client()?.batch_execute(CLEAN)?;
        let facts = facts(
            &db.source_dsn(),
            Some(&db.target_dsn()),
            Selection::default(),
        )?;
        for side in [&facts.source, facts.target()?] {
            assert_eq!(
                unknown(&side.objects)?,
                BTreeMap::new(),
                "{source} → {target}"
            );
        }
        let (findings, _) = check(&facts);
        let loud: Vec<_> = findings
            .iter()
            .filter(|one| one.severity != Severity::Info)
            .collect();
        assert!(loud.is_empty(), "{source} → {target}: {loud:#?}");
        let plan = plan::build(&facts)?;
        let sets: Vec<_> = plan
            .tables
            .iter()
            .map(|one| (one.name.as_str(), one.set))
            .collect();
        assert_eq!(
            sets,
            [
                "codes",
                "customers",
                "lines",
                "log_old",
                "log_rest",
                "orders"
            ]
            .map(|name| (name, Set::Default))
        );
        assert!(
            plan.tables
                .iter()
                .all(|one| one.bytes > 0 || one.name == "log_rest")
        );
    }
    Ok(())
}

#[test]
fn weird_names_come_through_and_their_remedies_run() -> Result<()> {
    let odd = [
        "a\"b",
        "semi;colon -- ",
        "new\nline",
        "Ünïcode ✓",
        "'quote'",
        "back\\slash",
        "%s%I",
        " lead",
        "select",
        "tab\there",
        "dot.dot",
        "$1",
        "{\"json\": 1}",
        "<xml>&amp;",
    ];
    let long = "ü".repeat(31) + "x";
    ensure!(long.len() == 63, "63 bytes");
    let mut names: Vec<String> = odd.iter().map(|name| (*name).to_owned()).collect();
    names.push(long);
    let db = shared_pair(15, 17)?.database("preflight_names")?;
    let mut client = db.source_client()?;
    for name in &names {
        let q = pgl_core::quote_ident(name);
        client.batch_execute(&format!(
            "CREATE SCHEMA {q};
             CREATE TABLE {q}.{q} ({q} int NOT NULL UNIQUE);
             CREATE SEQUENCE {q}.s OWNED BY {q}.{q}.{q};
             SELECT nextval({});",
            pgl_core::quote_literal(&format!("{q}.s"))
        ))?;
    }
    let read = || facts(&db.source_dsn(), None, Selection::default());
    let before = read()?;
    assert_eq!(unknown(&before.source.objects)?, BTreeMap::new());
    let plan = plan::build(&before)?;
    let mut sorted = names.clone();
    sorted.sort();
    let planned: Vec<_> = plan.tables.iter().map(|one| one.name.clone()).collect();
    assert_eq!(planned, sorted);
    assert_eq!(plan.sequences.len(), names.len());
    let keyless = |facts: &Facts| -> Vec<Finding> {
        let (findings, _) = check(facts);
        findings
            .into_iter()
            .filter(|one| one.id == "tbl.no_key")
            .collect()
    };
    let found = keyless(&before);
    assert_eq!(found.len(), names.len());
    for finding in found {
        client.batch_execute(
            finding
                .sql
                .as_deref()
                .context("a candidate index is there")?,
        )?;
    }
    let after = read()?;
    assert_eq!(keyless(&after), Vec::new());
    let plan = plan::build(&after)?;
    for table in &plan.tables {
        assert_eq!(table.key, Some(vec![table.name.clone()]));
    }
    Ok(())
}

/// From 18 on children inherit NOT NULL.
#[test]
fn a_child_that_takes_nulls_is_found_on_the_way_to_18() -> Result<()> {
    for target in [15, 18] {
        let db = shared_pair(13, target)?.database("nulls")?;
        let code = i32::from(target == 18);
        db.on_source(
            "CREATE TABLE above (id int PRIMARY KEY, v int NOT NULL);
             CREATE TABLE below (PRIMARY KEY (id)) INHERITS (above);
             ALTER TABLE below ALTER v DROP NOT NULL",
        )?;
        let found = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
            .envs(db.env())
            .args(["--only", "tbl.nullable_child"])
            .run()?
            .expect(code)?;
        ensure!(
            found.stdout.contains("column v of table public.below") == (code == 1),
            "{}",
            found.stdout
        );
    }
    Ok(())
}
