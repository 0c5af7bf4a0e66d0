//! Facts in, findings and plan out.

use std::path::Path;

use pgl_catalog::facts::{self, Request};
use pgl_cli::{Context, Failure, Tool, input, now};
use pgl_conn::{DsnText, Environment};
use pgl_core::doc::Verdict;
use pgl_core::facts::{Asked, Facts, Recording};
use pgl_core::preflight::{Choice, Strictness, blocked_by, fix_script, preflight};

use crate::args::PreflightArgs;
use crate::body::Preflight;
use crate::catalogue;

/// Runs the tool.
pub(crate) fn run(args: PreflightArgs, context: &Context) -> Result<Verdict, Failure> {
    if args.list_checks {
        catalogue::print(context)?;
        return Ok(Verdict::Ok);
    }
    let choice = choice(&args)?;
    let evaluates =
        args.strict || args.fix_sql.is_some() || !(args.only.is_empty() && args.skip.is_empty());
    if args.record.as_deref() == Some(Path::new("-")) && evaluates {
        return Err(Failure::usage(
            "--record - prints the facts and evaluates no check: --only, --skip, --strict and --fix-sql do not go with it",
        ));
    }
    let fix = args.fix_sql;
    let record = args.record.clone();
    let facts = match &args.replay {
        Some(path) => replay(path, context)?,
        None => collect(args, context)?,
    };
    if let Some(path) = record {
        write_facts(&facts, &path, context)?;
        if path == Path::new("-") {
            // Standard output carries one answer; the facts are it.
            return Ok(Verdict::Ok);
        }
    }
    facts.check_selection()?;
    let examined = preflight(&facts, &choice);
    if examined.verdict == Verdict::No && !context.streams.out_tty {
        let blocked = blocked_by(&examined.blocked_by);
        context.say(&format!("pgl-preflight: {blocked}"));
    }
    if let Some(side) = fix {
        context.print(&fix_script(&examined.findings, side.into()))?;
        return Ok(examined.verdict);
    }
    let verdict = examined.verdict;
    let body = Preflight {
        target_state: examined.target,
        counts: examined.counts,
        findings: examined.findings,
        checks: examined.checks,
    };
    let mut document = context.document(verdict, facts.migration(), examined.plan, body);
    document.blocked_by = examined.blocked_by;
    context.emit(&document)?;
    Ok(verdict)
}

fn choice(args: &PreflightArgs) -> Result<Choice, Failure> {
    let strictness = if args.strict {
        Strictness::Strict
    } else {
        Strictness::Normal
    };
    let choice = Choice {
        only: args.only.clone(),
        skip: args.skip.clone(),
        strictness,
    };
    let unknown = choice.unknown().join(", ");
    if unknown.is_empty() {
        Ok(choice)
    } else {
        Err(Failure::usage(format!("no such check: {unknown}"))
            .hint("pgl-preflight --list-checks prints them all"))
    }
}

fn collect(args: PreflightArgs, context: &Context) -> Result<Facts, Failure> {
    let environment = Environment::capture();
    let endpoints = context.endpoints(&args.connect, &environment)?;
    let request = Request {
        source: endpoints.source,
        target: endpoints.target,
        provider_dsn: args.provider.provider_dsn.map(DsnText::new),
        asked: Asked {
            name: args.name.unwrap_or_default(),
            selection: args.select.into(),
            databases_total: args.databases_total,
        },
        probe: args.reach_probe.into(),
        pg_bindir: args.programs.dir(),
        generated: true,
        tool: PreflightArgs::NAME,
    };
    let mut watched = Vec::new();
    let facts = facts::collect(&request, &mut |handle| {
        watched.push(context.cancel_on_signal(handle));
    })?;
    Ok(facts)
}

fn replay(path: &Path, context: &Context) -> Result<Facts, Failure> {
    let text = input::read_text(path, &context.interrupt)?;
    Recording::read(&text)
        .map(|recording| recording.facts)
        .map_err(|reason| {
            Failure::usage(format!(
                "{} holds no recorded facts: {reason}",
                path.display()
            ))
            .hint("pgl-preflight --record FILE writes them")
        })
}

fn write_facts(facts: &Facts, path: &Path, context: &Context) -> Result<(), Failure> {
    let recording = Recording {
        schema: Recording::SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        recorded_at: now(),
        facts: facts.clone(),
    };
    let mut text = serde_json::to_string_pretty(&recording).map_err(|error| {
        Failure::new(
            pgl_core::Exit::Bug,
            format!("the facts cannot be written: {error}"),
        )
    })?;
    text.push('\n');
    if path == Path::new("-") {
        return context.print(&text);
    }
    std::fs::write(path, text).map_err(|error| {
        Failure::new(
            pgl_core::Exit::Output,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
