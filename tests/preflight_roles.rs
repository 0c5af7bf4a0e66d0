//! The fixes for roles and functions do what they say, and break nothing.

use anyhow::{Context, Result, ensure};
use pgl_testkit::{Cluster, Pair, Tool};
use serde_json::Value;

const PREFLIGHT: &str = env!("CARGO_BIN_EXE_pgl-preflight");

fn preflight(pair: &Pair, args: &[&str]) -> Result<String> {
    let outcome = Tool::new(PREFLIGHT)
        .args(args)
        .envs(pair.env("shop"))
        .run()?;
    ensure!(matches!(outcome.code(), Some(0 | 1)), "{outcome:?}");
    Ok(outcome.stdout)
}

fn found(pair: &Pair, id: &str) -> Result<Vec<Value>> {
    let text = preflight(pair, &["--format", "json", "--only", id])?;
    let mut document: Value = serde_json::from_str(&text)?;
    serde_json::from_value(document["findings"].take()).context("findings")
}

/// A role with its settings and memberships, as far as the server has options.
fn role(cluster: &Cluster, name: &str) -> Result<String> {
    let options = if cluster.major() >= 16 {
        "m.admin_option, m.inherit_option, m.set_option"
    } else {
        "m.admin_option, r.rolinherit, true"
    };
    cluster.value(
        "postgres",
        &format!(
            "SELECT row(r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, \
                        r.rolbypassrls, shobj_description(r.oid, 'pg_authid'), r.rolconnlimit, r.rolvaliduntil AT TIME ZONE 'UTC', r.rolconfig, \
                        ARRAY(SELECT row(g.rolname, {options})::text FROM pg_auth_members m \
                              JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1))::text \
               FROM pg_roles r WHERE r.rolname = '{name}'"
        ),
    )
}

#[test]
fn roles_are_created_as_they_are_and_compared_where_they_exist() -> Result<()> {
    for (from, to) in [(13, 17), (17, 18)] {
        let pair = Pair::start(from, to)?;
        pair.createdb("shop")?;
        let options = if from >= 16 {
            "ADMIN TRUE, INHERIT FALSE, SET TRUE"
        } else {
            "ADMIN OPTION"
        };
        pair.source.sql(
            "shop",
            &format!(
                "CREATE ROLE zz_staff; CREATE ROLE aa_heads CREATEDB IN ROLE zz_staff;
                 CREATE ROLE app1 LOGIN PASSWORD 'canary-of-app1' CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06+00';
                 ALTER ROLE app1 SET search_path = shop, \"$user\"; ALTER ROLE app1 SET statement_timeout = '5min';
                 GRANT aa_heads TO app1 WITH {options}; COMMENT ON ROLE app1 IS 'it''s the application';
                 CREATE TABLE owned (id int PRIMARY KEY); ALTER TABLE owned OWNER TO app1"
            ),
        )?;
        if from >= 15 {
            pair.source.sql(
                "shop",
                "GRANT SET ON PARAMETER log_min_duration_statement, app.key TO app1 WITH GRANT OPTION; GRANT ALTER SYSTEM ON PARAMETER work_mem TO PUBLIC",
            )?;
            ensure!(found(&pair, "role.parameter_grants")?.len() == 3);
        }
        let script = preflight(&pair, &["--fix-sql", "target", "--only", "role"])?;
        ensure!(!script.contains("canary"), "a password is in the script");
        ensure!(script.contains("\\password \"app1\""), "{script}");
        pair.target
            .client("shop")?
            .batch_execute(&script)
            .context(script)?;
        for name in ["zz_staff", "aa_heads", "app1"] {
            ensure!(
                role(&pair.source, name)? == role(&pair.target, name)?,
                "{name} differs"
            );
        }
        for id in [
            "role.missing_on_target",
            "role.differs",
            "role.parameter_grants",
        ] {
            ensure!(found(&pair, id)?.is_empty(), "{id}");
        }

        let open = found(&pair, "role.password_missing")?;
        ensure!(open.len() == 1 && open[0]["object"] == "app1", "{open:#?}");
        pair.target
            .sql("shop", "ALTER ROLE app1 PASSWORD 'canary-of-app1'")?;
        ensure!(found(&pair, "role.password_missing")?.is_empty());

        // A role that exists and differs is a finding, and pgl-setup says it without changing it.
        pair.target
            .sql("shop", "ALTER ROLE app1 NOLOGIN; REVOKE aa_heads FROM app1")?;
        let differ = found(&pair, "role.differs")?;
        ensure!(differ.len() == 2, "{differ:#?}");
        ensure!(
            differ
                .iter()
                .all(|one| one["severity"] == "warn" && one["object"] == "app1")
        );
        let document = Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
            .args([
                "--roles",
                "copy",
                "--until",
                "target.roles",
                "--format",
                "json",
            ])
            .envs(pair.env("shop"))
            .run()?
            .expect(0)?
            .json()?;
        let steps = document["steps"].as_array().context("steps")?;
        let step = steps
            .iter()
            .find(|one| one["id"] == "target.roles")
            .context("the step")?;
        let said = step.to_string();
        ensure!(
            said.contains("app1 (NOLOGIN, on the source LOGIN; no member of aa_heads"),
            "{step:#}"
        );
        ensure!(
            role(&pair.source, "app1")? != role(&pair.target, "app1")?,
            "it was changed"
        );
        for one in &differ {
            pair.target
                .sql("shop", one["sql"].as_str().context("sql")?)?;
        }
        ensure!(role(&pair.source, "app1")? == role(&pair.target, "app1")?);
    }
    Ok(())
}

#[test]
fn a_missing_role_is_created_by_setup_with_its_options() -> Result<()> {
    let (from, to) = (17, 18);
    let pair = Pair::start(from, to)?;
    pair.createdb("shop")?;
    pair.source.sql(
        "shop",
        "CREATE ROLE heads; CREATE ROLE app1 LOGIN; ALTER ROLE app1 SET search_path = shop, public;
         GRANT heads TO app1 WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;
         CREATE TABLE owned (id int PRIMARY KEY); ALTER TABLE owned OWNER TO app1",
    )?;
    Tool::new(env!("CARGO_BIN_EXE_pgl-setup"))
        .args(["--roles", "copy", "--until", "target.roles"])
        .envs(pair.env("shop"))
        .run()?
        .expect(0)?;
    for name in ["heads", "app1"] {
        ensure!(
            role(&pair.source, name)? == role(&pair.target, name)?,
            "{name} differs"
        );
    }
    Ok(())
}

#[test]
fn a_search_path_is_set_only_where_the_function_goes_on_working() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let pair = Pair::start(from, to)?;
        pair.createdb("shop")?;
        pair.source.sql(
            "shop",
            "CREATE SCHEMA app; ALTER DATABASE shop SET search_path = app, public;
             CREATE TABLE app.codes (code text PRIMARY KEY, v text); INSERT INTO app.codes VALUES ('x', 'seen');
             CREATE FUNCTION app.norm_inner(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';",
        )?;
        pair.source.sql(
            "shop",
            "SET search_path = app, public;
             CREATE FUNCTION app.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT norm_inner($1)';
             CREATE FUNCTION app.coded(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
                 'BEGIN RETURN (SELECT v FROM codes WHERE code = $1); END';
             CREATE FUNCTION app.built(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
                 'DECLARE r text; BEGIN EXECUTE ''SELECT norm_'' || ''inner($1)'' INTO r USING $1; RETURN r; END';
             CREATE TABLE app.indexed (id int PRIMARY KEY, name text);
             CREATE INDEX ON app.indexed (app.norm(name)); CREATE INDEX ON app.indexed (app.coded(name));
             CREATE INDEX ON app.indexed (app.built(name))",
        )?;
        let calls = "SELECT app.norm('X') || app.coded('x') || app.built('Y')";
        ensure!(pair.source.value("shop", calls)? == "xseeny");
        let sql: Vec<_> = found(&pair, "obj.functions_search_path")?
            .into_iter()
            .map(|one| (one["object"].to_string(), one["sql"].clone()))
            .collect();
        let fixed =
            "ALTER FUNCTION app.coded(text) SET search_path = pg_catalog, \"app\", pg_temp;";
        let expected = [
            ("\"app.built(text)\"".to_owned(), Value::Null),
            ("\"app.coded(text)\"".to_owned(), Value::from(fixed)),
            ("\"app.norm(text)\"".to_owned(), Value::Null),
        ];
        ensure!(sql == expected, "{sql:#?}");
        let only = ["--fix-sql", "source", "--only", "obj.functions_search_path"];
        let script = preflight(&pair, &only)?;
        pair.source
            .client("shop")?
            .batch_execute(&script)
            .context(script)?;
        // As the application calls it, and as a restore does.
        ensure!(
            pair.source.value("shop", calls)? == "xseeny",
            "a live function is broken"
        );
        let mut restore = pair.source.client("shop")?;
        restore.batch_execute("SET search_path = ''; SELECT app.coded('x')")?;
    }
    Ok(())
}

/// Once a run, whatever their volatility; not those of a superuser, and not those that run as their owner.
#[test]
fn functions_that_would_run_with_the_rights_of_a_superuser_are_named() -> Result<()> {
    let pair = Pair::start(15, 18)?;
    pair.createdb("shop")?;
    let function = |name: &str, more: &str| {
        format!(
            "CREATE FUNCTION app.{name}(int) RETURNS boolean LANGUAGE sql IMMUTABLE {more} RETURN $1 > 0;"
        )
    };
    let functions = [
        function("in_check", ""),
        function("in_domain", ""),
        function("in_index", ""),
        function("as_owner", "SECURITY DEFINER"),
        function("trusted", ""),
    ];
    pair.source.sql(
        "shop",
        &format!(
            "CREATE ROLE dev; CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO dev; SET ROLE dev; {}
             CREATE FUNCTION app.compared(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 > $2;
             CREATE OPERATOR app.>>> (LEFTARG = int, RIGHTARG = int, FUNCTION = app.compared);
             CREATE DOMAIN app.d AS int CHECK (app.in_domain(VALUE));
             CREATE TABLE app.t (id int PRIMARY KEY CHECK (app.in_check(id)), d app.d CHECK (app.as_owner(d)),
                 o int CHECK (o OPERATOR(app.>>>) 0) CHECK (app.trusted(o)));
             CREATE INDEX ON app.t (app.in_index(id)); RESET ROLE; ALTER FUNCTION app.trusted(int) OWNER TO postgres",
            functions.concat()
        ),
    )?;
    let found = found(&pair, "obj.functions_rights")?;
    let [one] = found.as_slice() else {
        anyhow::bail!("{found:#?}");
    };
    let text = one["what"].as_str().unwrap_or_default();
    let expected = "app.compared(integer, integer) (owner dev), app.in_check(integer) (owner dev), \
         app.in_domain(integer) (owner dev), app.in_index(integer) (owner dev)";
    ensure!(text.ends_with(expected), "{text}");
    Ok(())
}

#[test]
fn roles_that_may_call_pglogicals_functions_are_reported() -> Result<()> {
    for (from, to) in [(13, 17), (15, 18)] {
        let pair = Pair::start(from, to)?;
        pair.createdb("shop")?;
        pair.source.sql(
            "shop",
            "CREATE EXTENSION pglogical; CREATE ROLE app1 LOGIN; CREATE TABLE t (id int PRIMARY KEY);
             GRANT TRUNCATE ON t TO app1; SELECT pglogical.create_node('n', 'dbname=shop');
             SELECT pglogical.replication_set_add_table('default', 't')",
        )?;
        ensure!(found(&pair, "role.pglogical_functions")?.is_empty());
        let may = "SELECT has_function_privilege('app1', 'pglogical.drop_node(name, boolean)', 'EXECUTE')::text";
        // The fix for TRUNCATE does not open the functions.
        let rights = found(&pair, "role.truncate_rights")?;
        let sql = rights
            .iter()
            .find(|one| one["object"] == "app1")
            .context("app1")?;
        pair.source
            .sql("shop", sql["sql"].as_str().context("sql")?)?;
        ensure!(pair.source.value("shop", may)? == "false");
        pair.source
            .client_as("app1", "shop")?
            .batch_execute("TRUNCATE t")?;
        ensure!(found(&pair, "role.pglogical_functions")?.is_empty());
        // Where they are open, it is found and fixed.
        pair.source.sql(
            "shop",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pglogical TO PUBLIC",
        )?;
        let open = found(&pair, "role.pglogical_functions")?;
        ensure!(open.len() == 1 && open[0]["object"] == "app1", "{open:#?}");
        pair.source
            .sql("shop", open[0]["sql"].as_str().context("sql")?)?;
        ensure!(pair.source.value("shop", may)? == "false");
        pair.source
            .client_as("app1", "shop")?
            .batch_execute("TRUNCATE t")?;
        ensure!(found(&pair, "role.pglogical_functions")?.is_empty());
    }
    Ok(())
}
