//! A migration between servers that accept nothing but TLS, with certificates of a private authority and a password as
//! long as the token of a managed service.

use std::time::Duration;

use anyhow::{Result, ensure};
use pgl_testkit::{Cluster, Outcome, Pair, Signal, Tool, conninfo};

use crate::common::pki::{Pki, chmod};
use crate::common::{Documented, PLAN, PROGRAMS, SCHEMA};

const DATABASE: &str = "shop";
/// Only the tests' own sessions are without TLS. On 13 the password is an MD5 hash, on 17 a SCRAM one.
const HBA: &str = "hostssl all mover 127.0.0.1/32 md5\nhostnossl all postgres 127.0.0.1/32 trust\n";
/// What every token has and nothing else.
const CANARY: &str = "c4n4ry7f31";

/// A password of 1,000 characters, with those that conninfo strings, URIs and passfiles have to escape.
fn token(of: &str) -> String {
    let text = format!("db.example:5432/?Action=connect&DBUser=mover&{CANARY}%2F\\{of}=");
    format!("{text:x<1000}")
}

/// Both servers, and what their role logs in with.
struct Sides {
    pair: Pair,
    files: tempfile::TempDir,
}

impl Sides {
    fn start() -> Result<Self> {
        let options = || Pki::get().options("chain.crt", "server.key").hba(HBA);
        let sides = Self {
            pair: Pair::start_with(13, options(), 17, options())?,
            files: tempfile::tempdir()?,
        };
        for cluster in [&sides.pair.source, &sides.pair.target] {
            cluster.sql("postgres", "CREATE ROLE mover SUPERUSER LOGIN")?;
            sides.renew(cluster, "first")?;
        }
        sides.pair.createdb(DATABASE)?;
        sides.pair.source.sql(DATABASE, SCHEMA)?;
        sides.keep("first")?;
        Ok(sides)
    }

    /// Another token for the role.
    fn renew(&self, cluster: &Cluster, of: &str) -> Result<()> {
        let sql = format!("ALTER ROLE mover PASSWORD '{}'", token(of));
        cluster.sql("postgres", &sql)?;
        Ok(())
    }

    /// The passfiles of the tools and of both servers, with this token for the source.
    fn keep(&self, of: &str) -> Result<()> {
        let (source, target) = (&self.pair.source, &self.pair.target);
        let line = |cluster: &Cluster, of: &str| {
            let token = token(of).replace('\\', "\\\\").replace(':', "\\:");
            format!("localhost:{}:*:mover:{token}\n", cluster.port())
        };
        let lines = line(source, of) + &line(target, "first");
        let path = self.files.path().join("passfile");
        std::fs::write(&path, &lines)?;
        chmod(&path, 0o600)?;
        for cluster in [source, target] {
            cluster.put_file("passfile", lines.as_bytes(), 0o600)?;
        }
        Ok(())
    }

    /// A server as this machine reaches it.
    fn dsn(cluster: &Cluster, more: &[(&str, &str)]) -> String {
        let port = cluster.port().to_string();
        let words = [
            ("host", "localhost"),
            ("hostaddr", "127.0.0.1"),
            ("port", &port),
            ("user", "mover"),
            ("dbname", DATABASE),
        ];
        conninfo(&[&words[..], more].concat())
    }

    /// A server as another one reaches it, or itself, with files of that one's machine.
    fn stored(cluster: &Cluster, at: &Cluster, root: &str) -> String {
        let file = |name: &str| {
            let path = at.server().inside(&at.data_dir().join(name));
            path.display().to_string()
        };
        Self::dsn(
            cluster,
            &[
                ("sslmode", "verify-full"),
                ("sslrootcert", &file(root)),
                ("passfile", &file("passfile")),
            ],
        )
    }

    fn tool(&self, path: &str) -> Tool {
        let (source, target) = (&self.pair.source, &self.pair.target);
        let ca = Pki::get().path("ca.crt");
        let verified = [("sslmode", "verify-full"), ("sslrootcert", &*ca)];
        Tool::new(path)
            .envs(self.pair.env(DATABASE))
            .env("PGL_SOURCE", Self::dsn(source, &verified))
            .env("PGL_TARGET", Self::dsn(target, &verified))
            .env("PGL_PROVIDER_DSN", Self::stored(source, target, "ca.crt"))
            .env("PGL_SUBSCRIBER_DSN", Self::stored(target, target, "ca.crt"))
            .env("PGL_REVERSE_DSN", Self::stored(target, source, "ca.crt"))
            .env(
                "PGL_REVERSE_SUBSCRIBER_DSN",
                Self::stored(source, source, "ca.crt"),
            )
            .env("PGPASSFILE", self.files.path().join("passfile"))
    }

    fn setup(&self) -> Tool {
        self.tool(env!("CARGO_BIN_EXE_pgl-setup"))
    }

    /// Every session of the role is over TLS, on both servers; the walsender's of this one, too.
    fn encrypted(&self, provider: &Cluster) -> Result<()> {
        for cluster in [&self.pair.source, &self.pair.target] {
            let open = cluster.sql(
                DATABASE,
                "SELECT a.application_name FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)
                  WHERE a.client_addr IS NOT NULL AND a.usename <> 'postgres' AND s.ssl IS NOT TRUE",
            )?;
            ensure!(open.is_empty(), "{open:?}");
        }
        let walsender = "SELECT count(*) = 1 AND bool_and(s.ssl) FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid)";
        provider.wait_until(DATABASE, walsender, Duration::from_secs(30))
    }

    /// pglogical's connection strings hold no password.
    fn nothing_stored(&self) -> Result<()> {
        let strings = "SELECT string_agg(if_dsn, ' ') FROM pglogical.node_interface";
        for cluster in [&self.pair.source, &self.pair.target] {
            let strings = cluster.value(DATABASE, strings)?;
            ensure!(
                !strings.contains("password") && !strings.contains(CANARY),
                "{strings}"
            );
        }
        Ok(())
    }
}

/// Runs it to this end; no token is in what it says.
fn run(tool: Tool, code: i32) -> Result<Outcome> {
    let out = tool.run()?.expect(code)?;
    ensure!(!format!("{out:?}").contains(CANARY), "{out:?}");
    Ok(out)
}

#[test]
fn every_tool() -> Result<()> {
    let sides = Sides::start()?;
    let (source, target) = (&sides.pair.source, &sides.pair.target);
    let does = |path: &str, args: &[&str]| run(sides.tool(path).args(args), 0);
    let plan = does(env!("CARGO_BIN_EXE_pgl-preflight"), &["--format", "json"])?;
    let document = plan.document()?;
    let said = document["findings"].to_string();
    ensure!(
        !said.contains("conn.tls") && !said.contains("conn.server_to_server"),
        "{said}"
    );
    run(sides.setup().args(["--plan", "-"]).stdin(plan.stdout), 0)?;
    let status = env!("CARGO_BIN_EXE_pgl-status");
    let caught_up = ["--wait-for", "caught-up", "--timeout", "60s"];
    does(status, &caught_up)?;
    sides.encrypted(source)?;
    let verify = env!("CARGO_BIN_EXE_pgl-verify");
    does(verify, &["--exclude-table", "unkeyed"])?;
    does(env!("CARGO_BIN_EXE_pgl-seqsync"), &[])?;
    source.sql(
        DATABASE,
        "CREATE TABLE late AS SELECT 1 AS id; ALTER TABLE late ADD PRIMARY KEY (id)",
    )?;
    let control = env!("CARGO_BIN_EXE_pgl-control");
    for args in [
        &["pause"][..],
        &["resume"],
        &["add-table", "public.late", "--yes"],
        &["resync", "public.t", "--yes"],
    ] {
        does(control, args)?;
    }
    sides.encrypted(source)?;
    let cutover = env!("CARGO_BIN_EXE_pgl-cutover");
    // It fails before anything is made for reverse replication.
    let wrong = Sides::stored(source, source, "missing.crt");
    let tool = sides.tool(cutover).args(["--reverse", "--yes"]);
    let out = run(tool.env("PGL_REVERSE_SUBSCRIBER_DSN", wrong), 3)?;
    ensure!(
        out.stderr.contains("--reverse-subscriber-dsn") && out.stderr.contains("missing.crt"),
        "{}",
        out.stderr
    );
    let slots = "SELECT count(*) FROM pg_replication_slots";
    ensure!(target.value(DATABASE, slots)? == "0");
    does(cutover, &["--reverse", "--yes"])?;
    sides.encrypted(target)?;
    sides.nothing_stored()?;
    target.sql(DATABASE, "INSERT INTO t (v) VALUES ('back')")?;
    does(cutover, &["rollback", "--yes"])?;
    does(verify, &["--mode", "static"])?;
    does(env!("CARGO_BIN_EXE_pgl-teardown"), &["--yes"])?;
    Ok(())
}

/// Whether nothing is on the source that it did not have before.
fn untouched(sides: &Sides) -> Result<()> {
    let made = "SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'pglogical') + (SELECT count(*) FROM pg_replication_slots)";
    ensure!(sides.pair.source.value(DATABASE, made)? == "0");
    Ok(())
}

#[test]
fn a_certificate_that_the_targets_server_cannot_check() -> Result<()> {
    let sides = Sides::start()?;
    let (source, target) = (&sides.pair.source, &sides.pair.target);
    target.put_file("other.crt", &Pki::get().read("other-ca.crt"), 0o600)?;
    for (root, why) in [
        ("missing.crt", "root certificate file"),
        ("other.crt", "certificate verify failed"),
    ] {
        let provider = Sides::stored(source, target, root);
        let preflight = sides
            .tool(env!("CARGO_BIN_EXE_pgl-preflight"))
            .env("PGL_PROVIDER_DSN", &provider)
            .args(["--format", "json"]);
        let out = run(preflight, 1)?;
        ensure!(
            out.document()?["blocked_by"] == serde_json::json!(["conn.server_to_server"])
                && out.stdout.contains(why),
            "{}",
            out.stdout
        );
        let out = run(sides.setup().env("PGL_PROVIDER_DSN", &provider), 5)?;
        let failures = out.document()?["steps"][0]["failures"].to_string();
        ensure!(
            out.stderr.contains("conn.server_to_server") && failures.contains(why),
            "{failures}{}",
            out.stderr
        );
        untouched(&sides)?;
    }
    Ok(())
}

#[test]
fn a_client_without_tls() -> Result<()> {
    let sides = Sides::start()?;
    let plan = sides.files.path().join("plan.json");
    let preflight = sides.tool(env!("CARGO_BIN_EXE_pgl-preflight"));
    std::fs::write(&plan, run(preflight.args(["--format", "json"]), 0)?.stdout)?;
    for (side, variable, cluster) in [
        ("source", "PGL_SOURCE", &sides.pair.source),
        ("target", "PGL_TARGET", &sides.pair.target),
    ] {
        for program in PROGRAMS {
            let looking = program.looking.iter();
            let args = looking.map(|arg| match *arg {
                PLAN => plan.as_os_str(),
                arg => arg.as_ref(),
            });
            let tool = sides
                .tool(program.path)
                .env(variable, Sides::dsn(cluster, &[("sslmode", "disable")]))
                .env("PGL_FORMAT", "text")
                .args(args);
            let out = tool.run()?;
            // pgl-preflight and pgl-status report a side that they cannot read.
            let said = format!("{}{}", out.stdout, out.stderr);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let error = format!(
                "{side}: cannot connect to localhost:{}: no pg_hba.conf entry",
                cluster.port()
            );
            ensure!(
                [Some(1), Some(3)].contains(&out.code())
                    && said.contains(&error)
                    && said.contains("SQLSTATE 28000")
                    && said.contains("sslmode"),
                "{}: {out:?}",
                program.name
            );
        }
    }
    untouched(&sides)
}

#[test]
fn a_token_in_pgpassword() -> Result<()> {
    let sides = Sides::start()?;
    let with_token = |tool: Tool| {
        let missing = sides.files.path().join("missing");
        tool.env("PGPASSFILE", missing)
            .env("PGPASSWORD", token("first"))
    };
    run(with_token(sides.setup()), 0)?;
    sides.nothing_stored()?;
    for program in PROGRAMS {
        let looking = program
            .looking
            .iter()
            .filter(|arg| !["--plan", PLAN].contains(arg));
        let tool = sides.tool(program.path).args(looking).arg("-vv");
        let out = with_token(tool).run()?;
        ensure!(
            // pgl-teardown refuses while foreign keys are deferred.
            [Some(0), Some(1), Some(5)].contains(&out.code())
                && !out.stderr.contains("cannot connect")
                && !format!("{out:?}").contains(CANARY),
            "{}: {out:?}",
            program.name
        );
    }
    Ok(())
}

/// A session that was lost cannot be opened again: a new token, and the same command goes on.
#[test]
fn a_token_that_expires_during_the_copy() -> Result<()> {
    let sides = Sides::start()?;
    let (source, target) = (&sides.pair.source, &sides.pair.target);
    source.sql(
        DATABASE,
        "CREATE TABLE large (id int PRIMARY KEY, v text); ALTER TABLE large ALTER v SET STORAGE EXTERNAL;
         INSERT INTO large SELECT g, repeat(md5(g::text), 3000) FROM generate_series(1, 400) g",
    )?;
    let running = sides.setup().start()?;
    let copies = "application_name = 'pgl-setup' AND query ~ '^COPY' AND state = 'active'";
    let limit = Duration::from_secs(60);
    let sql = format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE {copies}");
    source.wait_until(DATABASE, &sql, limit)?;
    running.signal(Signal::STOP)?;
    sides.renew(source, "second")?;
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {copies}");
    ensure!(!source.sql(DATABASE, &sql)?.is_empty(), "no COPY was ended");
    running.go_on()?;
    let slots = "SELECT count(*) FROM pg_replication_slots";
    ensure!(source.value(DATABASE, slots)? == "1");
    let interrupted = running.wait(limit)?.expect(6)?;
    for out in [interrupted, run(sides.setup(), 3)?] {
        for part in ["\"source\"", "28P01", "expires"] {
            ensure!(
                format!("{}{}", out.stdout, out.stderr).contains(part),
                "{part}: {out:?}"
            );
        }
    }
    sides.keep("second")?;
    run(sides.setup(), 0)?;
    let status = sides.tool(env!("CARGO_BIN_EXE_pgl-status"));
    run(
        status.args(["--wait-for", "caught-up", "--timeout", "60s"]),
        0,
    )?;
    let rows = "SELECT md5(string_agg(v, '' ORDER BY id)) FROM large";
    ensure!(source.value(DATABASE, rows)? == target.value(DATABASE, rows)?);
    Ok(())
}

/// The worker goes on with the connection that it has, and cannot open another one.
#[test]
fn a_stored_token_that_has_expired() -> Result<()> {
    let sides = Sides::start()?;
    let (source, target) = (&sides.pair.source, &sides.pair.target);
    let provider = |of: &str| {
        let token = token(of);
        let root = target.server().inside(&target.data_dir().join("ca.crt"));
        let root = root.display().to_string();
        Sides::dsn(
            source,
            &[
                ("sslmode", "verify-full"),
                ("sslrootcert", &*root),
                ("password", &*token),
            ],
        )
    };
    run(sides.setup().env("PGL_PROVIDER_DSN", provider("first")), 0)?;
    let status = || sides.tool(env!("CARGO_BIN_EXE_pgl-status"));
    let caught_up = ["--wait-for", "caught-up", "--timeout", "60s"];
    run(status().args(caught_up), 0)?;
    sides.renew(source, "second")?;
    sides.keep("second")?;
    source.sql(
        DATABASE,
        "INSERT INTO t (v) VALUES ('on the same connection')",
    )?;
    run(status().args(caught_up), 0)?;
    source.sql(
        DATABASE,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_replication",
    )?;
    let until = std::time::Instant::now() + Duration::from_secs(60);
    let remedy = loop {
        let out = status().args(["--format", "json"]).run()?;
        ensure!(!format!("{out:?}").contains(CANARY), "{out:?}");
        let document = out.document()?;
        let causes = document["causes"].as_array().cloned().unwrap_or_default();
        if let Some(found) = causes.iter().find(|one| one["id"] == "link.password") {
            ensure!(causes.len() == 1, "{document:#}");
            break found["remedy"].as_str().unwrap_or_default().to_owned();
        }
        ensure!(std::time::Instant::now() < until, "{document:#}");
        std::thread::sleep(Duration::from_millis(500));
    };
    // What it says is enough.
    let (_, sql) = remedy.rsplit_once("on the target: ").unwrap_or_default();
    let dsn = provider("second").replace('\'', "''");
    target.sql(
        DATABASE,
        &sql.replace("INTERFACE", "renewed")
            .replace("'DSN'", &format!("'{dsn}'")),
    )?;
    source.sql(DATABASE, "INSERT INTO t (v) VALUES ('on another one')")?;
    run(status().args(caught_up), 0)?;
    for program in [
        env!("CARGO_BIN_EXE_pgl-cutover"),
        env!("CARGO_BIN_EXE_pgl-teardown"),
    ] {
        run(sides.tool(program).arg("--yes"), 0)?;
    }
    let rows = "SELECT count(*) FROM t WHERE v ~ '^on '";
    ensure!(target.value(DATABASE, rows)? == "2");
    Ok(())
}
