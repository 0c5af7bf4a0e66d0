//! What several families share: remedies in the words of the platform, figures for people.

use crate::facts::server::{Platform, ServerState};
use crate::facts::{Facts, NotRun};
use crate::{QualifiedName, Severity, quote_literal};

/// A remedy for one server: words, SQL where SQL can do it, and whether a restart is needed.
pub(super) struct Fix {
    /// What to do.
    pub(super) text: String,
    /// SQL that does it.
    pub(super) sql: Option<String>,
    /// Whether it takes effect only after a restart.
    pub(super) restart: bool,
}

/// How to set a server parameter where the server runs. `value` is written as SQL takes it.
pub(super) fn set_parameter(server: &ServerState, name: &str, value: &str) -> Result<Fix, NotRun> {
    let restart = server
        .setting(name)?
        .is_some_and(|setting| setting.context == "postmaster");
    Ok(parameter(server.platform()?, name, value, restart))
}

/// [`set_parameter`] for a parameter of which is known whether it needs a restart.
pub(super) fn parameter(platform: Platform, name: &str, value: &str, restart: bool) -> Fix {
    let (what, place, restarted) = match platform {
        Platform::SelfManaged => ("", "", "restart the server"),
        Platform::Rds => (
            "",
            " in the instance's DB parameter group",
            "reboot the instance",
        ),
        Platform::Aurora => (
            "",
            " in the DB cluster parameter group",
            "reboot the writer instance",
        ),
        Platform::CloudSql | Platform::AlloyDb => {
            ("the database flag ", "", "restart the instance")
        }
        Platform::Azure => ("the server parameter ", "", "restart the server"),
    };
    let bare = value.replace('\'', "");
    let then = if restart { ", then " } else { "" };
    let restarted = if restart { restarted } else { "" };
    let reload = if restart {
        ""
    } else {
        "\nSELECT pg_reload_conf();"
    };
    Fix {
        text: format!("Set {what}{name} = {bare}{place}{then}{restarted}."),
        sql: (!platform.is_managed())
            .then(|| format!("ALTER SYSTEM SET {name} = {value};{reload}")),
        restart,
    }
}

/// How to add a library to `shared_preload_libraries`, whose value is `now`.
pub(super) fn preload(platform: Platform, now: &str, library: &str) -> Fix {
    let mut libraries = list(now);
    // The service adds it, and accepts no value with it.
    libraries.retain(|one| !platform.is_aws() || one != "rdsutils");
    libraries.push(library.to_owned());
    let quoted: Vec<String> = libraries.iter().map(|one| quote_literal(one)).collect();
    parameter(
        platform,
        "shared_preload_libraries",
        &quoted.join(", "),
        true,
    )
}

/// Whether a list such as `shared_preload_libraries` has a library. An element may be a path.
pub(super) fn lists_library(value: &str, library: &str) -> bool {
    list(value).iter().any(|element| {
        let file = element.rsplit('/').next().unwrap_or(element);
        file.trim_end_matches(".so") == library
    })
}

/// `ALTER TABLE` of this one.
pub(super) fn alter(table: &QualifiedName, how: impl std::fmt::Display) -> String {
    format!("ALTER TABLE {} {how};", table.sql())
}

/// A warning where this holds, else good to know.
pub(super) fn warn_if(holds: bool) -> Severity {
    if holds {
        Severity::Warn
    } else {
        Severity::Info
    }
}

/// Blocks where this holds, else a warning.
pub(super) fn block_if(holds: bool) -> Severity {
    if holds {
        Severity::Block
    } else {
        Severity::Warn
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Sizes for people: `1.5 GiB`.
pub(super) fn bytes(count: f64) -> String {
    let mut value = count;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{value:.0} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// Durations for people: `3h 20m`, `45s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round();
    // A float of this size converts exactly; `as` saturates beyond.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped above, and saturating is right for a figure that people read"
    )]
    let whole = whole as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m {}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {}m", whole / 3_600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// The first few of many names, and how many more there are.
pub fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The elements of a list setting such as `shared_preload_libraries`. A name in double quotes may
/// hold commas: then it is one element, which is how a list that was quoted as a whole shows.
pub(super) fn list(value: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut quoted = false;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                element.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut element)),
            c if c.is_whitespace() && !quoted => {}
            c => element.push(c),
        }
    }
    elements.push(element);
    elements.retain(|element| !element.is_empty());
    elements
}

/// How many databases of the migration still have to find workers, slots and senders: this one
/// no more once it is under way.
pub(super) fn still_to_come(facts: &Facts) -> u64 {
    let total = u64::from(facts.asked.databases_total.max(1));
    total - u64::from(facts.under_way())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plural;

    #[test]
    fn figures_are_readable() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(5_368_709_120.0), "5.0 GiB");
        assert_eq!(duration(59.4), "59s");
        assert_eq!(duration(3_725.0), "1h 2m");
        assert_eq!(duration(200_000.0), "2d 7h");
        assert_eq!(plural(1, "table"), "1 table");
        assert_eq!(
            some_of(&["a", "b", "c", "d", "e", "f"]),
            "a, b, c, d, e and 1 more"
        );
    }

    #[test]
    fn lists_lose_their_quotes() {
        assert_eq!(list("pgoutput, \"pglogical\" ,"), ["pgoutput", "pglogical"]);
        assert_eq!(list("\"a, b\""), ["a, b"]);
        assert_eq!(list(""), [""; 0]);
    }

    #[test]
    fn a_restart_is_said_in_the_words_of_the_platform() {
        let here = parameter(Platform::SelfManaged, "wal_level", "'logical'", true);
        assert_eq!(
            here.sql.as_deref(),
            Some("ALTER SYSTEM SET wal_level = 'logical';")
        );
        assert!(here.restart);
        let rds = parameter(Platform::Rds, "wal_level", "'logical'", true);
        assert!(rds.text.contains("parameter group") && rds.text.contains("reboot"));
        assert_eq!(rds.sql, None);
    }
}
