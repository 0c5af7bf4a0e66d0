//! What goes wrong in an open session: killed connections, timeouts, cancelling, COPY cut short.

use std::io::{BufRead, Read, Write};
use std::time::{Duration, Instant};

use pgl_conn::{Access, Begin, Error, Kind, Session, SessionOptions};
use pgl_core::Side;
use pgl_testkit::{Cluster, ClusterOptions};

use super::support::{Around, without_tls};

fn session(options: &SessionOptions) -> Session {
    session_on(without_tls(), options)
}

fn session_on(cluster: &Cluster, options: &SessionOptions) -> Session {
    let dsn = cluster.dsn("postgres");
    let endpoint = pgl_conn::Endpoint::resolve(
        Side::Target,
        Some(std::ffi::OsStr::new(&dsn)),
        &Around::nothing().environment(),
    )
    .expect("resolved");
    Session::connect(&endpoint, options).expect("connected")
}

fn writer() -> Session {
    session(&SessionOptions::new("test", Access::ReadWrite))
}

/// Ends the session's server process from elsewhere, after a while.
fn kill_soon(pid: i32) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        without_tls()
            .sql("postgres", &format!("SELECT pg_terminate_backend({pid})"))
            .expect("terminated");
    })
}

/// The driver drops the server's last words when the end of the stream comes with them.
fn reason_or_none(error: &Error) {
    assert!(
        matches!(error.sqlstate.as_deref(), None | Some("57P01")),
        "{error:?}"
    );
}

#[test]
fn killed_while_it_runs() {
    let mut session = writer();
    let killer = kill_soon(session.backend_pid());
    let error = session
        .query("SELECT pg_sleep(30)", &[])
        .expect_err("killed");
    killer.join().expect("joined");
    assert!(error.is_lost() && error.is_transient(), "{error:?}");
    reason_or_none(&error);
    assert!(
        error
            .to_string()
            .starts_with("target: connection to 127.0.0.1:"),
        "{error}"
    );
    assert!(session.is_closed());
    assert!(
        session
            .query("SELECT 1", &[])
            .expect_err("closed")
            .is_lost()
    );
}

#[test]
fn killed_while_idle() {
    let mut session = writer();
    kill_soon(session.backend_pid()).join().expect("joined");
    std::thread::sleep(Duration::from_millis(100));
    let error = session.execute("SELECT 1", &[]).expect_err("killed");
    assert!(error.is_lost(), "{error:?}");
    assert!(session.ping().expect_err("closed").is_lost());
}

#[test]
fn the_server_dies() {
    for idle in [true, false] {
        let mut cluster = Cluster::start(15, ClusterOptions::new()).expect("a cluster");
        let mut session = session_on(&cluster, &SessionOptions::new("test", Access::ReadWrite));
        if idle {
            cluster.kill9().expect("killed");
            let error = session.query("SELECT 1", &[]).expect_err("dead");
            assert!(error.is_lost(), "{error:?}");
        } else {
            let error = std::thread::scope(|scope| {
                let running = scope.spawn(|| session.query("SELECT pg_sleep(30)", &[]).map(|_| ()));
                std::thread::sleep(Duration::from_millis(200));
                cluster
                    .stop(pgl_testkit::Shutdown::Immediate)
                    .expect("stopped");
                running.join().expect("joined").expect_err("dead")
            });
            assert!(error.is_lost(), "{error:?}");
        }
    }
}

#[test]
fn killed_in_the_middle_of_a_copy() {
    let mut session = writer();
    let killer = kill_soon(session.backend_pid());
    let mut reader = session
        .copy_out("COPY (SELECT pg_sleep(0.01), repeat('x', 1000) FROM generate_series(1, 3000)) TO STDOUT")
        .expect("started");
    let error = std::io::copy(&mut reader, &mut std::io::sink()).expect_err("killed");
    drop(reader);
    killer.join().expect("joined");
    let error = Error::from_io(Side::Target, error);
    assert!(error.is_lost(), "{error:?}");
    reason_or_none(&error);

    let mut session = writer();
    session
        .batch("CREATE TEMP TABLE lost (v text)")
        .expect("made");
    let killer = kill_soon(session.backend_pid());
    let mut writer = session.copy_in("COPY lost FROM STDIN").expect("started");
    let line = [b"x".repeat(1000), b"\n".to_vec()].concat();
    let start = Instant::now();
    let error = loop {
        if let Err(error) = writer.write_all(&line) {
            break Error::from_io(Side::Target, error);
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "the loss was never noticed"
        );
        std::thread::sleep(Duration::from_micros(50));
    };
    killer.join().expect("joined");
    assert!(error.is_lost(), "{error:?}");
}

#[test]
fn cancelled() {
    let mut session = writer();
    let handle = session.cancel_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        handle.cancel()
    });
    let start = Instant::now();
    let error = session
        .query("SELECT pg_sleep(30)", &[])
        .expect_err("cancelled");
    thread.join().expect("joined").expect("delivered");
    assert_eq!(error.kind, Kind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(25));
    assert!(!session.is_closed());
    assert_eq!(
        session
            .query_one("SELECT 1", &[])
            .expect("usable")
            .get::<_, i32>(0),
        1
    );
}

#[test]
fn limits_are_told_from_requests() {
    let options = SessionOptions::new("test", Access::ReadWrite)
        .statement_timeout(Duration::from_millis(200))
        .lock_timeout(Duration::from_millis(50));
    let mut limited = session(&options);
    let error = limited
        .query("SELECT pg_sleep(30)", &[])
        .expect_err("too long");
    assert_eq!(error.kind, Kind::Timeout, "{error}");
    let mut other = writer();
    other
        .batch("DROP TABLE IF EXISTS public.locked; CREATE TABLE public.locked (a int)")
        .expect("made");
    other.batch("BEGIN; LOCK public.locked").expect("locked");
    let error = limited
        .batch("SELECT * FROM public.locked")
        .expect_err("locked");
    assert_eq!(error.kind, Kind::LockTimeout, "{error}");
    assert!(error.is_transient());
    other.rollback().expect("rolled back");
    // A request counts as one also where there is a limit.
    let mut session = session(&options.clone().statement_timeout(Duration::from_secs(20)));
    let handle = session.cancel_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        handle.cancel()
    });
    let error = session
        .query("SELECT pg_sleep(30)", &[])
        .expect_err("cancelled");
    thread.join().expect("joined").expect("delivered");
    assert_eq!(error.kind, Kind::Cancelled, "{error}");
}

#[test]
fn a_copy_given_up_early_does_not_hold_the_session() {
    let mut session = writer();
    let start = Instant::now();
    let mut reader = session
        .copy_out("COPY (SELECT pg_sleep(0.001) FROM generate_series(1, 1000000)) TO STDOUT")
        .expect("started");
    assert!(!reader.fill_buf().expect("rows").is_empty());
    drop(reader);
    assert_eq!(
        session
            .query_one("SELECT 1", &[])
            .expect("usable")
            .get::<_, i32>(0),
        1
    );
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    // Nor do rows that are not wanted any more, and the reason is given back.
    let stop = || Error::new(Side::Target, Kind::Protocol, "enough");
    // What ends one statement does not reach the next.
    for _ in 0..10 {
        let error = session
            .for_each(
                "SELECT pg_sleep(0.001) FROM generate_series(1, 1000000)",
                &[],
                |_| Err(stop()),
            )
            .expect_err("stopped");
        assert_eq!(error, stop());
    }
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
    assert!(session.ping().is_ok());
}

#[test]
fn copy_in_counts_aborts_and_reports() {
    let mut session = writer();
    session.batch("CREATE TEMP TABLE c (a int)").expect("made");
    let mut copy = session.copy_in("COPY c FROM STDIN").expect("started");
    for number in 0..20_000 {
        writeln!(copy, "{number}").expect("written");
    }
    assert_eq!(copy.finish().expect("finished"), 20_000);
    let mut copy = session.copy_in("COPY c FROM STDIN").expect("started");
    copy.write_all(b"1\n2\nx\n").expect("written");
    let error = copy.finish().expect_err("not a number");
    assert_eq!(error.sqlstate.as_deref(), Some("22P02"));
    assert_eq!(
        error.whence.as_deref(),
        Some("COPY c, line 3, column a: \"x\"")
    );
    let mut copy = session.copy_in("COPY c FROM STDIN").expect("started");
    copy.write_all(b"1\n").expect("written");
    drop(copy);
    let mut text = String::new();
    session
        .copy_out("COPY (SELECT count(*) FROM c) TO STDOUT")
        .expect("started")
        .read_to_string(&mut text)
        .expect("read");
    assert_eq!(text, "20000\n");
}

#[test]
fn the_environment_is_pinned_against_role_and_database() {
    let cluster = without_tls();
    cluster.createdb("pinned").expect("made");
    cluster
        .sql(
            "postgres",
            "ALTER DATABASE pinned SET datestyle = 'SQL, DMY'; ALTER DATABASE pinned SET timezone = 'Asia/Tokyo';
             ALTER DATABASE pinned SET statement_timeout = 1234; ALTER DATABASE pinned SET search_path = public;
             ALTER DATABASE pinned SET extra_float_digits = -5; ALTER DATABASE pinned SET bytea_output = 'escape';
             ALTER DATABASE pinned SET intervalstyle = 'iso_8601'; ALTER DATABASE pinned SET row_security = on;
             ALTER DATABASE pinned SET idle_in_transaction_session_timeout = '1h';
             ALTER DATABASE pinned SET idle_session_timeout = '1h'; ALTER DATABASE pinned SET lock_timeout = 77;
             ALTER DATABASE pinned SET standard_conforming_strings = off; ALTER DATABASE pinned SET client_encoding = 'LATIN1';
             ALTER DATABASE pinned SET exit_on_error = on; ALTER DATABASE pinned SET gin_fuzzy_search_limit = 5;
             ALTER DATABASE pinned SET default_transaction_isolation = serializable; ALTER DATABASE pinned SET zero_damaged_pages = on;
             ALTER DATABASE pinned SET default_transaction_deferrable = on; ALTER DATABASE pinned SET ignore_checksum_failure = on;
             ALTER DATABASE pinned SET client_min_messages = error;
             ALTER DATABASE pinned SET enable_seqscan = off; ALTER DATABASE pinned SET jit = on;",
        )
        .expect("set");
    let dsn = cluster.dsn("pinned");
    let around = Around::nothing()
        .var("PGTZ", "Asia/Tokyo")
        .var("PGOPTIONS", "-c datestyle=German -c work_mem=7MB");
    let mut session = around.session(&dsn).expect("connected");
    let rows = session
        .query_text(
            "SELECT '2024-03-04 05:06:07+00'::timestamptz::text, '1 day 2 hours'::interval::text, \
             (0.1::float8 + 0.2)::text, '\\x00ff'::bytea::text, current_setting('statement_timeout'), \
             current_setting('lock_timeout'), current_setting('search_path'), current_setting('row_security'), \
             current_setting('idle_in_transaction_session_timeout'), current_setting('idle_session_timeout'), \
             current_setting('client_encoding'), current_setting('application_name'), \
             current_setting('default_transaction_read_only'), current_setting('work_mem'), \
             current_setting('enable_seqscan'), current_setting('jit'), current_setting('exit_on_error'), \
             current_setting('gin_fuzzy_search_limit'), current_setting('default_transaction_isolation'), \
             current_setting('zero_damaged_pages'), current_setting('default_transaction_deferrable'), \
             current_setting('ignore_checksum_failure'), current_setting('client_min_messages')",
        )
        .expect("read");
    let found: Vec<&str> = rows[0]
        .iter()
        .map(|field| field.as_deref().unwrap_or("NULL"))
        .collect();
    assert_eq!(
        found,
        [
            "2024-03-04 05:06:07+00",
            "1 day 02:00:00",
            "0.30000000000000004",
            "\\x00ff",
            "0",
            "0",
            "pg_catalog,pg_temp",
            "off",
            "0",
            "0",
            "UTF8",
            "pgl-test",
            "on",
            "7MB",
            "on",
            "off",
            "off",
            "0",
            "read committed",
            "off",
            "off",
            "off",
            "notice",
        ]
    );
    for _ in 0..2 {
        let error = session
            .batch("CREATE TABLE public.x ()")
            .expect_err("read-only");
        assert_eq!(error.sqlstate.as_deref(), Some("25006"));
    }
}

#[test]
fn every_major_takes_the_environment() {
    for major in pgl_testkit::MAJORS {
        let cluster = Cluster::start(major, ClusterOptions::new()).expect("a cluster");
        let mut session = session_on(&cluster, &SessionOptions::new("test", Access::ReadOnly));
        assert_eq!(session.version().major(), cluster.major().to_string());
        let timeouts = session
            .query_text("SELECT name, setting FROM pg_settings WHERE name ~ '(statement|transaction|session)_timeout$'")
            .expect("read");
        assert!(
            timeouts.iter().all(|row| row[1].as_deref() == Some("0")),
            "{timeouts:?}"
        );
        assert!(session.notices().is_empty());
        let settings = session
            .query_text(
                "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser') AND position('.' IN name) = 0",
            )
            .expect("read");
        let undecided: Vec<&str> = (settings.iter())
            .filter_map(|row| row[0].as_deref())
            .filter(|name| !pgl_conn::pinned().any(|pinned| pinned == *name))
            .filter(|name| !NOT_PINNED.split_whitespace().any(|left| left == *name))
            .collect();
        assert!(
            undecided.is_empty(),
            "{major}: pin them or name them here: {undecided:?}"
        );
    }
}

/// Settings that a role or the database may have otherwise, and that are left as they are: each was looked at.
const NOT_PINNED: &str = concat!(
    // How fast a plan is, and which one; not what it yields. What has a cost of "never" is pinned.
    " cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction debug_parallel_query",
    " default_statistics_target effective_cache_size effective_io_concurrency enable_async_append enable_eager_aggregate",
    " enable_distinct_reordering enable_gathermerge enable_group_by_reordering enable_incremental_sort enable_memoize",
    " enable_parallel_append enable_parallel_hash enable_partition_pruning enable_partitionwise_aggregate",
    " enable_partitionwise_join enable_presorted_aggregate enable_self_join_elimination force_parallel_mode",
    " geqo geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold",
    " jit_above_cost jit_dump_bitcode jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming",
    " max_parallel_workers max_parallel_workers_per_gather min_parallel_index_scan_size min_parallel_table_scan_size",
    " parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode random_page_cost",
    " min_eager_agg_group_size timing_clock_source",
    " recursive_worktable_factor seq_page_cost",
    // How much memory, disk and time something may take: too little is an error that names the setting.
    " backend_flush_after commit_delay commit_siblings deadlock_timeout file_copy_method gin_pending_list_limit",
    " hash_mem_multiplier io_combine_limit logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem",
    " max_parallel_maintenance_workers max_stack_depth temp_buffers temp_file_limit wal_compression",
    " wal_consistency_checking wal_init_zero wal_recycle wal_skip_threshold work_mem",
    " vacuum_buffer_usage_limit vacuum_cleanup_index_scale_factor vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit",
    " vacuum_cost_page_miss vacuum_failsafe_age vacuum_freeze_min_age vacuum_freeze_table_age",
    " vacuum_max_eager_freeze_failure_rate vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age",
    " vacuum_multixact_freeze_table_age vacuum_truncate wal_receiver_timeout wal_sender_shutdown_timeout",
    // What the server writes about a session. What may hold a password is kept out where it is sent (unlogged.rs).
    " backtrace_functions compute_query_id debug_discard_caches debug_pretty_print debug_print_parse debug_print_plan debug_print_raw_parse",
    " debug_print_rewritten lc_messages log_duration log_error_verbosity log_executor_stats log_lock_failures",
    " log_lock_waits log_min_duration_sample log_min_duration_statement log_min_error_statement log_min_messages",
    " log_parameter_max_length log_parameter_max_length_on_error log_parser_stats log_planner_stats",
    " log_replication_commands log_statement log_statement_sample_rate log_statement_stats log_temp_files",
    " log_transaction_sample_rate md5_password_warnings stats_fetch_consistency trace_notify trace_sort track_activities",
    " track_cost_delay_timing track_counts track_functions track_io_timing track_wal_io_timing update_process_title",
    // The connection: what the connection string says, or noticed as a lost one.
    " client_connection_check_interval tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval",
    " tcp_user_timeout wal_sender_timeout debug_logical_replication_streaming logical_decoding_mode",
    " logical_replication_mode",
    // Loaded before anything can be set.
    " dynamic_library_path extension_control_path extension_destdir local_preload_libraries output_plugin_libraries",
    " session_preload_libraries",
    // Of the transaction that is open when it is set.
    " transaction_deferrable transaction_isolation transaction_read_only",
    // Where a user wants new objects and how: meant for objects that a tool makes, too; archives bring their own.
    " check_function_bodies createrole_self_grant default_tablespace default_toast_compression event_triggers",
    " icu_validation_level password_encryption scram_iterations temp_tablespaces",
    // Set by those tools that write as a replica; a superuser's.
    " session_replication_role",
    // No statement of ours has what they are about: strings with a backslash, large objects of others, words for numbers
    // and times, xml made of rows, full text, row types of two definitions, system catalogs that are written.
    " allow_in_place_tablespaces allow_system_table_mods backslash_quote composite_type_mismatch",
    " default_text_search_config escape_string_warning lc_numeric lc_time lo_compat_privileges",
    " operator_precedence_warning timezone_abbreviations xmlbinary",
);

#[test]
fn transactions_and_snapshots() {
    let mut one = writer();
    let mut two = writer();
    one.batch("DROP TABLE IF EXISTS public.snap; CREATE TABLE public.snap AS SELECT 1 AS a")
        .expect("made");
    let id = two.export_snapshot().expect("exported");
    one.batch("INSERT INTO public.snap VALUES (2)")
        .expect("inserted");
    let mut three = writer();
    three.import_snapshot(&id).expect("imported");
    let count = |session: &mut Session| -> i64 {
        session
            .query_one("SELECT count(*) FROM public.snap", &[])
            .expect("counted")
            .get(0)
    };
    assert_eq!(
        (count(&mut one), count(&mut two), count(&mut three)),
        (2, 1, 1)
    );
    assert!(
        three.batch("DELETE FROM public.snap").is_err(),
        "a snapshot is read-only"
    );
    three.rollback().expect("rolled back");
    two.commit().expect("committed");
    // It died with the transaction that exported it, and the failed import leaves nothing open.
    assert!(three.import_snapshot(&id).is_err());
    three.begin(Begin::ReadWrite).expect("begun");
    three
        .execute("INSERT INTO public.snap VALUES ($1)", &[&3i32])
        .expect("inserted");
    three.rollback().expect("rolled back");
    assert_eq!(count(&mut one), 2);
    one.batch("DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$")
        .expect("done");
    let notices = one.notices();
    assert_eq!(
        notices.len(),
        1 + usize::from(notices.len() > 1),
        "{notices:?}"
    );
    assert_eq!(
        notices.last().map(|notice| notice.message.as_str()),
        Some("mind the gap")
    );
}

/// The cutover shuts a database by a setting; a hook may shut a whole server while sessions are open.
#[test]
fn who_writes_even_if_it_is_shut_goes_on_and_others_do_not() {
    let cluster = Cluster::start(15, ClusterOptions::new()).expect("started");
    let open = |access| session_on(&cluster, &SessionOptions::new("test", access));
    let refused = |session: &mut Session| {
        let error = session
            .batch("CREATE TABLE public.no ()")
            .expect_err("shut");
        assert_eq!(error.sqlstate.as_deref(), Some("25006"), "{error:?}");
    };
    let mut ours = open(Access::IgnoreReadOnly);
    let mut theirs = open(Access::ReadWrite);
    theirs.batch("CREATE TABLE public.a ()").expect("open");
    let shut = |value: &str| {
        cluster
            .sql(
                "postgres",
                &format!("ALTER SYSTEM SET default_transaction_read_only = {value}"),
            )
            .and_then(|_| cluster.reload())
            .expect("reloaded");
        let sql = format!(
            "SELECT setting = '{value}' FROM pg_settings WHERE name = 'default_transaction_read_only'"
        );
        cluster
            .wait_until("postgres", &sql, Duration::from_secs(10))
            .expect("in force");
    };
    shut("on");
    let waited = Instant::now();
    while theirs
        .batch("CREATE TABLE public.b (); DROP TABLE public.b")
        .is_ok()
    {
        assert!(waited.elapsed() < Duration::from_secs(10), "never shut");
        std::thread::sleep(Duration::from_millis(20));
    }
    ours.batch("CREATE TABLE public.c ()").expect("goes on");
    open(Access::IgnoreReadOnly)
        .batch("CREATE TABLE public.d ()")
        .expect("begins");
    refused(&mut open(Access::ReadWrite));
    let mut reader = open(Access::ReadOnly);
    refused(&mut reader);
    shut("off");
    open(Access::ReadWrite)
        .batch("CREATE TABLE public.e ()")
        .expect("open again");
    refused(&mut reader);
}

#[test]
fn an_answer_that_cannot_be_read_says_what_was_asked() {
    let mut session = writer();
    let none: Error = session
        .value::<bool>("SELECT NULL::bool", &[], "whether it is so")
        .expect_err("NULL is no answer");
    assert_eq!(none.kind, Kind::Protocol, "{none:?}");
    assert!(
        none.to_string().contains("reading whether it is so"),
        "{none}"
    );
    let other = session
        .values::<i32>("SELECT 'x'::text", &[], "some numbers")
        .expect_err("text is no number");
    assert!(
        other.to_string().contains("reading some numbers"),
        "{other}"
    );
    let maybe: Option<Option<bool>> = session
        .value_opt("SELECT NULL::bool", &[], "whether it is so")
        .expect("NULL was asked for");
    assert_eq!(maybe, Some(None));
    let nobody: Option<bool> = session
        .value_opt("SELECT true WHERE false", &[], "whether it is so")
        .expect("no row was asked for");
    assert_eq!(nobody, None);
    assert_eq!(
        session
            .count("SELECT count(*) FROM generate_series(1, 7)", &[], "rows")
            .expect("counted"),
        7
    );
}
