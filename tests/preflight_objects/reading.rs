//! Reading under odds: without rights, against locks, twice.

use super::*;

#[test]
fn a_role_without_rights_says_what_it_could_not_read() -> Result<()> {
    let db = shared_pair(13, 17)?.database("preflight_poor")?;
    let role = db.role("poor");
    db.source_client()?.batch_execute(&format!(
        "CREATE ROLE {role} LOGIN;
         CREATE EXTENSION pglogical;
         CREATE SCHEMA secret;
         CREATE TABLE secret.t (id serial PRIMARY KEY, n int);
         CREATE SEQUENCE public.s;
         GRANT SELECT ON SEQUENCE public.s TO {role};
         SELECT nextval('public.s');"
    ))?;
    let dsn = db.source().dsn_as(&role, db.name());
    let facts = facts(&dsn, None, Selection::default())?;
    let gaps = unknown(&facts.source.objects)?;
    assert_eq!(gaps.keys().collect::<Vec<_>>(), ["members"], "{gaps:?}");
    assert!(
        gaps["members"].contains("pglogical") && gaps["members"].contains("42501"),
        "{gaps:?}"
    );
    let (_, not_run) = check(&facts);
    assert_eq!(
        not_run.get("seq.replicated_by_pglogical"),
        Some(&gaps["members"])
    );
    let sequences = facts.source.objects.sequences.get()?;
    let readable: Vec<_> = sequences
        .iter()
        .map(|one| (one.name.as_str(), one.readable, one.last_value.as_deref()))
        .collect();
    assert_eq!(
        readable,
        [("s", true, Some("1")), ("t_id_seq", false, None)]
    );
    ensure!(
        plan::build(&facts).is_ok(),
        "the plan can be made all the same"
    );
    Ok(())
}

#[test]
fn an_exclusive_lock_does_not_stop_the_reading() -> Result<()> {
    let db = shared_pair(13, 17)?.database("preflight_locked")?;
    let make = "CREATE TABLE busy (id int PRIMARY KEY, t text);
                INSERT INTO busy SELECT 1, repeat('x', 100);
                CREATE TABLE free (id int PRIMARY KEY); INSERT INTO free VALUES (1)";
    for mut client in [db.source_client()?, db.target_client()?] {
        client.batch_execute(make)?;
    }
    let (mut source, mut target) = (db.source_client()?, db.target_client()?);
    for client in [&mut source, &mut target] {
        client.batch_execute("BEGIN; LOCK TABLE busy")?;
    }
    let started = Instant::now();
    let facts = facts(
        &db.source_dsn(),
        Some(&db.target_dsn()),
        Selection::default(),
    )?;
    ensure!(
        started.elapsed() < Duration::from_secs(60),
        "it waited for the lock"
    );
    for side in [&facts.source, facts.target()?] {
        assert_eq!(unknown(&side.objects)?, BTreeMap::new());
    }
    let (findings, _) = check(&facts);
    let full: Vec<_> = findings
        .iter()
        .filter(|one| one.id == "tbl.target_not_empty")
        .map(|one| (one.object.as_deref().unwrap_or(""), one.severity))
        .collect();
    assert_eq!(full, [("public.free", Severity::Block)]);
    Ok(())
}

#[test]
fn changes_of_a_table_without_a_key_are_counted() -> Result<()> {
    let db = shared_pair(15, 17)?.database("preflight_rates")?;
    let mut client = db.source_client()?;
    client.batch_execute(
        "CREATE TABLE log (n int); INSERT INTO log SELECT generate_series(1, 100)",
    )?;
    client.batch_execute("UPDATE log SET n = n + 1")?;
    client.batch_execute("DELETE FROM log WHERE n <= 11")?;
    client.batch_execute("SELECT pg_stat_force_next_flush(); SELECT 1")?;
    let facts = facts(&db.source_dsn(), None, Selection::default())?;
    let (findings, _) = check(&facts);
    let found = findings.iter().find(|one| one.id == "tbl.no_key_mutations");
    let what = &found.context("updates and deletes were counted")?.what;
    ensure!(what.contains("100 updates and 10 deletes"), "{what}");
    Ok(())
}
