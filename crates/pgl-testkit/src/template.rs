//! One `initdb` for each server and set of base settings; every cluster is a copy of its result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::Lock;
use crate::proc::give;
use crate::server::Server;

/// Raise it whenever [`base_settings`] or the way of initdb changes: it names the template.
const REVISION: u32 = 3;

/// The data directory to copy, made now where it is not there yet.
pub(crate) fn of(server: &Server) -> Result<PathBuf> {
    // Another server of this very version may have pglogical, which its settings name then.
    let bare = server.pglogical().map_or("-bare", |_| "");
    let name = format!("template-{}{bare}-{REVISION}", server.version());
    let template = server.home()?.join(&name);
    if template.join("PG_VERSION").is_file() {
        return Ok(template);
    }
    let place = server.root().map_or("host".into(), |root| {
        root.to_string_lossy().replace('/', "_")
    });
    let _lock = Lock::wait(&format!("{name}{place}"))?;
    if template.join("PG_VERSION").is_file() {
        return Ok(template);
    }
    let partial = template.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir(&partial)?;
    give(&partial, server.owner())?;
    let inside = server.inside(&partial);
    server.run(
        "initdb",
        &[
            "-D",
            &inside.to_string_lossy(),
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-N",
        ],
    )?;
    let conf = partial.join("postgresql.conf");
    let mut text = fs::read_to_string(&conf)?;
    text.push_str(&base_settings(server)?);
    fs::write(&conf, text)?;
    if server.major() < 10 {
        // initdb lets replication in from 10 on.
        let hba = partial.join("pg_hba.conf");
        let text = fs::read_to_string(&hba)?;
        fs::write(
            &hba,
            format!("{text}host replication all 127.0.0.1/32 trust\n"),
        )?;
    }
    fs::rename(&partial, &template)?;
    Ok(template)
}

/// A copy of the template at `to`, sharing blocks where the file system can.
pub(crate) fn copy(template: &Path, to: &Path) -> Result<()> {
    let output = Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .args([template, to])
        .output()
        .context("cannot run cp")?;
    if !output.status.success() {
        bail!(
            "cannot copy the template: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn base_settings(server: &Server) -> Result<String> {
    let known = server.run("postgres", &["--describe-config"])?;
    let knows = |name: &str| {
        known
            .lines()
            .any(|line| line.split('\t').next() == Some(name))
    };
    let mut preload = Vec::new();
    for extension in ["pglogical", "pg_stat_statements"] {
        if server.extension_version(extension).is_some() {
            preload.push(extension);
        }
    }
    let mut settings = vec![
        ("shared_preload_libraries", preload.join(", ")),
        ("wal_level", "logical".into()),
        ("max_worker_processes", "24".into()),
        ("max_replication_slots", "24".into()),
        ("max_wal_senders", "24".into()),
        ("max_connections", "100".into()),
        ("listen_addresses", "127.0.0.1".into()),
        ("shared_buffers", "64MB".into()),
        // Throw-away data: a crash of the machine may take it.
        ("fsync", "off".into()),
        ("full_page_writes", "off".into()),
        ("max_parallel_workers_per_gather", "0".into()),
        ("timezone", "UTC".into()),
        ("log_timezone", "UTC".into()),
        ("log_line_prefix", "%m [%p] %q%u@%d %a ".into()),
        ("lc_messages", "C".into()),
        // Nothing of the lab needs the kernel's shared memory file system, which a root may lack.
        ("dynamic_shared_memory_type", "mmap".into()),
    ];
    if knows("wal_init_zero") {
        settings.push(("wal_init_zero", "off".into()));
    }
    if knows("track_commit_timestamp") {
        settings.push(("track_commit_timestamp", "on".into()));
    }
    if knows("max_active_replication_origins") {
        settings.push(("max_active_replication_origins", "24".into()));
    }
    if knows("output_plugin_libraries") {
        settings.push((
            "output_plugin_libraries",
            "pgoutput, test_decoding, pglogical_output".into(),
        ));
    }
    Ok(settings
        .iter()
        .map(|(name, value)| line(name, value))
        .collect())
}

/// One line of `postgresql.conf`.
pub(crate) fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\'', "''"))
}
