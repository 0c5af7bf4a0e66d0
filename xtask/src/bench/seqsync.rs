//! Many sequences: how long it takes to carry them over, against the one-liner that everybody writes.

use std::process::Command;

use anyhow::Result;
use pgl_testkit::{Pair, Server};

use super::{fastest, release_binary, report};
use crate::run::say;

const SEQUENCES: u32 = 10_000;
const DATABASE: &str = "large";

/// Without a look at what the target hands out, at is_called, or at the answer.
const ONE_LINER: &str = "psql -X -At -d \"$PGL_SOURCE\" -c \"SELECT format('SELECT setval(%L, %s);', \
    schemaname || '.' || sequencename, last_value) FROM pg_sequences WHERE last_value IS NOT NULL\" \
    | psql -X -q -At -v ON_ERROR_STOP=1 -d \"$PGL_TARGET\"";

pub(crate) fn main(runs: u32) -> Result<()> {
    let bin = release_binary("pgl-seqsync")?;
    let programs = Server::require(17)?.client_dir()?;
    let pair = Pair::start(13, 17)?;
    pair.createdb(DATABASE)?;
    say(&format!("PostgreSQL 13 to 17, {SEQUENCES} sequences"));
    for thousand in 0..SEQUENCES / 1000 {
        for cluster in [&pair.source, &pair.target] {
            cluster.sql(
                DATABASE,
                &format!(
                    "DO $$ BEGIN FOR i IN {0}..{1} LOOP EXECUTE format('CREATE SEQUENCE s%s', i); END LOOP; END $$",
                    thousand * 1000,
                    thousand * 1000 + 999
                ),
            )?;
        }
    }
    // Every run finds every sequence moved on.
    let advance = || {
        pair.source.sql(
            DATABASE,
            "SELECT count(setval(oid::regclass, (random() * 1e9)::bigint + 1)) FROM pg_class WHERE relkind = 'S'",
        )
    };
    let peer = fastest(runs, &[0], || {
        advance()?;
        let mut command = Command::new("sh");
        command.args(["-c", ONE_LINER]).envs(pair.env(DATABASE));
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        Ok(command)
    })?;
    report("psql | psql, one setval a statement", peer, peer);
    let ours = fastest(runs, &[0], || {
        // The target is put back behind: values never go backwards.
        pair.target.sql(
            DATABASE,
            "SELECT count(setval(oid::regclass, 1)) FROM pg_class WHERE relkind = 'S'",
        )?;
        advance()?;
        let mut command = Command::new(&bin);
        command.envs(pair.env(DATABASE));
        Ok(command)
    })?;
    report("pgl-seqsync", ours, peer);
    Ok(())
}
