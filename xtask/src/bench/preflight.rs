//! A large catalog: how long the checks take, against `pg_dump -s` of the same database.

use std::process::Command;

use anyhow::Result;
use pgl_testkit::{Cluster, ClusterOptions, Server};

use super::{fastest, release_binary, report};
use crate::run::say;

const TABLES: u32 = 10_000;
const MAJOR: u16 = 17;

pub(crate) fn main(runs: u32) -> Result<()> {
    let bin = release_binary("pgl-preflight")?;
    let server = Server::require(MAJOR)?;
    let cluster = Cluster::start_on(
        &server,
        ClusterOptions::new().set("max_locks_per_transaction", "1024"),
    )?;
    cluster.createdb("large")?;
    say(&format!(
        "PostgreSQL {MAJOR}, {TABLES} tables with a serial key each"
    ));
    // One transaction a thousand tables: DDL in one transaction would hold a lock on each.
    for thousand in 0..TABLES / 1000 {
        cluster.sql(
            "large",
            &format!(
                "DO $$ BEGIN FOR i IN {0}..{1} LOOP EXECUTE format(
                   'CREATE TABLE t%s (id serial PRIMARY KEY, a text NOT NULL, b numeric, c timestamptz)', i);
                 END LOOP; END $$",
                thousand * 1000,
                thousand * 1000 + 999
            ),
        )?;
    }
    cluster.sql("large", "ANALYZE")?;
    let dsn = cluster.dsn("large");
    let programs = server.client_dir()?;
    let peer = fastest(runs, &[0], || {
        let mut command = Command::new(programs.join("pg_dump"));
        command.args(["--schema-only", "--dbname", &dsn]);
        Ok(command)
    })?;
    report("pg_dump --schema-only", peer, peer);
    // Exit 1 is an answer too: the throw-away cluster may well have findings.
    let ours = fastest(runs, &[0, 1], || {
        let mut command = Command::new(&bin);
        command
            .args(["--source", &dsn, "--format", "json"])
            .env_remove("PGL_TARGET");
        Ok(command)
    })?;
    report("pgl-preflight --source", ours, peer);
    Ok(())
}
