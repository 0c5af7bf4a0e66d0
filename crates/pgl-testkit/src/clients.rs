//! Client programs of a root, made to run on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache;

/// Scripts that run a root's client programs on this machine's files, through the root's own loader
/// and libraries.
pub(crate) fn client_wrappers(root: &Path, bindir: &Path, version: &str) -> Result<PathBuf> {
    let dir = cache::subdir("clients")?.join(version);
    if dir.is_dir() {
        return Ok(dir);
    }
    let libraries = fs::read_dir(root.join("usr/lib"))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with("-linux-gnu"))
        .with_context(|| format!("no libraries in {}", root.display()))?;
    let loader = fs::read_dir(&libraries)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with("ld-") && fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
        })
        .with_context(|| format!("no loader in {}", libraries.display()))?;
    let partial = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(cache::subdir("clients")?)?;
    for program in [
        "psql",
        "pg_dump",
        "pg_restore",
        "pg_basebackup",
        "pg_isready",
        "pg_receivewal",
    ] {
        let file = partial.path().join(program);
        let binary = root
            .join(bindir.strip_prefix("/").unwrap_or(bindir))
            .join(program);
        let text = format!(
            "#!/bin/sh\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
            loader.display(),
            libraries.display(),
            binary.display()
        );
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    fs::set_permissions(partial.path(), fs::Permissions::from_mode(0o755))?;
    match fs::rename(partial.path(), &dir) {
        Ok(()) => {
            let _ = partial.keep();
        }
        // Another process made the same at the same time.
        Err(_) if dir.is_dir() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(dir)
}
