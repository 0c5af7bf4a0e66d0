//! From `main` to the exit code.

use std::any::TypeId;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use pgl_core::Exit;
use pgl_core::doc::Verdict;
use pgl_core::redact;
use serde_json::json;

use crate::args::{Format, Output};
use crate::progress::Quiet;
use crate::signal::Interrupt;
use crate::streams::Stdout;
use crate::{Context, Failure, Streams, log};

/// SQLSTATE of a statement that was cancelled.
const QUERY_CANCELED: &str = "57014";

/// A tool: its arguments and what it does with them.
pub trait Tool: Parser {
    /// `pgl-preflight`.
    const NAME: &'static str;
    /// Whether `--format prometheus` is among its forms.
    const METRICS: bool = false;

    /// The shared output options.
    fn output(&self) -> &Output;

    /// Does the work and says the verdict; the document is already written then.
    fn run(self, context: &Context) -> Result<Verdict, Failure>;
}

/// The command line of a tool. `--help` shows examples and the exit codes, `-h` neither.
pub fn command<T: Tool>() -> clap::Command {
    let command = everywhere(T::command(), without_empty_texts)
        .name(T::NAME)
        .version(env!("CARGO_PKG_VERSION"));
    everywhere(command, |command| {
        let examples = command.get_after_help().map(ToString::to_string);
        let long = [examples, Some(Exit::help())].into_iter().flatten();
        command
            .after_help("")
            .after_long_help(long.collect::<Vec<_>>().join("\n\n"))
    })
}

/// A change to a command and to those below it.
fn everywhere(command: clap::Command, change: fn(clap::Command) -> clap::Command) -> clap::Command {
    change(command).mut_subcommands(|command| everywhere(command, change))
}

/// Runs a tool on the process's arguments and streams.
pub fn run<T: Tool>() -> ExitCode {
    ExitCode::from(run_on::<T>(std::env::args_os()).code())
}

/// Nothing has an empty name: `--name "$UNSET"` is a slip. An empty connection string is one to libpq, as well.
fn without_empty_texts(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let is = |kind| arg.get_value_parser().type_id() == kind;
        let conninfo = arg
            .get_value_names()
            .is_some_and(|names| names == ["CONNINFO"]);
        if is(TypeId::of::<String>()) {
            arg.value_parser(NonEmptyStringValueParser::new())
        } else if is(TypeId::of::<OsString>()) && !conninfo {
            arg.value_parser(
                OsStringValueParser::new().try_map(|text| match text.is_empty() {
                    true => Err("a value is required"),
                    false => Ok(text),
                }),
            )
        } else {
            arg
        }
    })
}

/// A variable that is set to nothing counts as not set, as libpq and most programs take it.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let empty = arg
            .get_env()
            .is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
        if empty { arg.env(None) } else { arg }
    })
}

fn run_on<T: Tool>(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = everywhere(command::<T>(), without_empty_variables)
        .try_get_matches_from(&args)
        .and_then(|matches| T::from_arg_matches(&matches));
    let tool = match parsed {
        Ok(tool) => tool,
        Err(error) => return usage(&error, &args),
    };
    let options = tool.output().clone();
    if options.format == Some(Format::Prometheus) && !T::METRICS {
        // Before anything is done, not when the answer is to be written.
        let message = "--format prometheus is a form of pgl-status only";
        let error = T::command().error(clap::error::ErrorKind::InvalidValue, message);
        return usage(&error, &args);
    }
    let streams = Streams::stdio(&options);
    log::install(T::NAME, &streams, options.quiet, options.verbose);
    let quiet = if options.quiet { Quiet::Yes } else { Quiet::No };
    let context = Context {
        tool: T::NAME,
        streams,
        interrupt: Interrupt::default(),
        quiet,
    };
    if let Err(error) = context.interrupt.listen() {
        ::log::warn!("signals are not handled: {error}");
    }
    let exit = finish(&context, tool.run(&context));
    context.streams.drain();
    exit
}

fn finish(context: &Context, result: Result<Verdict, Failure>) -> Exit {
    // A query that a signal cancelled fails as "cancelled"; the signal is the reason.
    let signalled = context.interrupt.exit();
    match result {
        Ok(verdict) => signalled.unwrap_or(verdict.exit()),
        Err(mut failure) => {
            if let Some(exit) = signalled
                && failure.sqlstate.as_deref() == Some(QUERY_CANCELED)
            {
                failure = Failure::interrupted(exit);
            }
            complain(context, &failure);
            signalled.unwrap_or(failure.exit)
        }
    }
}

/// A program that reads the answer as JSON reads the error so too; a person at a terminal who
/// sent the answer into a file does not.
fn complain(context: &Context, failure: &Failure) {
    let streams = &context.streams;
    let json = matches!(streams.format, Format::Json | Format::Ndjson) && !streams.err_tty;
    let text = if json {
        json!({"type": "error", "tool": context.tool, "error": failure}).to_string()
    } else {
        format!("{}: error: {failure}", context.tool)
    };
    streams.tell(&text);
}

/// `--help` and `--version` are answers, everything else is a usage error.
fn usage(error: &clap::Error, args: &[OsString]) -> Exit {
    let text = error.render().to_string();
    let masked = mask(&text, args);
    let printed = if !error.use_stderr() && Stdout.write(&[]).is_err() {
        return Exit::Output;
    } else if masked == text {
        error.print()
    } else {
        io::stderr().write_all(masked.as_bytes())
    };
    match (error.use_stderr(), printed) {
        (true, _) => Exit::Usage,
        (false, Ok(())) => Exit::Yes,
        (false, Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Yes,
        (false, Err(_)) => Exit::Output,
    }
}

/// The text without what may be a password in it: clap repeats what it did not expect, and that is a
/// connection string when its flag was forgotten or misspelt.
fn mask(text: &str, args: &[OsString]) -> String {
    let mut text = text.to_owned();
    for arg in args.iter().skip(1) {
        let arg = arg.to_string_lossy();
        let value = arg.split_once('=').map_or("", |(_, value)| value);
        for part in [&*arg, value] {
            let shown = redact(part);
            if shown != part {
                text = text.replace(part, &shown);
            }
        }
    }
    let lines: Vec<_> = text.split('\n').map(redact).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_password_is_not_repeated() {
        let args = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        let uri = "postgresql://u:secret@db/x";
        let text = format!("unexpected argument '{uri}' found");
        let masked = mask(&text, &args(&["tool", uri]));
        assert!(!masked.contains("secret"), "{masked}");
        let masked = mask(
            "invalid value 'PASSWORD=secret'",
            &args(&["tool", "--f=PASSWORD=secret"]),
        );
        assert!(!masked.contains("secret"), "{masked}");
        let odd = "host=h\npassword='it\\'s\nsecret'";
        let masked = mask(
            &format!("unexpected argument '{odd}' found"),
            &args(&["tool", odd]),
        );
        assert!(!masked.contains("secret"), "{masked}");
        let plain = "unexpected argument '--sorce' found";
        assert_eq!(mask(plain, &args(&["tool", "--sorce"])), plain);
    }
}
