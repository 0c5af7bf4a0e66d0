//! What a database has beside what is in it: owner, privileges, connection limit, comments, settings.

use anyhow::{Result, ensure};
use pgl_testkit::{Cluster, PairDb, shared_pair};

use super::support::{PAIRS, cutover, settings_of, setup};

fn properties(cluster: &Cluster, db: &PairDb) -> Result<Vec<Vec<Option<String>>>> {
    cluster.sql(
        db.name(),
        "SELECT datdba::regrole::text, datconnlimit, shobj_description(d.oid, 'pg_database'),
                (SELECT string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
                   FROM aclexplode(datacl) a), (SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'hstore')
           FROM pg_database d WHERE datname = current_database()",
    )
}

/// A database with its own of everything, its roles on both sides.
fn replicating(source: u16, target: u16) -> Result<(PairDb, String, String)> {
    let db = shared_pair(source, target)?.database("props")?;
    let (owner, app, name) = (db.role("owner"), db.role("app"), db.name());
    for cluster in [db.source(), db.target()] {
        cluster.sql(
            db.name(),
            &format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {app} LOGIN"),
        )?;
    }
    db.on_source(&format!(
        "ALTER DATABASE {name} OWNER TO {owner}; ALTER DATABASE {name} CONNECTION LIMIT 90;
         REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {app} WITH GRANT OPTION;
         COMMENT ON DATABASE {name} IS 'it''s the shop';
         ALTER DATABASE {name} SET search_path = shop, public; ALTER DATABASE {name} SET \"shop.key\" = 'secret';
         ALTER ROLE {app} IN DATABASE {name} SET work_mem = '7MB'; ALTER DATABASE {name} SET array_nulls = off;
         ALTER ROLE {app} IN DATABASE {name} SET default_transaction_read_only = on; ALTER ROLE {owner} IN DATABASE {name} SET search_path = '';
         CREATE EXTENSION hstore; COMMENT ON EXTENSION hstore IS 'ours';
         CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)"
    ))?;
    Ok((db, owner, app))
}

#[test]
fn the_database_has_its_own_owner_privileges_and_settings() -> Result<()> {
    for (source, target) in PAIRS {
        let (db, owner, app) = replicating(source, target)?;
        let name = db.name();
        setup(&db).run()?.expect(0)?;
        let (there, here) = (properties(db.source(), &db)?, properties(db.target(), &db)?);
        ensure!(there == here, "{there:?}\n{here:?}");
        ensure!(here[0][0].as_deref() == Some(owner.as_str()), "{here:?}");
        // Settings would be the apply worker's, too.
        ensure!(settings_of(db.target(), &db)?.is_empty());
        let again = setup(&db)
            .args(["--step", "target.properties"])
            .run()?
            .expect(0)?;
        ensure!(again.stdout.contains("nothing to give"), "{again:?}");
        // What comes after the setup; what somebody has decided for the target; what its server does not know.
        db.on_source(&format!(
            "ALTER DATABASE {name} SET statement_timeout = '5min'; ALTER ROLE {app} IN DATABASE {name} SET lock_timeout = '3s'"
        ))?;
        db.on_target(&format!(
            "ALTER ROLE {app} IN DATABASE {name} SET work_mem = '9MB'; ALTER DATABASE {name} CONNECTION LIMIT 80;
             ALTER ROLE {app} IN DATABASE {name} SET idle_in_transaction_session_timeout = '1min'"
        ))?;
        let new = db.role("a_new");
        db.on_source(&format!(
            "ALTER ROLE {app} CREATEDB PASSWORD 's3cret'; COMMENT ON ROLE {app} IS 'changed';
             ALTER ROLE {app} SET lock_timeout = '4s'; CREATE ROLE {new} LOGIN"
        ))?;
        let dry = cutover(&db).arg("--dry-run").run()?.expect(0)?;
        let roles = format!("role {app} on the target: NOCREATEDB, on the source CREATEDB");
        let without = format!("role {app} has no password on the target");
        let comment = format!("role {app} on the target: another comment than on the source");
        let setting = format!("role {app}: lock_timeout = 4s is not on the target");
        let stays = format!(
            "stays so: connection limit 80 (on the source 90), setting work_mem of role {app}, \
             setting idle_in_transaction_session_timeout of role {app}, which the source does not have"
        );
        for wanted in [
            "SET \\\"search_path\\\" TO 'shop', 'public';",
            "-- setting shop.key; its value is not shown",
            "SET \\\"lock_timeout\\\" TO '3s';",
            &stays,
            &roles,
            &without,
            &comment,
            &setting,
            &new,
        ] {
            ensure!(dry.stdout.contains(wanted), "{wanted}: {}", dry.stdout);
        }
        ensure!(
            !dry.stdout.contains("secret") && !dry.stderr.contains("secret"),
            "{dry:?}"
        );
        ensure!(settings_of(db.target(), &db)?.len() == 1);
        // An attempt that is rolled back leaves none of them to the apply worker.
        cutover(&db)
            .args(["--yes", "--hook-blocked", "false"])
            .run()?
            .expect(3)?;
        let left = format!("{:?}", settings_of(db.target(), &db)?);
        ensure!(
            !left.contains("array_nulls") && !left.contains("shop"),
            "{left}"
        );
        let done = cutover(&db).arg("--yes").run()?.expect(0)?;
        ensure!(done.stdout.contains(&stays), "{}", done.stdout);
        ensure!(!done.stdout.contains("secret") && !done.stderr.contains("secret"));
        let settings = |cluster: &Cluster, role: &str| {
            cluster.value(
                db.name(),
                &format!(
                    "SELECT string_agg(e, ' ' ORDER BY e) FROM pg_db_role_setting, unnest(setconfig) e
                      WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND setrole = {role} AND (setrole <> 0 OR e NOT LIKE 'default_transaction_read_only%')"
                ),
            )
        };
        ensure!(settings(db.source(), "0")? == settings(db.target(), "0")?);
        ensure!(settings(db.target(), "0")?.contains("shop.key=secret"));
        let role = |role: &str| settings(db.target(), &format!("'{role}'::regrole"));
        let all = "default_transaction_read_only=on idle_in_transaction_session_timeout=1min lock_timeout=3s work_mem=9MB";
        ensure!(role(&app)? == all);
        ensure!(role(&owner)? == "search_path=\"\"", "{}", role(&owner)?);
    }
    Ok(())
}

/// Settings that the target's version has no more, or that would keep everybody out, are named, and nothing else is lost by them.
/// One that an ordinary role has made SQL of is no SQL.
#[test]
fn what_the_target_refuses_is_named() -> Result<()> {
    let (db, _, app) = replicating(13, 17)?;
    let name = db.name();
    db.on_source(&format!(
        "ALTER DATABASE {name} SET vacuum_cleanup_index_scale_factor = 0.2;
         ALTER DATABASE {name} SET session_preload_libraries = 'adminpack'"
    ))?;
    let mut client = db.source().client_as(&app, name)?;
    client.batch_execute("SET default_transaction_read_only = off")?;
    client.batch_execute(&format!(
        "SELECT set_config('search_path', 'public;CREATE/**/ROLE/**/{app}_2', false);
         ALTER ROLE {app} IN DATABASE {name} SET search_path FROM CURRENT"
    ))?;
    setup(&db).run()?.expect(0)?;
    let done = cutover(&db).arg("--yes").run()?.expect(0)?;
    for wanted in [
        "not setting vacuum_cleanup_index_scale_factor (unrecognized configuration parameter",
        "no setting session_preload_libraries, which keeps everybody out",
    ] {
        ensure!(done.stdout.contains(wanted), "{}", done.stdout);
    }
    let made = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{app}_2'");
    ensure!(db.target().value(name, &made)? == "0");
    let path = db.target().value(
        db.name(),
        "SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%search_path%' AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )?;
    ensure!(path == "3", "{path}");
    Ok(())
}
