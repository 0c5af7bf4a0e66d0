//! Digests made here, from binary COPY: place, key columns, other columns.

use std::io::{self, Read};

use pgl_catalog::verify::sql::salt;
use pgl_core::verify::buckets::{Bucket, Buckets};
use pgl_core::verify::copy::BinaryRows;
use pgl_core::verify::rows::{Place, RowSeen};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// One row, digested.
pub(crate) struct Digested {
    pub(crate) place: (u32, u16),
    pub(crate) bucket: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) digest: u128,
}

/// Reads rows of which the first field is the place and the next `keys` fields are the key; calls
/// `each` with every row, reusing one buffer.
pub(crate) fn read<R: Read>(
    input: R,
    keys: usize,
    mut each: impl FnMut(&Digested) -> io::Result<()>,
) -> io::Result<()> {
    let mut rows = BinaryRows::new(input)?;
    let mut image = Vec::new();
    let mut row = Digested {
        place: (0, 0),
        bucket: 0,
        key: Vec::new(),
        digest: 0,
    };
    while rows.advance()? {
        image.clear();
        rows.image(1, &mut image);
        row.place = place(rows.field(0))?;
        row.digest = xxh3_128_with_seed(&image, salt());
        row.key.clear();
        if keys == 0 {
            row.key.extend_from_slice(&row.digest.to_be_bytes());
        } else {
            let end = key_end(&image, keys)?;
            row.key.extend_from_slice(&image[..end]);
        }
        row.bucket = bucket_hash(&row.key);
        each(&row)?;
    }
    Ok(())
}

/// The hash that names a row's bucket, of the bytes of its key.
pub(crate) fn bucket_hash(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, salt())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Where the first `keys` length-prefixed fields end.
fn key_end(image: &[u8], keys: usize) -> io::Result<usize> {
    let mut at = 0;
    for _ in 0..keys {
        let head: [u8; 4] = image
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| bad("a row has fewer columns than its key"))?;
        let length = u32::from_be_bytes(head);
        at += 4;
        if length != u32::MAX {
            at += usize::try_from(length).map_err(|_| bad("field length"))?;
        }
    }
    Ok(at)
}

/// A `tid` as it is sent: block and offset.
pub(crate) fn place(field: Option<&[u8]>) -> io::Result<(u32, u16)> {
    match field {
        Some(&[a, b, c, d, e, f]) => {
            Ok((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f])))
        }
        _ => Err(bad("a row without its place")),
    }
}

/// Adds all rows of a COPY to buckets.
pub(crate) fn sums<R: Read>(input: R, keys: usize, buckets: &mut Buckets) -> io::Result<()> {
    let mask = (buckets.count() as u64).saturating_sub(1);
    read(input, keys, |row| {
        let (first, second) = halves(row.digest);
        let bucket = u32::try_from(row.bucket & mask).map_err(|_| bad("bucket"))?;
        let part = Bucket {
            count: 1,
            first,
            second,
        };
        buckets.add(bucket, part).map_err(io::Error::other)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves on purpose")]
pub(crate) fn halves(digest: u128) -> (u64, u64) {
    ((digest >> 64) as u64, digest as u64)
}

/// Rows of some buckets.
pub(crate) fn rows<R: Read>(
    input: R,
    keys: usize,
    relation: u32,
    wanted: &dyn Fn(u64) -> bool,
    out: &mut Vec<RowSeen>,
) -> io::Result<()> {
    read(input, keys, |row| {
        if wanted(row.bucket) {
            out.push(RowSeen {
                key: row.key.as_slice().into(),
                digest: row.digest,
                place: Place {
                    relation,
                    block: row.place.0,
                    offset: row.place.1,
                },
            });
        }
        Ok(())
    })
}
