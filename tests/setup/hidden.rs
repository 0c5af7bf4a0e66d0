//! Passwords in the schema's own statements, and connection strings that do not work.

use anyhow::{Result, ensure};
use pgl_testkit::{PairDb, Tool, shared_pair};

use super::support::{drain, same_rows, setup, state};
use crate::common::Documented;

/// A mapping and a server with values that only their wrapper knows to be secret.
fn wrapped(db: &PairDb, secret: &str) -> Result<()> {
    db.on_source(&format!(
        "CREATE TABLE t (id int PRIMARY KEY);
         CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', token '{secret}a');
         CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'me', password '{secret}b')"
    ))?;
    Ok(())
}

fn mapping(db: &PairDb) -> Result<String> {
    let found = db.on_target("SELECT array_to_string(umoptions || srvoptions, ',') FROM pg_user_mappings JOIN pg_foreign_server f ON f.oid = srvid WHERE f.srvname = 's'")?;
    Ok(found
        .first()
        .and_then(|row| row[0].clone())
        .unwrap_or_default())
}

#[test]
fn passwords_in_the_schema_reach_the_target_and_nothing_else() -> Result<()> {
    let db = shared_pair(13, 17)?.database("mapped")?;
    let secret = format!("s3cr3t_{}_", db.name());
    wrapped(&db, &secret)?;
    let name = db.name();
    db.on_target(&format!(
        "ALTER DATABASE \"{name}\" SET log_statement = 'all'"
    ))?;
    for format in ["text", "json"] {
        let dry = setup(&db)
            .args(["--dry-run", "--format", format])
            .run()?
            .expect(0)?;
        let said = format!("{}{}", dry.stdout, dry.stderr);
        ensure!(
            said.contains("CREATE USER MAPPING") && !said.contains(&secret),
            "{said}"
        );
    }
    let out = setup(&db).arg("-v").run()?.expect(0)?;
    ensure!(!format!("{}{}", out.stdout, out.stderr).contains(&secret));
    let arrived = mapping(&db)?;
    ensure!(
        arrived.contains(&format!("password={secret}b"))
            && arrived.contains(&format!("token={secret}a")),
        "{arrived}"
    );
    let stored = db.on_target(&format!(
        "SELECT count(*)::text FROM pgl.held WHERE sql LIKE '%{secret}%'"
    ))?;
    ensure!(stored == [[Some("0".to_owned())]], "{stored:?}");
    let log = db.target().log()?;
    ensure!(
        log.contains("CREATE FOREIGN DATA WRAPPER"),
        "the server does not log statements"
    );
    let shown: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(&secret) && !line.contains("pgl.held WHERE sql"))
        .collect();
    ensure!(shown.is_empty(), "{shown:?}");
    // A run that was killed before it came to them reads them from the source again.
    db.on_target("DROP USER MAPPING FOR CURRENT_USER SERVER s; UPDATE pgl.held SET done = NULL WHERE kind = 'USER MAPPING'")?;
    setup(&db).run()?.expect(0)?;
    ensure!(mapping(&db)?.contains(&format!("password={secret}b")));
    Ok(())
}

/// The string with which the target's server reaches itself is tried before the copy, and a corrected one is used.
#[test]
fn a_wrong_subscriber_dsn_is_found_before_the_copy_and_can_be_corrected() -> Result<()> {
    let db = shared_pair(13, 17)?.database("subscriber")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 9)",
    )?;
    let wrong = format!("{} passfile=/nowhere dbname=nowhere", db.target_dsn());
    let out = setup(&db)
        .args(["--subscriber-dsn", &wrong])
        .run()?
        .expect(6)?;
    let document = out.document()?;
    ensure!(
        state(&document, "copy")? == "failed" && out.stdout.contains("--subscriber-dsn"),
        "{document:#}"
    );
    ensure!(
        db.on_target("SELECT * FROM t")?.is_empty(),
        "rows were copied"
    );
    let out = setup(&db)
        .args(["--subscriber-dsn", &db.target_dsn()])
        .run()?
        .expect(0)?;
    ensure!(
        state(&out.document()?, "target.node")? == "done",
        "{}",
        out.stdout
    );
    drain(&db)?;
    same_rows(&db)
}

/// `DROP EXTENSION pglogical CASCADE` on the target leaves slot and origin behind.
#[test]
fn a_dropped_extension_is_begun_again_on_request() -> Result<()> {
    let db = shared_pair(13, 17)?.database("dropped")?;
    db.on_source(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 9)",
    )?;
    setup(&db).run()?.expect(0)?;
    db.on_source("INSERT INTO t VALUES (10)")?;
    drain(&db)?;
    db.on_target("DROP EXTENSION pglogical CASCADE")?;
    // Its worker would find out with the next change.
    db.on_target("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pglogical apply%'")?;
    let slots =
        "SELECT NOT bool_or(active) FROM pg_replication_slots WHERE database = current_database()";
    db.source()
        .wait_until(db.name(), slots, super::support::PATIENCE)?;
    let out = setup(&db).run()?;
    ensure!(
        matches!(out.code(), Some(5 | 6)) && out.stdout.contains("pgl-setup --restart"),
        "{:?} {}",
        out.code(),
        out.stdout
    );
    ensure!(
        db.on_target("SELECT * FROM t")?.len() == 10,
        "rows are gone"
    );
    setup(&db).args(["--restart", "--yes"]).run()?.expect(0)?;
    db.on_source("INSERT INTO t VALUES (11)")?;
    drain(&db)?;
    same_rows(&db)
}

/// The string names no host: it is stored as it was resolved here, with the password of the environment.
#[test]
fn a_password_that_pglogical_would_store_is_reported() -> Result<()> {
    let db = shared_pair(13, 17)?.database("stored")?;
    let source = format!(
        "port={} user=postgres dbname={}",
        db.source().port(),
        db.name()
    );
    let canary = "c4n4ry-stored";
    let tool = |path: &str, password: bool| {
        let tool = Tool::new(path).envs(db.env()).env("PGL_SOURCE", &source);
        let tool = tool.env("PGHOST", "127.0.0.1");
        match password {
            true => tool.env("PGPASSWORD", canary),
            false => tool,
        }
    };
    for password in [true, false] {
        let preflight = tool(env!("CARGO_BIN_EXE_pgl-preflight"), password);
        let found = preflight
            .args(["--only", "conn.stored_password", "--format", "json"])
            .run()?
            .document()?;
        let all = found["findings"].as_array().map_or(0, Vec::len);
        ensure!(all == usize::from(password), "{found:#}");
        let setup = tool(env!("CARGO_BIN_EXE_pgl-setup"), password);
        let dry = setup.arg("--dry-run").run()?.expect(0)?;
        ensure!(
            dry.stderr
                .contains("pglogical stores a password in pglogical.node_interface on the target")
                == password,
            "{dry:?}"
        );
        ensure!(!format!("{dry:?}{found}").contains(canary), "{dry:?}");
    }
    // And on the source, for reverse replication.
    tool(env!("CARGO_BIN_EXE_pgl-setup"), false)
        .run()?
        .expect(0)?;
    let with = |dsn: &str| format!("{dsn} password={canary}");
    for (option, dsn) in [
        ("--reverse-dsn", db.target().dsn(db.name())),
        ("--reverse-subscriber-dsn", db.source().dsn(db.name())),
    ] {
        let cutover = tool(env!("CARGO_BIN_EXE_pgl-cutover"), false);
        let dry = cutover
            .args(["--dry-run", "--reverse", option, &with(&dsn)])
            .run()?;
        let said = format!("Without it: {option} with passfile=, a file of the source's server");
        ensure!(
            dry.stderr
                .contains("pglogical stores a password in pglogical.node_interface on the source")
                && dry.stderr.contains(&said)
                && !format!("{dry:?}").contains(canary),
            "{dry:?}"
        );
    }
    Ok(())
}
