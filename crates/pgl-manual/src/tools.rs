//! The list of tools, and where the manual is.

use std::path::{Path, PathBuf};

use clap::Command;
use pgl_core::doc::Document;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

pub(crate) const FOLDER: &str = "crates/pgl-manual";

/// The workspace's top directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// One tool, as the manual needs it.
#[derive(Debug, Clone, Copy)]
pub struct ToolEntry {
    /// `pgl-preflight`.
    pub name: &'static str,
    /// Its command line.
    pub command: fn() -> Command,
    /// The schema of its document.
    pub schema: fn() -> Schema,
}

/// Every tool, in the order of a migration. A test holds this equal to the binaries.
pub const TOOLS: &[ToolEntry] = &[
    ToolEntry {
        name: "pgl-preflight",
        command: pgl_preflight::command,
        schema: whole::<pgl_preflight::Preflight>,
    },
    ToolEntry {
        name: "pgl-setup",
        command: pgl_setup::command,
        schema: whole::<pgl_setup::SetupReport>,
    },
    ToolEntry {
        name: "pgl-status",
        command: pgl_status::command,
        schema: whole::<pgl_status::StatusBody>,
    },
    ToolEntry {
        name: "pgl-seqsync",
        command: pgl_seqsync::command,
        schema: whole::<pgl_seqsync::SeqsyncBody>,
    },
    ToolEntry {
        name: "pgl-verify",
        command: pgl_verify::command,
        schema: whole::<pgl_verify::VerifyBody>,
    },
    ToolEntry {
        name: "pgl-control",
        command: pgl_control::command,
        schema: whole::<pgl_control::ControlBody>,
    },
    ToolEntry {
        name: "pgl-cutover",
        command: pgl_cutover::command,
        schema: whole::<pgl_cutover::CutoverBody>,
    },
    ToolEntry {
        name: "pgl-teardown",
        command: pgl_teardown::command,
        schema: whole::<pgl_teardown::Teardown>,
    },
];

/// The schema of a whole document: envelope and body, as it is written (what is always there is
/// required, null included).
fn whole<B: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Document<B>>()
}

impl ToolEntry {
    /// `preflight`: the name as documents and files carry it.
    pub fn short(&self) -> &'static str {
        self.name.strip_prefix("pgl-").unwrap_or(self.name)
    }

    /// What it does, in one line.
    pub fn about(&self) -> String {
        (self.command)()
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary_is_in_the_manual() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let binaries: Vec<&str> = manifest
            .split("[[bin]]")
            .skip(1)
            .filter_map(|part| {
                part.lines()
                    .find_map(|l| l.strip_prefix("name = \"")?.strip_suffix('"'))
            })
            .collect();
        let mut listed: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        listed.sort_unstable();
        let mut expected = binaries.clone();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn every_command_line_is_sound_and_says_what_it_does() {
        for tool in TOOLS {
            let command = (tool.command)();
            assert_eq!(command.get_name(), tool.name);
            assert!(tool.about().len() > 20, "{}: {}", tool.name, tool.about());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{}: {} has no help",
                    tool.name,
                    argument.get_id()
                );
            }
            command.debug_assert();
        }
    }

    #[test]
    fn connection_strings_are_never_shown_in_help() {
        for tool in TOOLS {
            for argument in (tool.command)().get_arguments() {
                let names_connection = argument
                    .get_value_names()
                    .is_some_and(|names| names.iter().any(|name| name.as_str() == "CONNINFO"));
                assert!(
                    !names_connection
                        || argument.get_env().is_none()
                        || argument.is_hide_env_values_set(),
                    "{}: --help would print {}",
                    tool.name,
                    argument.get_id()
                );
            }
        }
    }
}
