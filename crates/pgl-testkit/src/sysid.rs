//! A system identifier of its own for every cluster copied from a template.
//!
//! Two copies of one template would pass for the same server, and the suite tells databases apart by
//! that number. So the copy's control file gets a new one (and a new checksum), after which
//! `pg_resetwal` makes the write-ahead log agree.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// Writes a new system identifier into `global/pg_control` of a cluster that is read-only down.
pub(crate) fn renew(data: &Path) -> Result<()> {
    let path = data.join("global/pg_control");
    let mut bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(end) = checksum_offset(&bytes) else {
        bail!(
            "{} has no checksum where every version since 10 has one",
            path.display()
        );
    };
    bytes[..8].copy_from_slice(&fresh().to_ne_bytes());
    let checksum = crc32c(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&checksum.to_ne_bytes());
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Seconds in the upper half as initdb does it; process and counter below, so that no two agree.
fn fresh() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let low = u64::from(now.subsec_micros()) << 12
        ^ u64::from(std::process::id()).rotate_left(8)
        ^ COUNTER.fetch_add(1, Ordering::Relaxed);
    (now.as_secs() << 32) | (low & 0xffff_ffff)
}

/// Where the checksum stands differs between majors; it covers all bytes before it.
fn checksum_offset(bytes: &[u8]) -> Option<usize> {
    (64..bytes.len().min(512).saturating_sub(4))
        .step_by(4)
        .find(|&at| {
            let stored =
                u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            stored != 0 && crc32c(&bytes[..at]) == stored
        })
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn castagnoli_check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn identifiers_differ() {
        let mut seen: Vec<u64> = (0..100).map(|_| fresh()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }
}
