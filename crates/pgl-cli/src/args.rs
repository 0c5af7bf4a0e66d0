//! Arguments that all tools share, as typed: no I/O, no meaning yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use pgl_core::select::Selection;

/// `--source` and `--target`. Not `Debug`: a connection string may hold a password. The
/// environment is read where the strings are resolved, so that a password in a flag can be told
/// from one in a variable.
#[derive(Args, Clone, Default)]
pub struct Connect {
    /// Source database: a libpq connection string or URI, with libpq's meaning [env: PGL_SOURCE]
    #[arg(long, value_name = "CONNINFO", help_heading = "Connections")]
    pub source: Option<OsString>,
    /// Target database, likewise [env: PGL_TARGET]
    #[arg(long, value_name = "CONNINFO", help_heading = "Connections")]
    pub target: Option<OsString>,
}

/// How the source is reached from the target server. Not `Debug`, for the same reason.
#[derive(Args, Clone, Default)]
pub struct Provider {
    /// The source as libpq on the target server reaches it; given to pglogical unchanged
    #[arg(
        long,
        value_name = "CONNINFO",
        env = "PGL_PROVIDER_DSN",
        hide_env_values = true,
        help_heading = "Connections"
    )]
    pub provider_dsn: Option<OsString>,
}

/// Which tables are meant.
#[derive(Args, Clone, Debug, Default)]
pub struct Select {
    /// Only tables in schemas that match (repeatable; patterns as in pg_dump)
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub schema: Vec<String>,
    /// No tables in schemas that match (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub exclude_schema: Vec<String>,
    /// Only tables that match (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub table: Vec<String>,
    /// No tables that match (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub exclude_table: Vec<String>,
}

impl From<Select> for Selection {
    fn from(typed: Select) -> Self {
        Self {
            schemas: typed.schema,
            exclude_schemas: typed.exclude_schema,
            tables: typed.table,
            exclude_tables: typed.exclude_table,
        }
    }
}

/// Where pg_dump is. The environment is read by [`ClientPrograms::dir`], so that an option that would be ignored can be
/// refused, and a variable that is always set is not.
#[derive(Args, Clone, Debug, Default)]
pub struct ClientPrograms {
    /// Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pg_bindir: Option<PathBuf>,
}

impl ClientPrograms {
    /// The directory that is named.
    pub fn dir(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os("PGL_PG_BINDIR").filter(|dir| !dir.is_empty());
        self.pg_bindir
            .clone()
            .or_else(|| variable().map(PathBuf::from))
    }
}

/// A document of an earlier tool.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanInput {
    /// Document of an earlier tool to take migration and plan from; - is standard input
    #[arg(long, value_name = "FILE|-", help_heading = "Input")]
    pub plan: Option<PathBuf>,
    /// Go on although this finding blocks (repeatable; exactly the ids that block)
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Input")]
    pub force: Vec<String>,
}

/// What comes out, and how much.
#[derive(Args, Clone, Debug, Default)]
pub struct Output {
    /// Form of the answer on stdout [default: text on a terminal, json otherwise]
    #[arg(
        long,
        value_name = "FORMAT",
        env = "PGL_FORMAT",
        help_heading = "Output"
    )]
    pub format: Option<Format>,
    /// When to use colour
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub color: Color,
    /// Errors only on stderr
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// More on stderr (repeatable)
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
}

/// Forms of the answer.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people
    Text,
    /// One document
    Json,
    /// One object a line, a closing summary
    Ndjson,
    /// One table with a header
    Csv,
    /// Metrics in the text form of Prometheus (pgl-status only)
    #[value(hide = true)]
    Prometheus,
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
