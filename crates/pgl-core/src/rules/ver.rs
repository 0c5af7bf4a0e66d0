//! Versions: of PostgreSQL, of pglogical, of the managed service.

use super::common::warn_if;
use super::{Rule, each, facts, pair, source};
use crate::Side::{self, Source, Target};
use crate::facts::server::{PglogicalVersion, Platform};
use crate::{ServerVersion, Severity};

pub(super) const CHECKS: &[Rule] = &[
    each("ver.supported", |side, server, emit| {
        let version = server.version()?;
        if version < ServerVersion::OLDEST {
            emit.find(side, format!("the {side} is PostgreSQL {version}"));
        } else if version.major_num() > NEWEST_KNOWN {
            let what =
                format!("PostgreSQL {version} is newer than any that pglogical is known to run on");
            emit.find(side, what)
                .severity(Severity::Warn)
                .remedy("Make sure that your pglogical release supports this version.");
        }
        Ok(())
    }),
    pair("ver.direction", |source, target, emit| {
        let (from, to) = (source.version()?, target.version()?);
        if to.major_num() < from.major_num() {
            let what = format!("the target ({to}) is older than the source ({from})");
            emit.find(Target, what);
        }
        Ok(())
    }),
    source("ver.minor_floor", |server, emit| {
        let version = server.version()?;
        let floor = match version.major_num() {
            904 => ServerVersion(90_412),
            905 => ServerVersion(90_507),
            906 => ServerVersion(90_603),
            _ => return Ok(()),
        };
        if version < floor {
            let what = format!(
                "the source is {version}; snapshots of logical slots are correct from {floor} on"
            );
            emit.find(Source, what).needs_restart();
        }
        Ok(())
    }),
    each("ver.rds_floor", |side, server, emit| {
        let version = server.version()?;
        let old = match version.major_num() {
            0..906 => true,
            906 => version.minor() < 10,
            1_000 => version.minor() < 5,
            1_100 => version.minor() < 1,
            _ => false,
        };
        if old && server.platform()? == Platform::Rds {
            emit.find(side, format!("the RDS instance is PostgreSQL {version}"));
        }
        Ok(())
    }),
    each("ver.pglogical_available", |side, server, emit| {
        if server.available("pglogical")?.is_some() {
            return Ok(());
        }
        let what = format!("pglogical is not among the extensions that the {side} can create");
        let draft = emit.find(side, what);
        let major = server.version()?.major();
        let remedy = match server.platform()? {
            Platform::SelfManaged => format!(
                "Install the package on the {side}'s host: postgresql-{major}-pglogical on Debian and Ubuntu, pglogical_{major} on Red Hat."
            ),
            Platform::Azure => "Add pglogical to the server parameter azure.extensions, and to shared_preload_libraries.".to_owned(),
            other => format!(
                "{} ships pglogical with newer minor releases only: upgrade the instance.",
                other.as_str()
            ),
        };
        draft.remedy(remedy);
        Ok(())
    }),
    each("ver.pglogical_pair", |side, server, emit| {
        if let Some(version) = server.pglogical_version()?
            && version < PglogicalVersion(2, 0, 0)
        {
            emit.find(side, format!("pglogical {version} is a release before 2.0"));
        }
        Ok(())
    }),
    each("ver.pglogical_origin", |side, server, emit| {
        const NAME: &str = "pglogical_origin";
        let old = server.version()?.major_num() == 904;
        if !old || server.extension(NAME)?.is_some() {
            return Ok(());
        }
        if server.available(NAME)?.is_none() {
            emit.find(side, format!("the {side} is 9.4 and has no {NAME}"));
        } else {
            emit.find(side, format!("the {side} is 9.4: {NAME} is created first"))
                .severity(Severity::Info)
                .remedy("pgl-setup creates it; without it, create it before pglogical.")
                .sql("CREATE EXTENSION IF NOT EXISTS pglogical_origin;".to_owned());
        }
        Ok(())
    }),
    each("ver.pglogical_not_updated", |side, server, emit| {
        let installed = server.extension("pglogical")?;
        if let (Some(installed), Some(files)) = (installed, server.available("pglogical")?) {
            let (version, there) = (&installed.version, files.default_version.as_deref());
            if PglogicalVersion::parse(version) < there.and_then(PglogicalVersion::parse) {
                let there = there.unwrap_or("newer");
                let what = format!("extension pglogical is {version}, its files are {there}");
                let sql = "ALTER EXTENSION pglogical UPDATE;".to_owned();
                emit.find(side, what).object("pglogical").sql(sql);
            }
        }
        Ok(())
    }),
    each("ver.pglogical_defects", |side, server, emit| {
        let Some(release) = server.pglogical_version()? else {
            return Ok(());
        };
        let version = server.version()?;
        let known: Vec<&str> = DEFECTS
            .iter()
            .filter(|(fixed, _, applies)| release < *fixed && applies(side, version))
            .map(|(_, what, _)| *what)
            .collect();
        if !known.is_empty() {
            let aurora = server.platform()? == Platform::Aurora;
            let severity = warn_if(aurora && release < PglogicalVersion(2, 4, 5));
            let name = format!("pglogical {release}");
            let what = format!("{name}: {}", known.join("; "));
            emit.find(side, what).object(name).severity(severity);
        }
        Ok(())
    }),
    facts("ver.reverse_path", |facts, emit| {
        let source = &facts.source.server;
        if source.version()?.major_num() == 904 {
            let what = "the source is 9.4: pgl-cutover has no --reverse there";
            emit.find(Source, what).remedy(
                "Rehearse, and verify before the cutover: there is no replication back afterwards.",
            );
            return Ok(());
        }
        let new = facts.target()?.server.version()?;
        if let Some(release) = source.pglogical_version()?
            && new.at_least(17)
            && release < PglogicalVersion(2, 4, 5)
        {
            let name = format!("pglogical {release}");
            let what = format!("{name} on the source cannot make a slot on PostgreSQL {new}");
            emit.find(Source, what).object(name);
        }
        Ok(())
    }),
];

/// The newest major that a pglogical release is known for (2.4.8).
const NEWEST_KNOWN: u32 = 1_900;

/// A defect of releases before this one that a migration can meet, and whether it applies to this side and this server.
type Defect = (
    PglogicalVersion,
    &'static str,
    fn(Side, ServerVersion) -> bool,
);

const DEFECTS: &[Defect] = &[
    (
        PglogicalVersion(2, 2, 1),
        "subscriptions are not restarted after a restart of the provider",
        |side, _| side == Target,
    ),
    (
        PglogicalVersion(2, 3, 4),
        "a database name can run shell commands on the server (CVE-2021-3515)",
        |_, _| true,
    ),
    (
        PglogicalVersion(2, 4, 1),
        "the apply worker crashes on domains and SQL functions without a snapshot",
        |side, _| side == Target,
    ),
    (
        PglogicalVersion(2, 4, 3),
        "DROP DATABASE hangs while the supervisor runs",
        |_, version| version.at_least(15),
    ),
    (
        PglogicalVersion(2, 4, 6),
        "DROP DATABASE hangs while an apply worker runs",
        |side, version| side == Target && version.at_least(15),
    ),
    (
        PglogicalVersion(2, 4, 7),
        "synchronising one table hangs while the source is idle",
        |side, _| side == Target,
    ),
    (
        PglogicalVersion(2, 4, 7),
        "row filters leak memory",
        |side, _| side == Source,
    ),
    (
        PglogicalVersion(2, 4, 8),
        "four security defects (CVE-2026-50735 to CVE-2026-50738)",
        |_, _| true,
    ),
];

#[cfg(test)]
pub(super) use cases::CASES;

#[cfg(test)]
mod cases {
    use super::*;
    use crate::facts::server::{AvailableExtension, Extension, ServerState};
    use crate::rules::testing::server::{on_target, pglogical, source};
    use crate::rules::testing::{Case, fires, known, silent};

    fn version(server: &mut ServerState, number: u32) {
        known(&mut server.identity).version = ServerVersion(number);
    }

    fn marker(server: &mut ServerState, name: &str) {
        known(&mut server.identity).markers = vec![name.to_owned()];
    }

    pub(in crate::rules) const CASES: &[Case] = &[
        fires("ver.supported", Severity::Block, "9.3", |f| {
            version(source(f), 90_325);
        }),
        fires("ver.supported", Severity::Warn, "20", |f| {
            version(on_target(f), 200_000);
        }),
        silent("ver.supported", "9.4 to 19", |f| {
            version(source(f), 90_426);
            version(on_target(f), 190_000);
        }),
        fires("ver.direction", Severity::Block, "17 to 13", |f| {
            version(source(f), 170_011);
            version(on_target(f), 130_016);
        }),
        silent("ver.direction", "an older minor of the same major", |f| {
            version(source(f), 170_011);
            version(on_target(f), 170_002);
        }),
        fires("ver.minor_floor", Severity::Block, "9.6.2", |f| {
            version(source(f), 90_602);
        }),
        silent("ver.minor_floor", "9.6.3", |f| version(source(f), 90_603)),
        fires("ver.rds_floor", Severity::Block, "RDS 9.6.9", |f| {
            marker(source(f), "rds");
            version(source(f), 90_609);
        }),
        silent("ver.rds_floor", "RDS 9.6.10", |f| {
            marker(source(f), "rds");
            version(source(f), 90_610);
        }),
        silent("ver.rds_floor", "9.6.9 elsewhere", |f| {
            version(source(f), 90_609);
        }),
        fires(
            "ver.pglogical_available",
            Severity::Block,
            "no files",
            |f| {
                known(&mut on_target(f).available).retain(|ext| ext.name != "pglogical");
            },
        ),
        fires("ver.pglogical_pair", Severity::Warn, "1.2", |f| {
            pglogical(source(f), "1.2.2");
        }),
        fires(
            "ver.pglogical_origin",
            Severity::Block,
            "9.4 without",
            |f| {
                version(source(f), 90_426);
            },
        ),
        fires(
            "ver.pglogical_origin",
            Severity::Info,
            "9.4 with its files",
            |f| {
                version(source(f), 90_426);
                known(&mut source(f).available).push(AvailableExtension {
                    name: "pglogical_origin".into(),
                    ..AvailableExtension::default()
                });
            },
        ),
        fires(
            "ver.pglogical_not_updated",
            Severity::Info,
            "older catalog",
            |f| {
                known(&mut source(f).extensions).push(Extension {
                    name: "pglogical".into(),
                    version: "2.4.2".into(),
                    schema: "pglogical".into(),
                });
            },
        ),
        fires("ver.pglogical_defects", Severity::Info, "2.3.3", |f| {
            pglogical(source(f), "2.3.3");
        }),
        fires(
            "ver.pglogical_defects",
            Severity::Warn,
            "2.4.2 on Aurora",
            |f| {
                marker(on_target(f), "aurora_version");
                pglogical(on_target(f), "2.4.2");
            },
        ),
        fires(
            "ver.reverse_path",
            Severity::Info,
            "2.3.3 back from 17",
            |f| {
                pglogical(source(f), "2.3.3");
            },
        ),
        fires("ver.reverse_path", Severity::Info, "9.4", |f| {
            version(source(f), 90_426);
        }),
        silent("ver.reverse_path", "2.3.3 back from 15", |f| {
            pglogical(source(f), "2.3.3");
            version(on_target(f), 150_020);
        }),
    ];
}
