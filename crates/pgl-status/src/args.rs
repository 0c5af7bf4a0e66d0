//! The command line.

use std::time::Duration;

use clap::{ArgGroup, Parser};
use pgl_cli::args::{ClientPrograms, Connect, Output, PlanInput};
use pgl_cli::units;
use pgl_core::status::{Goal, MaxLag};

/// Report the state of a migration, and why it does not run
///
/// Exit 0 where the subscription replicates, its stream is connected, no cause blocks it and the lag is
/// within --max-lag; 1 where not; 3 where the target could not be read.
#[derive(Parser, Clone)]
#[command(
    after_help = AFTER,
    group = ArgGroup::new("way").args(["watch", "wait_for"]),
    mut_arg("force", |force| force.requires("plan")),
    mut_arg("pg_bindir", |dir| dir.requires("definitions"))
)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(flatten)]
    pub(crate) input: PlanInput,
    /// Name of the migration [default: the source database's name]
    #[arg(long, value_name = "NAME", conflicts_with = "subscription")]
    pub(crate) name: Option<String>,
    /// Name of the subscription, where it was not made by pgl-setup
    #[arg(long, value_name = "NAME")]
    pub(crate) subscription: Option<String>,
    /// Report again and again: repaint a terminal, write one NDJSON object a reading into a pipe
    #[arg(long)]
    pub(crate) watch: bool,
    /// Between two readings of --watch and --wait-for
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::parse_duration, requires = "way")]
    pub(crate) interval: Duration,
    /// Wait until: replicating, synced, caught-up, drained:LSN
    #[arg(long, value_name = "GOAL")]
    pub(crate) wait_for: Option<Goal>,
    /// Wait at most this long; then exit 4
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = units::parse_duration, requires = "wait_for")]
    pub(crate) timeout: Duration,
    /// Not healthy above this lag: a size of WAL (100MB) or a time (10s)
    #[arg(long, value_name = "LIMIT", value_parser = max_lag)]
    pub(crate) max_lag: Option<MaxLag>,
    /// Compare the definitions of both sides with those at the setup, as pgl-cutover does
    #[arg(long, conflicts_with = "way")]
    pub(crate) definitions: bool,
    #[command(flatten)]
    pub(crate) programs: ClientPrograms,
    /// Show the values of rows in messages of the servers
    #[arg(long)]
    pub(crate) show_values: bool,
    /// Measure rates for this long; 0 takes one sample and measures none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_duration, conflicts_with = "way")]
    pub(crate) sample: Duration,
    #[command(flatten)]
    pub(crate) output: Output,
}

const AFTER: &str = "\
--format prometheus writes metrics for node-exporter's textfile collector.

Examples:
  pgl-status                                        one reading
  pgl-status --watch                                repaint every two seconds
  pgl-status --definitions                          what was changed on one side since the setup
  until pgl-status --max-lag 10s -q; do sleep 5; done
  pgl-status --wait-for caught-up --timeout 1h && pgl-verify
  pgl-status --format prometheus > /var/lib/node_exporter/pgl.prom";

/// `100MB` is a size, `10s` is a time.
fn max_lag(text: &str) -> Result<MaxLag, String> {
    // Bare zero is the one number that needs no unit; humantime takes it for a time.
    let bare_zero = text.trim() == "0";
    if let Ok(limit) = humantime::parse_duration(text.trim())
        && !bare_zero
    {
        return Ok(MaxLag::Seconds(limit.as_secs_f64()));
    }
    if text.trim().parse::<f64>().is_ok_and(|number| number != 0.0) {
        return Err(format!("{text:?} has no unit; try 10s or 100MB"));
    }
    units::parse_bytes(text)
        .map(MaxLag::Bytes)
        .map_err(|_| format!("neither a size nor a time: {text:?}; try 10s or 100MB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_units() {
        assert_eq!(max_lag("10s"), Ok(MaxLag::Seconds(10.0)));
        assert_eq!(max_lag("1m 30s"), Ok(MaxLag::Seconds(90.0)));
        assert_eq!(max_lag("500ms"), Ok(MaxLag::Seconds(0.5)));
        assert_eq!(max_lag("100MB"), Ok(MaxLag::Bytes(100 << 20)));
        assert_eq!(max_lag("0"), Ok(MaxLag::Bytes(0)));
        assert!(max_lag("10").is_err());
        assert!(max_lag("soon").is_err());
    }
}
