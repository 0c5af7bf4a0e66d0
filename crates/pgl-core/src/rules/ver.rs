//! Versions: of PostgreSQL, of pglogical, of the managed service.

use super::common::{each, source, target};
use super::{Emit, Ran, Rule};
use crate::facts::Facts;
use crate::facts::server::{PglogicalVersion, Platform};
use crate::{ServerVersion, Severity, Side};

pub(super) const CHECKS: &[Rule] = &[
    ("ver.supported", supported),
    ("ver.direction", direction),
    ("ver.minor_floor", minor_floor),
    ("ver.rds_floor", rds_floor),
    ("ver.pglogical_available", pglogical_available),
    ("ver.pglogical_pair", pglogical_pair),
    ("ver.pglogical_origin", pglogical_origin),
    ("ver.pglogical_not_updated", pglogical_not_updated),
    ("ver.pglogical_defects", pglogical_defects),
    ("ver.reverse_path", reverse_path),
    ("ver.platform", platform),
];

/// The newest major that a pglogical release is known for (2.4.7).
const NEWEST_KNOWN: u32 = 1_900;

fn supported(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let version = server.version()?;
        if version < ServerVersion::OLDEST {
            emit.find(side, format!("the {side} is PostgreSQL {version}"));
        } else if version.major_num() > NEWEST_KNOWN {
            emit.find(
                side,
                format!("PostgreSQL {version} is newer than any that pglogical is known to run on"),
            )
            .severity(Severity::Warn)
            .remedy("Make sure that your pglogical release supports this version.");
        }
        Ok(())
    })
}

fn direction(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let from = source(facts).version()?;
    let to = target(facts)?.version()?;
    if to.major_num() < from.major_num() {
        emit.find(
            Side::Target,
            format!("the target ({to}) is older than the source ({from})"),
        );
    }
    Ok(())
}

fn minor_floor(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    let version = source(facts).version()?;
    let floor = match version.major_num() {
        904 => 90_412,
        905 => 90_507,
        906 => 90_603,
        _ => return Ok(()),
    };
    if version.0 < floor {
        emit.find(
            Side::Source,
            format!(
                "the source is {version}; snapshots of logical slots are correct from {} on",
                ServerVersion(floor)
            ),
        )
        .needs_restart();
    }
    Ok(())
}

fn rds_floor(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if server.platform()? != Platform::Rds {
            return Ok(());
        }
        let version = server.version()?;
        let old = match version.major_num() {
            0..906 => true,
            906 => version.minor() < 10,
            1_000 => version.minor() < 5,
            1_100 => version.minor() < 1,
            _ => false,
        };
        if old {
            emit.find(side, format!("the RDS instance is PostgreSQL {version}"));
        }
        Ok(())
    })
}

fn pglogical_available(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if server.available("pglogical")?.is_some() {
            return Ok(());
        }
        let draft = emit.find(
            side,
            format!("pglogical is not among the extensions that the {side} can create"),
        );
        let major = server.version()?.major();
        match server.platform()? {
            Platform::SelfManaged => draft.remedy(format!(
                "Install the package on the {side}'s host: postgresql-{major}-pglogical on Debian \
                 and Ubuntu, pglogical_{major} on Red Hat."
            )),
            Platform::Azure => draft.remedy(
                "Add pglogical to the server parameter azure.extensions, and to \
                 shared_preload_libraries.",
            ),
            other => draft.remedy(format!(
                "{} ships pglogical with newer minor releases only: upgrade the instance.",
                other.as_str()
            )),
        };
        Ok(())
    })
}

fn pglogical_pair(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        if let Some(version) = server.pglogical_version()?
            && version < PglogicalVersion(2, 0, 0)
        {
            emit.find(side, format!("pglogical {version} is a release before 2.0"));
        }
        Ok(())
    })
}

fn pglogical_origin(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let old = server.version()?.major_num() == 904;
        if !old || server.extension("pglogical_origin")?.is_some() {
            return Ok(());
        }
        if server.available("pglogical_origin")?.is_none() {
            emit.find(
                side,
                format!("the {side} is 9.4 and has no pglogical_origin"),
            );
        } else {
            emit.find(
                side,
                format!("the {side} is 9.4: pglogical_origin is created first"),
            )
            .severity(Severity::Info)
            .remedy("pgl-setup creates it; by hand, create it before pglogical.")
            .sql("CREATE EXTENSION IF NOT EXISTS pglogical_origin;");
        }
        Ok(())
    })
}

fn pglogical_not_updated(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let (Some(installed), Some(files)) = (
            server.extension("pglogical")?,
            server.available("pglogical")?,
        ) else {
            return Ok(());
        };
        let there = files
            .default_version
            .as_deref()
            .and_then(PglogicalVersion::parse);
        if PglogicalVersion::parse(&installed.version) < there {
            emit.find(
                side,
                format!(
                    "extension pglogical is {}, its files are {}",
                    installed.version,
                    files.default_version.as_deref().unwrap_or("newer")
                ),
            )
            .object("pglogical")
            .sql("ALTER EXTENSION pglogical UPDATE;");
        }
        Ok(())
    })
}

/// A defect of releases before `fixed` that a migration can meet.
struct Defect {
    fixed: PglogicalVersion,
    what: &'static str,
    /// Whether it applies to this side and this server.
    applies: fn(Side, ServerVersion) -> bool,
}

const DEFECTS: &[Defect] = &[
    Defect {
        fixed: PglogicalVersion(2, 2, 1),
        what: "subscriptions are not restarted after a restart of the provider",
        applies: |side, _| side == Side::Target,
    },
    Defect {
        fixed: PglogicalVersion(2, 3, 4),
        what: "a database name can run shell commands on the server (CVE-2021-3515)",
        applies: |_, _| true,
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 1),
        what: "the apply worker crashes on domains and SQL functions without a snapshot",
        applies: |side, _| side == Side::Target,
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 3),
        what: "DROP DATABASE hangs while the supervisor runs",
        applies: |_, version| version.at_least(15),
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 6),
        what: "DROP DATABASE hangs while an apply worker runs",
        applies: |side, version| side == Side::Target && version.at_least(15),
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 7),
        what: "synchronising one table hangs while the source is idle",
        applies: |side, _| side == Side::Target,
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 7),
        what: "row filters leak memory",
        applies: |side, _| side == Side::Source,
    },
    Defect {
        fixed: PglogicalVersion(2, 4, 8),
        what: "four security defects (CVE-2026-50735 to CVE-2026-50738)",
        applies: |_, _| true,
    },
];

fn pglogical_defects(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let Some(release) = server.pglogical_version()? else {
            return Ok(());
        };
        let version = server.version()?;
        let known: Vec<&str> = DEFECTS
            .iter()
            .filter(|defect| release < defect.fixed && (defect.applies)(side, version))
            .map(|defect| defect.what)
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        let aurora = server.platform()? == Platform::Aurora && release < PglogicalVersion(2, 4, 5);
        let severity = if aurora {
            Severity::Warn
        } else {
            Severity::Info
        };
        emit.find(side, format!("pglogical {release}: {}", known.join("; ")))
            .object(format!("pglogical {release}"))
            .severity(severity);
        Ok(())
    })
}

fn reverse_path(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    if source(facts).version()?.major_num() == 904 {
        emit.find(
            Side::Source,
            "the source is 9.4: pgl-cutover has no --reverse there".to_owned(),
        )
        .remedy("Rehearse, and verify before the switch: there is no replication back afterwards.");
        return Ok(());
    }
    let new = target(facts)?.version()?;
    let Some(release) = source(facts).pglogical_version()? else {
        return Ok(());
    };
    if new.at_least(17) && release < PglogicalVersion(2, 4, 5) {
        emit.find(
            Side::Source,
            format!("pglogical {release} on the source cannot make a slot on PostgreSQL {new}"),
        )
        .object(format!("pglogical {release}"));
    }
    Ok(())
}

fn platform(facts: &Facts, emit: &mut Emit<'_>) -> Ran {
    each(facts, emit, |side, server, emit| {
        let platform = server.platform()?;
        if platform.is_managed() {
            emit.find(side, format!("the {side} runs on {}", platform.as_str()));
        }
        Ok(())
    })
}

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
        silent("ver.supported", "9.4 to 18", |f| {
            version(source(f), 90_426);
            version(on_target(f), 180_006);
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
            marker(source(f), "rdsadmin");
            version(source(f), 90_609);
        }),
        silent("ver.rds_floor", "RDS 9.6.10", |f| {
            marker(source(f), "rdsadmin");
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
        fires("ver.platform", Severity::Info, "Cloud SQL", |f| {
            marker(on_target(f), "cloudsqlsuperuser");
        }),
    ];
}
