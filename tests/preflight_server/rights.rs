//! What a role without rights is told, and the way from the target to the source.

use super::*;

#[test]
fn a_role_without_rights_is_told_what_it_lacks() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let db = shared_pair(from, to)?.database("pfpoor")?;
        let (poor, owner) = (db.role("poor"), db.role("owner"));
        for sql in [
            format!("CREATE ROLE {poor} LOGIN"),
            format!("CREATE ROLE {owner}"),
            "CREATE EXTENSION pglogical".to_owned(),
            "CREATE SCHEMA \"App x\"".to_owned(),
            "CREATE TABLE \"App x\".t (id serial PRIMARY KEY)".to_owned(),
            "CREATE TABLE readable (id int PRIMARY KEY)".to_owned(),
            "ALTER TABLE readable ENABLE ROW LEVEL SECURITY".to_owned(),
            format!("GRANT SELECT ON readable TO {poor}"),
            format!("ALTER TABLE readable OWNER TO {owner}"),
        ] {
            db.on_source(&sql)?;
        }
        db.on_target(&format!("CREATE ROLE {poor} LOGIN"))?;
        let dsn = |cluster: &Cluster| cluster.dsn_as(&poor, db.name());
        let seen = facts(&dsn(db.source()), &dsn(db.target()))?;
        for side in [
            &seen.source.server,
            &seen.target.as_ref().context("target")?.server,
        ] {
            for (section, reason) in unknown(side)? {
                ensure!(reason.contains("42501"), "{section}: {reason}");
                let expected = ["passwords", "pglogical", "subscriptions", "write_rate"];
                ensure!(expected.contains(&section.as_str()), "{section}: {reason}");
            }
        }
        ensure!(matches!(
            &seen.link.replication_login,
            Section::Known(ReplicationLogin::Refused { .. })
        ));
        ensure!(matches!(
            &seen.link.server_to_server,
            Section::Known(Reach::NotProvable { .. })
        ));
        let (findings, not_run) = examine(&seen);
        all_found(
            &findings,
            Side::Source,
            &[
                ("role.superuser_or_equiv", Severity::Block),
                ("role.replication", Severity::Block),
                ("conn.replication_protocol", Severity::Block),
                ("role.pglogical_schema_usage", Severity::Block),
                ("role.select_tables", Severity::Block),
                ("role.select_sequences", Severity::Block),
                ("role.owner_of_tables", Severity::Block),
                ("role.bypassrls", Severity::Block),
                ("role.signal_backend", Severity::Warn),
                ("role.truncate_rights", Severity::Block),
            ],
        )?;
        all_found(
            &findings,
            Side::Target,
            &[
                ("role.superuser_or_equiv", Severity::Block),
                ("role.create_on_db", Severity::Block),
                ("role.set_replication_role", Severity::Block),
                ("role.origin_functions", Severity::Block),
                ("role.missing_on_target", Severity::Warn),
                ("conn.server_to_server", Severity::Warn),
            ],
        )?;
        for id in ["conf.max_worker_processes", "role.password_hash"] {
            ensure!(
                not_run.contains_key(id),
                "{id} ran without the rights: {not_run:#?}"
            );
        }
        // Preloading shows even where the list does not.
        ensure!(found(&findings, "conf.preload", Side::Source).is_err());
        // The grants that are named are the ones that help.
        for finding in &findings {
            let grants =
                finding.id == "role.select_tables" || finding.id == "role.select_sequences";
            if let Some(sql) = finding.sql.as_ref().filter(|_| grants) {
                for statement in sql.lines() {
                    db.on_source(statement)?;
                }
            }
        }
        let (findings, _) = examine(&facts(&dsn(db.source()), &dsn(db.target()))?);
        for id in ["role.select_tables", "role.select_sequences"] {
            ensure!(
                found(&findings, id, Side::Source).is_err(),
                "{id} after the grants"
            );
        }
    }
    Ok(())
}

#[test]
fn the_way_from_the_targets_server() -> Result<()> {
    let source = Cluster::start(13, ClusterOptions::new())?;
    let target = Cluster::start(
        17,
        ClusterOptions::new()
            .set("log_statement", "all")
            .set("log_min_error_statement", "error"),
    )?;
    let left = "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_replication_origin)";
    let password = "canary-4417";
    let good = format!("{} password={password}", source.dsn("postgres"));
    let free = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let bad =
        format!("host=127.0.0.1 port={free} user=postgres dbname=postgres password={password}");
    let ask = |provider: &str, probe| -> Result<Reach> {
        let seen = facts_by(
            &source.dsn("postgres"),
            &target.dsn("postgres"),
            Some(provider),
            probe,
        )?;
        ensure!(
            !serde_json::to_string(&seen)?.contains(password),
            "the password in the facts"
        );
        Ok(seen
            .link
            .server_to_server
            .get()
            .map_err(|e| anyhow::anyhow!(e.0))?
            .clone())
    };
    let rolled_back = ServerProbe::RolledBackSubscription;
    let by = Probe::RolledBackSubscription;
    ensure!(ask(&good, rolled_back)? == Reach::Reached { by });
    let failed = ask(&bad, rolled_back)?;
    ensure!(
        matches!(&failed, Reach::Failed { by: how, message } if *how == by && message.contains("refused")),
        "{failed:?}"
    );
    ensure!(matches!(
        ask("dbname=postgres", rolled_back)?,
        Reach::NotProvable { .. }
    ));
    ensure!(matches!(
        ask(&good, ServerProbe::Off)?,
        Reach::NotProvable { .. }
    ));
    ensure!(matches!(
        ask(&good, ServerProbe::ReadOnly)?,
        Reach::NotProvable { .. }
    ));
    target.sql("postgres", "CREATE EXTENSION dblink")?;
    let by = Probe::Dblink;
    ensure!(ask(&good, ServerProbe::ReadOnly)? == Reach::Reached { by });
    let failed = ask(&bad, ServerProbe::ReadOnly)?;
    ensure!(
        matches!(&failed, Reach::Failed { by: how, .. } if *how == by),
        "{failed:?}"
    );
    ensure!(
        target.value("postgres", left)? == "0",
        "the probe left something behind"
    );
    let slots = source.value("postgres", "SELECT count(*) FROM pg_replication_slots")?;
    ensure!(slots == "0", "the probe made a slot");
    ensure!(
        !target.log()?.contains(password),
        "the password is in the target's log"
    );
    Ok(())
}

/// A role that may try CREATE SUBSCRIPTION and may not keep a statement out of the server's log, with the server's defaults.
#[test]
fn a_password_of_the_provider_dsn_does_not_reach_the_log_of_a_target_that_a_non_superuser_asks()
-> Result<()> {
    let source = Cluster::start(15, ClusterOptions::new())?;
    let target = Cluster::start(
        18,
        ClusterOptions::new().set("log_min_error_statement", "error"),
    )?;
    target.sql(
        "postgres",
        "CREATE ROLE asker LOGIN; GRANT pg_create_subscription TO asker; GRANT CREATE ON DATABASE postgres TO asker",
    )?;
    let password = "canary-4418";
    let free = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    for port in [source.port(), free] {
        let provider =
            format!("host=127.0.0.1 port={port} user=postgres dbname=postgres password={password}");
        for probe in [ServerProbe::RolledBackSubscription, ServerProbe::ReadOnly] {
            let asker = target.dsn_as("asker", "postgres");
            let seen = facts_by(&source.dsn("postgres"), &asker, Some(&provider), probe)?;
            let reach = seen.link.server_to_server.get();
            ensure!(
                matches!(reach, Ok(Reach::NotProvable { reason }) if probe == ServerProbe::ReadOnly
                    || reason.contains("this role may not keep a statement out of the target's log")),
                "{reach:?}"
            );
        }
    }
    ensure!(
        !target.log()?.contains(password),
        "the password is in the target's log"
    );
    Ok(())
}

#[test]
fn statements_do_not_grow_with_the_tables() -> Result<()> {
    let source = Cluster::start(17, ClusterOptions::new().set("log_statement", "all"))?;
    source.createdb("shop")?;
    let count = || -> Result<usize> {
        let mark = source.log_mark()?;
        server::collect(&mut connect(Side::Source, &source.dsn("shop"))?)?;
        let log = source.log_since(mark)?;
        Ok(log
            .lines()
            .filter(|line| line.contains("LOG:  "))
            .filter(|line| line.contains("statement:") || line.contains("execute "))
            .count())
    };
    let few = count()?;
    source.sql(
        "shop",
        "DO $$ BEGIN FOR i IN 1..300 LOOP \
         EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY)', i); END LOOP; END $$",
    )?;
    let many = count()?;
    ensure!(few == many && few > 20, "{few} statements, then {many}");
    ensure!(few < 45, "{few} statements");
    Ok(())
}
