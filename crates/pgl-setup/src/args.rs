//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pgl_cli::args::{ClientPrograms, Connect, Output, PlanInput, Provider, Select};
use pgl_cli::units::parse_duration;
use pgl_core::setup::{CopyMode, ForeignKeys, KeepIndexes, Options, RoleMode, SchemaMode, StepId};

/// Set up the replication of a live database: schema, rows, subscription
#[derive(Parser)]
#[command(
    // A plan has its tables.
    mut_arg("plan", |plan| plan.conflicts_with("Select")),
    after_help = AFTER
)]
pub(crate) struct Setup {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) provider: Provider,
    /// The target as its own server reaches itself; stored by pglogical [default: as --target]
    #[arg(
        long,
        value_name = "CONNINFO",
        env = "PGL_SUBSCRIBER_DSN",
        hide_env_values = true,
        help_heading = "Connections"
    )]
    pub(crate) subscriber_dsn: Option<OsString>,
    #[command(flatten)]
    pub(crate) plan: PlanInput,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Name of the migration [default: the plan's, else the source database's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Tables, indexes and constraints to work on at the same time
    #[arg(short, long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) jobs: u16,
    /// Print the steps with their SQL, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Discard the copy of an earlier run: drop its subscription and slot, empty its tables, copy all rows again
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) restart: bool,
    /// Confirm --restart
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print the steps and what they do
    #[arg(long, conflicts_with_all = ["source", "target", "Select", "plan", "force", "name", "jobs", "dry_run", "restart"])]
    pub(crate) list_steps: bool,
    /// Run this step only (repeatable)
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Steps")]
    pub(crate) step: Vec<StepId>,
    /// Stop after this step
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "step",
        help_heading = "Steps"
    )]
    pub(crate) until: Option<StepId>,
    /// Who copies the rows that exist already
    #[arg(
        long,
        value_name = "WHO",
        default_value = "parallel",
        help_heading = "Steps"
    )]
    pub(crate) copy: Copier,
    /// Where the target's schema comes from
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        help_heading = "Steps"
    )]
    pub(crate) schema_copy: Schema,
    /// What to do about roles
    #[arg(
        long,
        value_name = "HOW",
        default_value = "check",
        help_heading = "Steps"
    )]
    pub(crate) roles: Roles,
    /// Leave an object and what depends on it out of the schema, by kind and name as errors print it: 'VIEW public.v' (repeatable)
    #[arg(long, value_name = "OBJECT", help_heading = "Steps")]
    pub(crate) exclude_object: Vec<String>,
    /// Create everything in the target's default tablespace
    #[arg(long, help_heading = "Steps")]
    pub(crate) no_tablespaces: bool,
    /// Do not try the schema's statements on the target's server first
    #[arg(long, help_heading = "Steps")]
    pub(crate) no_trial: bool,
    /// When foreign keys come to the target
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "at-cutover",
        help_heading = "Steps"
    )]
    pub(crate) foreign_keys: Fks,
    /// Build indexes before the copy instead of after it
    #[arg(long, help_heading = "Steps")]
    pub(crate) keep_indexes: bool,
    #[command(flatten)]
    pub(crate) programs: ClientPrograms,
    /// Memory for building one index
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MB",
        help_heading = "Tuning"
    )]
    pub(crate) maintenance_work_mem: String,
    /// Parallel workers for building one index
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(0..=64), help_heading = "Tuning")]
    pub(crate) index_workers: u16,
    /// How long to wait for the subscription to run
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration, help_heading = "Tuning")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// `--copy`
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Copier {
    /// This tool, several tables at a time
    Parallel,
    /// Nobody: only changes from now on are replicated
    None,
}

/// `--schema-copy`
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Schema {
    /// From the source with pg_dump, unless the target has all of it
    Auto,
    /// As the target has it: what it lacks is said
    Skip,
}

/// `--roles`
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Roles {
    /// Every role that is needed has to exist
    Check,
    /// Create missing ones, without passwords
    Copy,
    /// Leave out what names a missing one: owners, privileges, policies, user mappings
    Skip,
}

/// `--foreign-keys`
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Fks {
    /// A replicated TRUNCATE meets none until then
    AtCutover,
    /// At the end of the setup
    Now,
}

const AFTER: &str = "\
Examples:
  pgl-setup --dry-run                  what would be done, and what is done already
  pgl-preflight | pgl-setup --plan -   with the plan that was checked
  pgl-setup --jobs 8                   eight tables at a time
  pgl-setup --roles copy               create the roles that are missing on the target
  pgl-setup --until target.schema      stop after a step; the same command without it continues

A run that was stopped is continued by the same command. A copy that was completed is made again only with --restart.
Foreign keys wait for the cutover unless --foreign-keys now is given.";

impl Setup {
    pub(crate) fn options(&self) -> Options {
        Options {
            copy: match self.copy {
                Copier::Parallel => CopyMode::Parallel,
                Copier::None => CopyMode::None,
            },
            schema: match self.schema_copy {
                Schema::Auto => SchemaMode::Auto,
                Schema::Skip => SchemaMode::Skip,
            },
            roles: match self.roles {
                Roles::Check => RoleMode::Check,
                Roles::Copy => RoleMode::Copy,
                Roles::Skip => RoleMode::Skip,
            },
            foreign_keys: match self.foreign_keys {
                Fks::AtCutover => ForeignKeys::AtCutover,
                Fks::Now => ForeignKeys::Now,
            },
            keep_indexes: if self.keep_indexes {
                KeepIndexes::Yes
            } else {
                KeepIndexes::No
            },
        }
    }
}
