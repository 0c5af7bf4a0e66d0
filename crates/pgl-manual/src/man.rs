//! Manual pages.

use anyhow::Result;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use pgl_core::Exit;

use crate::tools::{TOOLS, ToolEntry};

/// Environment variables that no option names.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE, PGSERVICE, PGSSLMODE, …",
        "as in libpq, for what a connection string leaves open",
    ),
    (
        "NO_COLOR, CLICOLOR_FORCE",
        "no colour at all; colour even without a terminal",
    ),
];

/// The page of one tool, in section 1.
pub(crate) fn page(tool: &ToolEntry) -> Result<String> {
    let command = (tool.command)();
    let notes = notes(&command);
    // The exit codes become a section of their own.
    let command = command.after_help("");
    let man = Man::new(command.clone())
        .date("")
        .source(format!("pgl {}", env!("CARGO_PKG_VERSION")))
        .manual("pgl");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if let Some(notes) = notes {
        roff.control("SH", ["NOTES"]);
        preformatted(&mut roff, &notes);
    }
    exit_status(&mut roff);
    environment(&mut roff, &command);
    see_also(&mut roff, tool);
    roff.to_writer(&mut out)?;
    let text = String::from_utf8(out)?;
    // No line may end in blanks: an editor would change what is generated.
    Ok(text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect())
}

/// What a tool writes under its options, without the exit codes.
fn notes(command: &Command) -> Option<String> {
    let text = command.get_after_help()?.to_string();
    let notes = text.replace(&Exit::help(), "");
    (!notes.trim().is_empty()).then(|| notes.trim().to_owned())
}

fn preformatted(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in Exit::TABLE {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string())]);
        roff.text([roman(*meaning)]);
    }
}

fn environment(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["ENVIRONMENT"]);
    for argument in command.get_arguments() {
        let (Some(variable), Some(long)) = (variable(argument), argument.get_long()) else {
            continue;
        };
        roff.control("TP", []);
        roff.text([bold(variable)]);
        roff.text([
            roman("used where "),
            italic(format!("--{long}")),
            roman(" is not given"),
        ]);
    }
    for (names, meaning) in ENVIRONMENT {
        roff.control("TP", []);
        roff.text([bold(*names)]);
        roff.text([roman(*meaning)]);
    }
}

/// The variable behind an option: clap's own, or named in its help where the option must be told
/// from the variable.
fn variable(argument: &Arg) -> Option<String> {
    if let Some(name) = argument.get_env() {
        return Some(name.to_string_lossy().into_owned());
    }
    let help = argument.get_help()?.to_string();
    let (_, rest) = help.split_once("[env: ")?;
    rest.split_once(']').map(|(name, _)| name.to_owned())
}

fn see_also(roff: &mut Roff, tool: &ToolEntry) {
    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<String> = TOOLS
        .iter()
        .filter(|t| t.name != tool.name)
        .map(|t| format!("{}(1)", t.name))
        .collect();
    roff.text([roman(others.join(", "))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_option_and_every_exit_code() {
        for tool in TOOLS {
            let page = page(tool).unwrap();
            let plain = page
                .replace("\\-", "-")
                .replace("\\fB", "")
                .replace("\\fR", "");
            for argument in (tool.command)()
                .get_arguments()
                .filter(|a| !a.is_hide_set())
            {
                if let Some(long) = argument.get_long() {
                    assert!(
                        plain.contains(&format!("--{long}")),
                        "{}: --{long}",
                        tool.name
                    );
                }
            }
            for (exit, meaning) in Exit::TABLE {
                let entry = format!(".TP\n{}\n{meaning}\n", exit.code());
                assert!(plain.contains(&entry), "{}: {entry}\n{plain}", tool.name);
            }
        }
    }
}
