//! No password comes out of a tool: every tool, every way to give a password, every kind of end,
//! every format, most talkative. Whatever is written anywhere must not hold the canary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use pgl_testkit::{Cluster, ClusterOptions, Outcome, Pair, Tool};
use tempfile::TempDir;

use crate::common::{self, Documented, PLAN, Program};

/// What is looked for. It needs no escaping, so that it stands in every spelling of the password.
const CANARY: &str = "c4n4ry7f31";
/// The password: what conninfo strings, URIs and passfiles have to escape, around the canary.
const PASSWORD: &str = r"a b'c4n4ry7f31\@/:?%é";
const DATABASE: &str = "canary";
const HBA: &str = "host all postgres 127.0.0.1/32 trust\n\
                   host all all 127.0.0.1/32 scram-sha-256\n";

/// One way to give a password: arguments and environment.
struct Way {
    label: &'static str,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
}

/// Where the two databases are, and as whom.
#[derive(Clone, Copy)]
struct Place {
    source: u16,
    target: u16,
    role: &'static str,
}

impl Place {
    fn plain(self, port: u16) -> String {
        format!(
            "host=127.0.0.1 port={port} user={} dbname={DATABASE} connect_timeout=5",
            self.role
        )
    }

    fn conninfo(self, port: u16) -> String {
        let escaped = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        format!("{} password='{escaped}'", self.plain(port))
    }

    fn uri(self, port: u16) -> String {
        format!(
            "postgresql://{}:{}@127.0.0.1:{port}/{DATABASE}",
            self.role,
            percent(PASSWORD)
        )
    }

    fn query(self, port: u16) -> String {
        let (role, password) = (self.role, percent(PASSWORD));
        format!("postgresql://127.0.0.1:{port}/{DATABASE}?user={role}&password={password}")
    }

    fn flags(self, label: &'static str, text: impl Fn(Self, u16) -> String) -> Way {
        let args = [
            "--source".into(),
            text(self, self.source),
            "--target".into(),
            text(self, self.target),
        ];
        Way {
            label,
            args: args.into(),
            env: Vec::new(),
        }
    }

    fn variables(self, label: &'static str, text: impl Fn(Self, u16) -> String) -> Way {
        let env = vec![
            ("PGL_SOURCE", text(self, self.source)),
            ("PGL_TARGET", text(self, self.target)),
        ];
        Way {
            label,
            args: Vec::new(),
            env,
        }
    }

    /// Every way there is. The files are written to `home`.
    fn ways(self, home: &Path) -> Result<Vec<Way>> {
        let passfile = home.join(PASSFILE);
        let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
        fs::write(
            &passfile,
            format!("127.0.0.1:*:*:{}:{escaped}\n", self.role),
        )?;
        fs::set_permissions(&passfile, fs::Permissions::from_mode(0o600))?;
        let services = home.join(SERVICES);
        let service = |name: &str, port: u16| {
            let role = self.role;
            format!(
                "[{name}]\nhost=127.0.0.1\nport={port}\nuser={role}\ndbname={DATABASE}\npassword={PASSWORD}\n"
            )
        };
        fs::write(
            &services,
            service("old", self.source) + &service("new", self.target),
        )?;
        let with = |mut way: Way, name, value: String| {
            way.env.push((name, value));
            way
        };
        let named = |_: Self, port| {
            if port == self.source {
                "service=old"
            } else {
                "service=new"
            }
            .to_owned()
        };
        Ok(vec![
            self.flags("conninfo in a flag", Self::conninfo),
            self.flags("URI in a flag", Self::uri),
            self.flags("URI query in a flag", Self::query),
            self.variables("conninfo in a variable", Self::conninfo),
            self.variables("URI in a variable", Self::uri),
            with(
                self.variables("PGPASSWORD", Self::plain),
                "PGPASSWORD",
                PASSWORD.to_owned(),
            ),
            with(
                self.flags("passfile", Self::plain),
                "PGPASSFILE",
                passfile.display().to_string(),
            ),
            with(
                self.variables("service file", named),
                "PGSERVICEFILE",
                services.display().to_string(),
            ),
        ])
    }
}

const PASSFILE: &str = "passfile";
const SERVICES: &str = "services";

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// A program's arguments for looking, with the plan that it may need.
fn looking<'a>(program: &Program, plan: &'a str) -> Vec<&'a str> {
    program
        .looking
        .iter()
        .map(|arg| if *arg == PLAN { plan } else { arg })
        .collect()
}

/// Runs a tool and fails when the canary is in anything that it wrote.
fn run(program: &Program, way: &Way, more: &[&str], home: &Path) -> Result<Outcome> {
    let outcome = Tool::new(program.path)
        .args(more)
        .args(&way.args)
        .env("HOME", home)
        .env("TMPDIR", home)
        .envs(way.env.iter().map(|(name, value)| (*name, value)))
        .run()?;
    let said = format!("{} {more:?}, {}", program.name, way.label);
    for (stream, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if let Some(line) = text.lines().find(|line| line.contains(CANARY)) {
            bail!("{said}: the password is on {stream}: {line}");
        }
    }
    no_file_holds_it(home).context(said)?;
    Ok(outcome)
}

fn no_file_holds_it(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            no_file_holds_it(&path)?;
        } else if !path.ends_with(PASSFILE) && !path.ends_with(SERVICES) && !path.is_symlink() {
            let content = fs::read(&path)?;
            if content
                .windows(CANARY.len())
                .any(|part| part == CANARY.as_bytes())
            {
                bail!("the password is in {}", path.display());
            }
        }
    }
    Ok(())
}

/// Two servers that ask `canary` (a superuser) and `stranger` for passwords; only the first one's
/// is ours.
fn servers() -> Result<Pair> {
    let options = || ClusterOptions::new().hba(HBA).set("log_connections", "on");
    let pair = Pair::start_with(15, options(), 18, options())?;
    pair.createdb(DATABASE)?;
    for side in [&pair.source, &pair.target] {
        let quoted = PASSWORD.replace('\'', "''");
        side.sql(
            DATABASE,
            &format!("CREATE ROLE canary SUPERUSER LOGIN PASSWORD '{quoted}'"),
        )?;
        side.sql(
            DATABASE,
            "CREATE ROLE stranger LOGIN PASSWORD 'something else'",
        )?;
        side.sql(DATABASE, "CREATE EXTENSION pglogical")?;
    }
    pair.source
        .sql(DATABASE, "CREATE TABLE t (id serial PRIMARY KEY, v text)")?;
    Ok(pair)
}

/// The plan for `servers`, made without a password.
fn plan(pair: &Pair, home: &Path) -> Result<String> {
    let outcome = Tool::new(env!("CARGO_BIN_EXE_pgl-preflight"))
        .envs(pair.env(DATABASE))
        .args(["--format", "json"])
        .run()?
        .expect(0)?;
    let path = home.join("plan.json");
    fs::write(&path, outcome.stdout)?;
    Ok(path.display().to_string())
}

/// A plan for servers that are not there: enough to get as far as the connection.
fn any_plan(home: &Path) -> Result<String> {
    let database = serde_json::json!({
        "system_identifier": "1", "database": DATABASE, "server_version": 150_000
    });
    let document = serde_json::json!({
        "schema": "pgl.preflight/1", "tool": "pgl-preflight", "version": "0", "verdict": "ok",
        "migration": {"name": DATABASE, "source": database, "target": database},
        "plan": {
            "names": pgl_core::migration::Names::of(DATABASE),
            "selection": {}, "tables": [], "sequences": [], "manual_steps": []
        }
    });
    let path = home.join("plan.json");
    fs::write(&path, document.to_string())?;
    Ok(path.display().to_string())
}

fn place(pair: &Pair, role: &'static str) -> Place {
    Place {
        source: pair.source.port(),
        target: pair.target.port(),
        role,
    }
}

fn logins(cluster: &Cluster) -> Result<usize> {
    Ok(cluster
        .log()?
        .matches("connection authorized: user=canary")
        .count())
}

#[test]
fn the_right_password_is_used_and_never_shown() -> Result<()> {
    let (pair, home) = (servers()?, TempDir::new()?);
    let plan = plan(&pair, home.path())?;
    let formats = ["json", "text", "ndjson", "csv"];
    let turn = AtomicUsize::new(0);
    for way in place(&pair, "canary").ways(home.path())? {
        for program in common::PROGRAMS {
            // Each way in one format, the first way in all of them.
            let first = turn.fetch_add(1, Ordering::Relaxed);
            let count = if way.label == "conninfo in a flag" {
                formats.len()
            } else {
                1
            };
            for format in formats.iter().cycle().skip(first).take(count) {
                let before = logins(&pair.source)?;
                let mut more = looking(program, &plan);
                more.extend(["--format", format, "-vv"]);
                let outcome = run(program, &way, &more, home.path())?;
                let code = outcome.code();
                let ran = code.is_some_and(|code| [0, 1, 3, 4, 5].contains(&code));
                let unauthorised = outcome.stderr.contains("authentication failed");
                let seen = logins(&pair.source)? > before;
                if *format == "json" && !outcome.stdout.is_empty() {
                    outcome.document()?;
                }
                assert!(
                    ran && seen && !unauthorised,
                    "{} {}: {outcome:?}",
                    program.name,
                    way.label
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_wrong_password_is_an_error_that_does_not_show_it() -> Result<()> {
    let (pair, home) = (servers()?, TempDir::new()?);
    let plan = any_plan(home.path())?;
    for way in place(&pair, "stranger").ways(home.path())? {
        for program in common::PROGRAMS {
            for format in ["json", "text"] {
                let mut more = looking(program, &plan);
                more.extend(["--format", format, "-vv"]);
                let outcome = run(program, &way, &more, home.path())?;
                assert_eq!(
                    outcome.code(),
                    Some(3),
                    "{} {}: {outcome:?}",
                    program.name,
                    way.label
                );
                // pgl-status answers on stdout that a server does not let it in; the others fail.
                let said = format!("{}{}", outcome.stdout, outcome.stderr);
                assert!(said.contains("28P01"), "{outcome:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_unreachable_server_is_an_error_that_does_not_show_it() -> Result<()> {
    let home = TempDir::new()?;
    // Nobody listens on a port that was just given back.
    let free = || -> Result<u16> {
        Ok(std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port())
    };
    let nowhere = Place {
        source: free()?,
        target: free()?,
        role: "canary",
    };
    let plan = any_plan(home.path())?;
    for way in nowhere.ways(home.path())? {
        for program in common::PROGRAMS {
            let mut more = looking(program, &plan);
            more.extend(["-vv"]);
            let outcome = run(program, &way, &more, home.path())?;
            assert_eq!(
                outcome.code(),
                Some(3),
                "{} {}: {outcome:?}",
                program.name,
                way.label
            );
        }
    }
    Ok(())
}

#[test]
fn unreadable_input_is_refused_without_repeating_it() -> Result<()> {
    let home = TempDir::new()?;
    let plan = any_plan(home.path())?;
    let bad = [
        format!("host=db password='{CANARY}"),
        format!("host=db password={CANARY} no_such_word=1"),
        format!("host=db {CANARY}"),
        format!("host=db password={CANARY} port=nowhere"),
        format!("host=db password={CANARY} sslmode=perhaps"),
        format!("host=db password={CANARY} require_auth=none"),
        format!("host=db sslpassword={CANARY} connect_timeout=x"),
        format!("postgresql://u:{CANARY}@db:port/x"),
        format!("postgresql://u:{CANARY}%zz@db/x"),
        format!("postgresql://u:{CANARY}@[::1/x"),
        format!("postgresql://db/x?password={CANARY}&nope=1"),
        format!("service=nowhere password={CANARY}"),
    ];
    for program in common::PROGRAMS {
        for text in &bad {
            let flags = Way {
                label: "bad text in a flag",
                args: vec![
                    "--source".into(),
                    text.clone(),
                    "--target".into(),
                    text.clone(),
                ],
                env: Vec::new(),
            };
            let variables = Way {
                label: "bad text in a variable",
                args: Vec::new(),
                env: vec![("PGL_SOURCE", text.clone()), ("PGL_TARGET", text.clone())],
            };
            for way in [flags, variables] {
                let mut more = looking(program, &plan);
                more.extend(["-vv"]);
                let outcome = run(program, &way, &more, home.path())?;
                assert_eq!(
                    outcome.code(),
                    Some(2),
                    "{}: {text}: {outcome:?}",
                    program.name
                );
            }
        }
    }
    Ok(())
}

#[test]
fn help_and_slips_on_the_command_line_do_not_show_it() -> Result<()> {
    let home = TempDir::new()?;
    let dsn = format!("host=db password={CANARY}");
    let uri = format!("postgresql://u:{CANARY}@db/x");
    let env: Vec<(&'static str, String)> =
        ["PGL_SOURCE", "PGL_TARGET", "PGL_PROVIDER_DSN", "PGPASSWORD"]
            .map(|name| (name, dsn.clone()))
            .into();
    let way = Way {
        label: "a slip",
        args: Vec::new(),
        env,
    };
    let with_equals = format!("--sorce={dsn}");
    for program in common::PROGRAMS {
        for (code, args) in [
            (0, vec!["--help"]),
            (0, vec!["-h"]),
            (0, vec!["--version"]),
            // The connection string without its flag, behind a misspelt one, behind another one.
            (2, vec![&dsn]),
            (2, vec![&uri]),
            (2, vec!["--sorce", &dsn]),
            (2, vec![&with_equals]),
            (2, vec!["--format", &dsn]),
            (2, vec!["--format", &uri]),
            (2, vec!["--source", &dsn, "--source", &dsn]),
        ] {
            let outcome = run(program, &way, &args, home.path())?;
            assert_eq!(
                outcome.code(),
                Some(code),
                "{} {args:?}: {outcome:?}",
                program.name
            );
        }
    }
    Ok(())
}

/// Client programs that note how they were called, in front of the real ones.
fn noting(programs: &Path, home: &Path) -> Result<String> {
    let folder = home.join("bin");
    fs::create_dir_all(&folder)?;
    for name in ["pg_dump", "psql"] {
        let real = programs.join(name);
        let script = format!(
            "#!/bin/sh\nset -eu\ntr '\\0' ' ' </proc/$$/cmdline >>'{0}'\necho >>'{0}'\nexec '{1}' \"$@\"\n",
            home.join("called").display(),
            real.display()
        );
        let path = folder.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder.display().to_string())
}

#[test]
fn a_whole_setup_shows_it_to_nobody() -> Result<()> {
    let (pair, home) = (servers()?, TempDir::new()?);
    let place = place(&pair, "canary");
    for side in [&pair.source, &pair.target] {
        side.configure(&[
            ("log_statement", "all"),
            ("log_min_duration_statement", "0"),
        ])?;
        side.reload()?;
    }
    let marks = (pair.source.log_mark()?, pair.target.log_mark()?);
    let programs = noting(&pair.target.server().client_dir()?, home.path())?;
    let plan = plan(&pair, home.path())?;
    let ways = place.ways(home.path())?;
    let mut way = ways
        .into_iter()
        .find(|way| way.label == "service file")
        .context("no such way")?;
    way.env
        .push(("PGL_PROVIDER_DSN", place.conninfo(place.source)));
    way.env
        .push(("PGL_SUBSCRIBER_DSN", place.conninfo(place.target)));
    let setup = common::PROGRAMS
        .iter()
        .find(|program| program.name == "pgl-setup")
        .context("no pgl-setup")?;
    let more = [
        "-vv",
        "--format",
        "json",
        "--plan",
        &plan,
        "--pg-bindir",
        &programs,
    ];
    let outcome = run(setup, &way, &more, home.path())?.expect(0)?;
    outcome.document()?;
    let called = fs::read_to_string(home.path().join("called"))?;
    assert!(called.contains("pg_dump"), "{called}");
    let logs = [
        pair.source.log_since(marks.0)?,
        pair.target.log_since(marks.1)?,
    ];
    for log in logs {
        assert!(log.contains("LOG:  execute"), "statements are logged");
        if let Some(line) = log.lines().find(|line| line.contains(CANARY)) {
            bail!("the password is in a server's log: {line}");
        }
    }
    Ok(())
}
