//! Settings of the source, of the target, and what databases and roles override.

use super::*;

#[test]
fn settings_of_the_source() -> Result<()> {
    let source = Cluster::start(
        17,
        ClusterOptions::new()
            .set("wal_level", "replica")
            .set("shared_preload_libraries", "")
            .unset("output_plugin_libraries")
            .set("max_replication_slots", "0")
            .set("max_worker_processes", "2")
            .set("wal_sender_timeout", "5s")
            .set("max_slot_wal_keep_size", "1GB")
            .set("logical_decoding_work_mem", "1MB")
            .set("statement_timeout", "20s")
            .set("lock_timeout", "3s")
            .set("idle_in_transaction_session_timeout", "1min")
            .set("idle_session_timeout", "1min")
            .set("transaction_timeout", "1h")
            .set("extra_float_digits", "0")
            .set("datestyle", "SQL, DMY")
            .set("intervalstyle", "sql_standard")
            .set("timezone", "Europe/Berlin")
            .set("default_transaction_isolation", "serializable"),
    )?;
    let target = Cluster::start(18, ClusterOptions::new())?;
    let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
    all_found(
        &findings,
        Side::Source,
        &[
            ("conf.wal_level", Severity::Block),
            ("conf.preload", Severity::Block),
            ("conf.output_plugin_libraries", Severity::Block),
            ("conf.max_replication_slots", Severity::Block),
            ("conf.max_worker_processes", Severity::Block),
            ("conf.wal_sender_timeout", Severity::Warn),
            ("conf.max_slot_wal_keep_size", Severity::Warn),
            ("conf.logical_decoding_work_mem", Severity::Info),
            ("conf.statement_timeout", Severity::Warn),
            ("conf.lock_timeout", Severity::Warn),
            ("conf.idle_in_txn_timeout", Severity::Warn),
            ("conf.idle_session_timeout", Severity::Warn),
            ("conf.transaction_timeout", Severity::Warn),
            ("conf.extra_float_digits", Severity::Warn),
            ("conf.datestyle", Severity::Warn),
            ("conf.intervalstyle", Severity::Warn),
        ],
    )?;
    found(&findings, "loc.timezone", Side::Target)?;
    found(&findings, "conf.param_diff", Side::Target)?;
    // What the remedies say is what the server takes.
    for finding in &findings {
        let Some(sql) = &finding.sql else { continue };
        let cluster = match finding.fix_side {
            Side::Source => &source,
            Side::Target => &target,
        };
        for statement in sql.lines() {
            cluster
                .sql("postgres", statement)
                .with_context(|| format!("{}: {statement}", finding.id))?;
        }
    }
    let mut source = source;
    source.restart()?;
    let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
    let left: Vec<String> = above_info(&findings)
        .into_iter()
        // The programs on this machine are no matter of the servers.
        .filter(|line| !line.contains("conn.client_tools"))
        .collect();
    ensure!(
        left.is_empty(),
        "after the remedies and a restart: {left:#?}"
    );
    Ok(())
}

#[test]
fn settings_of_the_target() -> Result<()> {
    let source = Cluster::start(13, ClusterOptions::new())?;
    let target = Cluster::start(
        18,
        ClusterOptions::new()
            .set("pglogical.conflict_resolution", "last_update_wins")
            .set("pglogical.use_spi", "on")
            .set("max_active_replication_origins", "0")
            .set("array_nulls", "off")
            .set("default_transaction_read_only", "on")
            .set("log_statement", "all")
            .set("max_worker_processes", "4")
            .set("max_wal_senders", "0")
            .set("wal_level", "minimal"),
    )?;
    let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
    all_found(
        &findings,
        Side::Target,
        &[
            ("conf.conflict_resolution", Severity::Block),
            ("conf.use_spi", Severity::Block),
            ("conf.max_origins", Severity::Block),
            ("conf.array_nulls", Severity::Block),
            ("conf.default_read_only", Severity::Block),
            ("conf.dsn_in_log", Severity::Info),
            ("conf.max_worker_processes", Severity::Block),
            ("conf.wal_level", Severity::Info),
        ],
    )
}

#[test]
fn a_list_quoted_as_one_name() -> Result<()> {
    let source = Cluster::start(17, ClusterOptions::new())?;
    let target = Cluster::start(17, ClusterOptions::new())?;
    source.sql(
        "postgres",
        "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput, test_decoding, pglogical_output'",
    )?;
    source.reload()?;
    source.wait_until(
        "postgres",
        "SELECT current_setting('output_plugin_libraries') LIKE '\"%'",
        Duration::from_secs(10),
    )?;
    let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
    let finding = found(&findings, "conf.output_plugin_libraries", Side::Source)?;
    ensure!(finding.remedy.contains("without quotes"), "{finding:#?}");
    source.sql(
        "postgres",
        finding
            .sql
            .as_deref()
            .context("a remedy")?
            .lines()
            .next()
            .context("a line")?,
    )?;
    source.reload()?;
    source.wait_until(
        "postgres",
        "SELECT current_setting('output_plugin_libraries') NOT LIKE '\"%'",
        Duration::from_secs(10),
    )?;
    let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
    ensure!(found(&findings, "conf.output_plugin_libraries", Side::Source).is_err());
    Ok(())
}

#[test]
fn what_databases_and_roles_override() -> Result<()> {
    let db = shared_pair(13, 17)?.database("pfover")?;
    let (repl, app) = (db.role("repl"), db.role("app"));
    let name = db.name();
    for sql in [
        format!("CREATE ROLE {repl} LOGIN REPLICATION"),
        format!("CREATE ROLE {app} LOGIN"),
        format!("ALTER DATABASE {name} SET extra_float_digits = 0"),
        format!("ALTER ROLE {repl} SET datestyle = 'SQL, DMY'"),
        format!("ALTER ROLE {app} SET intervalstyle = 'sql_standard'"),
        format!("ALTER ROLE {repl} SET statement_timeout = '30s'"),
        format!("ALTER ROLE {app} SET default_transaction_read_only = off"),
        format!("ALTER ROLE {app} IN DATABASE {name} SET session_replication_role = replica"),
        format!("ALTER ROLE {app} SET \"app.secret\" = 'canary-7351'"),
    ] {
        db.on_source(&sql)?;
    }
    let provider = db.source().dsn_as(&repl, name);
    let seen = facts_by(
        &db.source_dsn(),
        &db.target_dsn(),
        Some(&provider),
        ServerProbe::RolledBackSubscription,
    )?;
    ensure!(seen.link.provider_role.as_deref() == Some(repl.as_str()));
    ensure!(
        !serde_json::to_string(&seen)?.contains("canary-7351"),
        "an application's secret"
    );
    let (findings, _) = examine(&seen);
    all_found(
        &findings,
        Side::Source,
        &[
            ("conf.extra_float_digits", Severity::Warn),
            ("conf.datestyle", Severity::Warn),
            ("conf.intervalstyle", Severity::Info),
            ("conf.statement_timeout", Severity::Warn),
            ("conf.read_only_override", Severity::Warn),
            ("conf.session_replication_role", Severity::Warn),
        ],
    )?;
    let floats = found(&findings, "conf.extra_float_digits", Side::Source)?;
    ensure!(
        floats.object.as_deref() == Some(&format!("database {name}")),
        "{floats:#?}"
    );
    found(&findings, "conf.db_settings", Side::Target)?;
    for finding in findings
        .iter()
        .filter(|finding| finding.id.starts_with("conf."))
    {
        if let Some(sql) = finding.sql.as_ref().filter(|sql| sql.contains(" RESET ")) {
            db.on_source(sql)
                .with_context(|| format!("{}: {sql}", finding.id))?;
        }
    }
    Ok(())
}

#[test]
fn a_target_set_up_for_less() -> Result<()> {
    let source = Cluster::start(
        13,
        ClusterOptions::new()
            .set("shared_buffers", "64MB")
            .set("max_connections", "120")
            .set("max_prepared_transactions", "10")
            .set("work_mem", "5MB"),
    )?;
    let target = Cluster::start(
        17,
        ClusterOptions::new()
            .set("shared_buffers", "16MB")
            .set("max_connections", "60")
            .set("max_prepared_transactions", "0")
            .set("work_mem", "4MB"),
    )?;
    let tier = |target: &Cluster| -> Result<Vec<(String, String)>> {
        let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
        Ok(findings
            .iter()
            .filter(|finding| finding.id == "cap.target_tier")
            .map(|finding| {
                (
                    finding.what.clone(),
                    finding.sql.clone().unwrap_or_default(),
                )
            })
            .collect())
    };
    let found = tier(&target)?;
    let pair = |what: &str, sql: &str| (what.to_owned(), sql.to_owned());
    assert_eq!(
        found,
        [
            pair(
                "max_connections is 60 on the target and 120 on the source",
                "ALTER SYSTEM SET max_connections = 120;"
            ),
            pair(
                "max_prepared_transactions is 0 on the target and 10 on the source",
                "ALTER SYSTEM SET max_prepared_transactions = 10;"
            ),
            pair(
                "shared_buffers is 16.0 MiB on the target and 64.0 MiB on the source",
                ""
            ),
        ]
    );
    for (_, sql) in found.iter().filter(|(_, sql)| !sql.is_empty()) {
        target.sql("postgres", sql)?;
    }
    let mut target = target;
    target.restart()?;
    let left = tier(&target)?;
    ensure!(
        left.len() == 1 && left[0].0.starts_with("shared_buffers"),
        "{left:?}"
    );
    Ok(())
}

#[test]
fn transactions_too_large_to_be_decoded_in_memory() -> Result<()> {
    for (from, to) in [(13, 15), (15, 17), (17, 18)] {
        let source = Cluster::start(
            from,
            ClusterOptions::new().set("logical_decoding_work_mem", "64kB"),
        )?;
        let target = Cluster::start(to, ClusterOptions::new())?;
        source.sql("postgres", "CREATE TABLE t (v text)")?;
        source.sql(
            "postgres",
            "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')",
        )?;
        let spilled = || -> Result<Vec<String>> {
            let (findings, _) = examine(&facts(&source.dsn("postgres"), &target.dsn("postgres"))?);
            Ok(findings
                .into_iter()
                .filter(|finding| finding.id == "cap.large_transactions")
                .map(|finding| finding.what)
                .collect())
        };
        let decode = |rows: u32| -> Result<()> {
            source.sql(
                "postgres",
                &format!("INSERT INTO t SELECT repeat('x', 500) FROM generate_series(1, {rows})"),
            )?;
            source.sql(
                "postgres",
                "SELECT count(*) FROM pg_logical_slot_get_changes('cdc', NULL, NULL)",
            )?;
            Ok(())
        };
        decode(1)?;
        assert_eq!(spilled()?, Vec::<String>::new(), "a small one on {from}");
        decode(2_000)?;
        if from < 14 {
            // The server does not count them yet.
            assert_eq!(spilled()?, Vec::<String>::new());
            continue;
        }
        source.wait_until(
            "postgres",
            "SELECT spill_txns = 1 FROM pg_stat_replication_slots WHERE slot_name = 'cdc'",
            Duration::from_secs(20),
        )?;
        let found = spilled()?;
        ensure!(
            found.len() == 1
                && found[0].starts_with("slot cdc has decoded 1 transaction through files, "),
            "{from}: {found:?}"
        );
    }
    Ok(())
}
