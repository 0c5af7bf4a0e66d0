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
    let command = command.after_long_help("");
    let man = Man::new(command.clone())
        .date("")
        .source(format!("pgl {}", env!("CARGO_PKG_VERSION")))
        .manual("pgl");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    let everywhere = options_of_every_command(&command);
    let of_all = command.clone().args(everywhere.iter().filter(|one| {
        command
            .get_arguments()
            .all(|known| known.get_id() != one.get_id())
    }));
    Man::new(of_all.clone()).render_options_section(&mut out)?;
    commands(&of_all, &mut out)?;
    let mut roff = Roff::new();
    if let Some(notes) = notes {
        roff.control("SH", ["NOTES"]);
        preformatted(&mut roff, &notes);
    }
    exit_status(&mut roff);
    environment(&mut roff, &of_all);
    see_also(&mut roff, tool);
    roff.to_writer(&mut out)?;
    let text = String::from_utf8(out)?;
    // No line may end in blanks: an editor would change what is generated.
    Ok(text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect())
}

/// The options that each command of a tool takes; none where it has no commands.
fn options_of_every_command(command: &Command) -> Vec<Arg> {
    let mut all = command.get_subcommands();
    let Some(first) = all.next() else {
        return Vec::new();
    };
    let has =
        |other: &Command, arg: &Arg| other.get_arguments().any(|a| a.get_id() == arg.get_id());
    first
        .get_arguments()
        .filter(|arg| !arg.is_positional())
        .filter(|arg| command.get_subcommands().all(|other| has(other, arg)))
        .cloned()
        .collect()
}

/// A section with every command and the options that it has besides those of the tool.
fn commands(tool: &Command, out: &mut Vec<u8>) -> Result<()> {
    let mut roff = Roff::new();
    if tool.get_subcommands().next().is_some() {
        roff.control("SH", ["COMMANDS"]);
    }
    roff.to_writer(out)?;
    for one in tool.get_subcommands() {
        let known = |arg: &Arg| tool.get_arguments().any(|a| a.get_id() == arg.get_id());
        let own = one.clone().mut_args(|arg| {
            let hidden = known(&arg);
            arg.hide(hidden)
        });
        let mut roff = Roff::new();
        roff.control("SS", [one.get_name()]);
        let about = one.get_about().map(ToString::to_string);
        roff.text([roman(about.unwrap_or_default())]);
        roff.to_writer(out)?;
        let mut section = Vec::new();
        Man::new(own.disable_help_flag(true)).render_options_section(&mut section)?;
        let section = String::from_utf8(section)?;
        out.extend(section.replace(".SH OPTIONS\n", "").into_bytes());
    }
    Ok(())
}

/// What a tool writes under its options, without the exit codes.
fn notes(command: &Command) -> Option<String> {
    let text = command.get_after_long_help()?.to_string();
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
    let below = command.get_subcommands().flat_map(Command::get_arguments);
    let mut seen = Vec::new();
    for argument in command.get_arguments().chain(below) {
        let (Some(variable), Some(long)) = (variable(argument), argument.get_long()) else {
            continue;
        };
        if seen.contains(&variable) {
            continue;
        }
        seen.push(variable.clone());
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
