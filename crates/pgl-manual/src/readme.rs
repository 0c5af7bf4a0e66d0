//! The parts of README.md that are made from the tools: between markers, in a text written by hand.

use anyhow::{Context, Result};
use pgl_core::Exit;

use crate::tools::TOOLS;

/// The parts, by the name in their markers.
fn parts() -> [(&'static str, String); 3] {
    [
        ("tools", tools()),
        ("rights", pgl_core::rights::markdown()),
        ("exit-codes", exit_codes()),
    ]
}

fn tools() -> String {
    let mut text = String::from("| tool | what it does |\n|---|---|\n");
    for tool in TOOLS {
        text.push_str(&format!("| `{}` | {} |\n", tool.name, tool.about()));
    }
    text
}

fn exit_codes() -> String {
    let mut text = String::from("| code | meaning |\n|---|---|\n");
    for (exit, meaning) in Exit::TABLE {
        text.push_str(&format!("| {} | {meaning} |\n", exit.code()));
    }
    text
}

/// The text with its generated parts renewed.
///
/// # Errors
///
/// A marker that is missing: the part would silently not be there.
pub(crate) fn renew(text: &str) -> Result<String> {
    let mut text = text.to_owned();
    for (name, part) in parts() {
        let begin = format!("<!-- generated: {name} -->\n");
        let end = "<!-- end of generated -->";
        let missing = || format!("README.md has no part between {} and {end}", begin.trim());
        let from = text.find(&begin).with_context(missing)? + begin.len();
        let to = from + text[from..].find(end).with_context(missing)?;
        text.replace_range(from..to, &part);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_renewed_and_the_rest_is_kept() {
        let old = "a\n<!-- generated: tools -->\nSTALE\n<!-- end of generated -->\nb\n\
                   <!-- generated: rights -->\n<!-- end of generated -->\n\
                   <!-- generated: exit-codes -->\n<!-- end of generated -->\nc\n";
        let new = renew(old).unwrap();
        assert!(
            new.starts_with("a\n<!-- generated: tools -->\n| tool |"),
            "{new}"
        );
        assert!(
            new.contains("| `pgl-seqsync` |") && new.contains("| 74 |"),
            "{new}"
        );
        assert!(
            !new.contains("STALE") && new.ends_with("<!-- end of generated -->\nc\n"),
            "{new}"
        );
        assert_eq!(renew(&new).unwrap(), new);
    }

    #[test]
    fn a_missing_marker_is_an_error() {
        assert!(renew("nothing here").is_err());
        assert!(renew("<!-- generated: tools -->\n").is_err());
    }

    /// The command lines of our tools in a text: what stands between pipes, without redirections,
    /// quotes and comments.
    fn command_lines(text: &str) -> Vec<Vec<String>> {
        let lines = text
            .lines()
            .map(|line| line.split(" #").next().unwrap_or(line));
        lines
            .flat_map(|line| line.split(['|', '&', ';']))
            .map(|part| part.split(['>', '<']).next().unwrap_or(part).trim())
            .filter(|part| part.starts_with("pgl-") && !part.ends_with(['`', '.', ',']))
            .map(|part| {
                // In a tool's help two blanks separate the command from what it does.
                let part = part.split("  ").next().unwrap_or(part);
                part.split_whitespace()
                    .map(|word| word.replace('"', ""))
                    .collect()
            })
            .collect()
    }

    #[track_caller]
    fn understood(from: &str, words: &[String]) {
        let tool = TOOLS.iter().find(|tool| tool.name == words[0]);
        let command = tool.unwrap_or_else(|| panic!("{from} names {}, which is no tool", words[0]));
        if let Err(error) = (command.command)().try_get_matches_from(words) {
            panic!("{from} shows {words:?}: {error}");
        }
    }

    #[test]
    fn the_commands_shown_are_understood() {
        let text = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        let code: String = text
            .lines()
            .filter(|l| l.starts_with("    "))
            .map(|l| format!("{l}\n"))
            .collect();
        let shown = command_lines(&code);
        assert!(shown.len() >= 15, "{shown:?}");
        for words in shown {
            understood("README.md", &words);
        }
    }

    #[test]
    fn the_examples_in_help_are_understood() {
        let mut count = 0;
        for tool in TOOLS {
            let command = (tool.command)();
            for command in std::iter::once(&command).chain(command.get_subcommands()) {
                let help = command
                    .get_after_long_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
                let examples = command_lines(examples);
                assert!(
                    !examples.is_empty(),
                    "{} has no example",
                    command.get_name()
                );
                for words in examples {
                    understood(tool.name, &words);
                    count += 1;
                }
            }
        }
        assert!(count >= 30, "{count} examples");
    }

    #[test]
    fn every_variable_that_an_option_reads_is_listed() {
        let text = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        for tool in TOOLS {
            for argument in (tool.command)().get_arguments() {
                if let Some(name) = argument.get_env() {
                    let name = name.to_string_lossy();
                    assert!(
                        text.contains(&format!("`{name}`")),
                        "README.md does not name {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_findings_named_are_in_the_catalogue() {
        let text = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
        let ids: Vec<&str> = pgl_core::rules::all().map(|check| check.id).collect();
        let family = |id: &str| id.split_once('.').map(|(family, _)| family.to_owned());
        let families: Vec<String> = ids.iter().filter_map(|id| family(id)).collect();
        let named: Vec<&str> = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| family(word).is_some_and(|family| families.contains(&family)))
            .collect();
        assert!(named.len() >= 15, "{named:?}");
        for id in named {
            assert!(ids.contains(&id), "README.md names {id}, which is no check");
        }
    }
}
