//! `pgl-verify merge`: the documents of all shards become one, with one verdict.

use std::path::PathBuf;

use pgl_cli::{Context, Failure, input};
use pgl_core::doc::{Incoming, Verdict};
use pgl_core::verify::TableResult;
use pgl_core::verify::merge::{Part, Shard, merge};
use pgl_core::verify::outcome::Totals;
use serde::Deserialize;

use crate::view::Body;

/// What is read of a shard's document.
#[derive(Deserialize)]
struct Document {
    tool: String,
    mode_reason: String,
    digest_reason: String,
    shard: Option<Shard>,
    totals: Totals,
    tables: Vec<TableResult>,
    seconds: f64,
}

pub(crate) fn run(context: &Context, files: &[PathBuf]) -> Result<Verdict, Failure> {
    let mut parts = Vec::new();
    let mut body = Body::default();
    let mut envelope: Option<Incoming> = None;
    for path in files {
        let text = input::read_text(path)?;
        let bad =
            |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
        let incoming = Incoming::read(&text).map_err(|error| bad(&error))?;
        let document: Document = serde_json::from_str(&text).map_err(|error| bad(&error))?;
        if document.tool != "pgl-verify" {
            return Err(bad(&format!("a document of {}", document.tool)));
        }
        if let Some(first) = &envelope {
            if first.migration != incoming.migration {
                return Err(bad(&"of other databases than the first document"));
            }
        } else {
            envelope = Some(incoming);
        }
        body.mode_reason = document.mode_reason;
        body.digest_reason = document.digest_reason;
        body.seconds += document.seconds;
        parts.push(Part {
            shard: document.shard,
            asked: document.totals.tables,
            tables: document.tables,
        });
    }
    let (tables, totals) = merge(parts).map_err(|error| {
        Failure::usage(format!("the parts do not make a whole: {error}"))
            .hint("give one document for each of --shard 1/n … n/n")
    })?;
    let verdict = totals.verdict();
    body.tables = tables;
    body.totals = totals;
    let (migration, plan) = envelope.map_or((None, None), |first| (first.migration, first.plan));
    context.emit(&context.document(verdict, migration, plan, body))?;
    Ok(verdict)
}
