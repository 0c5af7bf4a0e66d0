//! Which files are generated, and whether the committed ones are what they should be.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap_complete::Shell;

use crate::tools::{FOLDER, TOOLS, root};
use crate::{man, readme, schema};

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Relative to the workspace.
    pub path: String,
    /// What it should hold.
    pub text: String,
}

const CHECKS: &str = "\
# What pgl-preflight looks for

Made from the program by `cargo xtask gen`; `pgl-preflight --list-checks` also prints the remedies. A severity is
the usual one: some checks decide by what they find. A guardrail is a check that the cutover runs again.

";

/// Every generated file with its content.
pub fn generated() -> Result<Vec<GeneratedFile>> {
    let mut files = Vec::new();
    for tool in TOOLS {
        let json = serde_json::to_string_pretty(&schema::document_schema(tool))?;
        files.push(GeneratedFile {
            path: schema::schema_path(tool),
            text: json + "\n",
        });
        let path = format!("{FOLDER}/man/{}.1", tool.name);
        files.push(GeneratedFile {
            path,
            text: man::page(tool)?,
        });
        for (shell, file) in [
            (Shell::Bash, format!("{}.bash", tool.name)),
            (Shell::Zsh, format!("_{}", tool.name)),
            (Shell::Fish, format!("{}.fish", tool.name)),
        ] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut (tool.command)(), tool.name, &mut text);
            let path = format!("{FOLDER}/completions/{file}");
            files.push(GeneratedFile {
                path,
                text: String::from_utf8(text)?,
            });
        }
    }
    files.push(GeneratedFile {
        path: "crates/pgl-preflight/CHECKS.md".into(),
        text: format!("{CHECKS}{}", pgl_preflight::markdown()),
    });
    let path = root().join("README.md");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    files.push(GeneratedFile {
        path: "README.md".into(),
        text: readme::renew(&text)?,
    });
    Ok(files)
}

/// Files that are missing or not what they should be, and files in the generated folders that
/// nothing makes any more.
pub fn stale() -> Result<Vec<String>> {
    let files = generated()?;
    let mut stale: Vec<String> = files
        .iter()
        .filter(|file| {
            fs::read_to_string(root().join(&file.path)).ok().as_ref() != Some(&file.text)
        })
        .map(|file| file.path.clone())
        .collect();
    stale.extend(left_over(&files)?);
    Ok(stale)
}

fn left_over(files: &[GeneratedFile]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["schema", "man", "completions"].map(|name| format!("{FOLDER}/{name}")) {
        let there = root().join(&folder);
        if !there.exists() {
            continue;
        }
        for entry in fs::read_dir(&there).with_context(|| format!("cannot list {folder}"))? {
            let path = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !files.iter().any(|file| file.path == path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn write() -> Result<()> {
    let files = generated()?;
    for path in left_over(&files)? {
        fs::remove_file(root().join(&path)).with_context(|| format!("cannot remove {path}"))?;
    }
    for file in files {
        let path = root().join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, file.text).with_context(|| format!("cannot write {}", file.path))?;
    }
    Ok(())
}

/// The generator: writes everything, or with `--check` says what is stale.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => write(),
        ["--check"] => stale().and_then(|stale| match stale.as_slice() {
            [] => Ok(()),
            stale => bail!("stale: {}\nrun cargo xtask gen", stale.join(", ")),
        }),
        _ => Err(anyhow::anyhow!("usage: pgl-manual [--check]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit code, which says the same.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_the_tools_are() {
        let none: Vec<String> = Vec::new();
        assert_eq!(stale().unwrap(), none, "run cargo xtask gen");
    }

    #[test]
    fn generating_twice_gives_the_same() {
        assert_eq!(generated().unwrap(), generated().unwrap());
    }
}
