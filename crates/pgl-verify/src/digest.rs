//! Which digest: the fastest exact one that both servers have, trusted only after both have given
//! the same answer to a probe.

use pgl_catalog::verify as catalog;
use pgl_conn::Session;
use pgl_core::ServerVersion;
use pgl_core::verify::outcome::Digest;

use crate::args::DigestArg;

/// The choice and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) digest: Digest,
    pub(crate) why: String,
}

/// What could be used, best first, by version alone.
fn candidates(source: ServerVersion, target: ServerVersion) -> Vec<(Digest, &'static str)> {
    let both = |major| source.at_least(major) && target.at_least(major);
    let mut all = Vec::new();
    if both(11) {
        all.push((Digest::Hash, "both servers are 11 or later"));
    }
    all.push((Digest::Md5, "every version has it"));
    all
}

/// Chooses.
pub(crate) fn choose(
    asked: DigestArg,
    counts_only: bool,
    source: &mut Session,
    target: &mut Session,
) -> Choice {
    if counts_only {
        return Choice {
            digest: Digest::Counts,
            why: "asked for".to_owned(),
        };
    }
    if asked == DigestArg::Client {
        return Choice {
            digest: Digest::Client,
            why: "asked for".to_owned(),
        };
    }
    let mut failed = Vec::new();
    let slowest = asked == DigestArg::Md5;
    let candidates = candidates(source.version(), target.version());
    for (digest, reason) in candidates
        .into_iter()
        .filter(|(digest, _)| !slowest || *digest == Digest::Md5)
    {
        let answers = (
            catalog::probe(source, digest),
            catalog::probe(target, digest),
        );
        match answers {
            (Ok(Some(one)), Ok(Some(two))) if one == two => {
                let mut why =
                    format!("{reason}; both servers gave the same digest of known values");
                if !failed.is_empty() {
                    why.push_str(&format!("; not usable: {}", failed.join(", ")));
                }
                return Choice { digest, why };
            }
            (Ok(_), Ok(_)) => failed.push(format!("{} (answers differ)", digest.as_str())),
            (Err(error), _) | (_, Err(error)) => {
                failed.push(format!("{} ({error})", digest.as_str()));
            }
        }
    }
    // Nothing in common on the servers: only this program can digest both sides alike.
    Choice {
        digest: Digest::Client,
        why: format!("no digest function in common: {}", failed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_must_have_the_function() {
        let best = |one, two| candidates(ServerVersion(one), ServerVersion(two))[0].0;
        assert_eq!(best(150_000, 180_000), Digest::Hash);
        assert_eq!(best(130_016, 170_011), Digest::Hash);
        assert_eq!(best(110_000, 110_000), Digest::Hash);
        assert_eq!(best(90_426, 170_011), Digest::Md5);
        assert_eq!(best(100_023, 180_000), Digest::Md5);
    }
}
