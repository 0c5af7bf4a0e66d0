//! The binary COPY format, as far as reading rows goes.

use std::io::{self, Read};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Fields longer than this cannot come from a server: a row has at most 1 GiB.
const LONGEST: i32 = 0x3fff_ffff;

/// Rows of `COPY … TO STDOUT (FORMAT binary)`.
pub struct BinaryRows<R> {
    input: R,
    buffer: Vec<u8>,
    /// Start and end of each field in `buffer`; none for NULL.
    fields: Vec<Option<(usize, usize)>>,
    done: bool,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("binary COPY: {what}"))
}

impl<R: Read> BinaryRows<R> {
    /// Reads the header.
    pub fn new(mut input: R) -> io::Result<Self> {
        let mut head = [0_u8; 19];
        input.read_exact(&mut head)?;
        if &head[..11] != SIGNATURE {
            return Err(bad("wrong signature"));
        }
        let extension = u32::from_be_bytes([head[15], head[16], head[17], head[18]]);
        let skipped = io::copy(
            &mut (&mut input).take(u64::from(extension)),
            &mut io::sink(),
        )?;
        if skipped != u64::from(extension) {
            return Err(bad("header cut off"));
        }
        Ok(Self {
            input,
            buffer: Vec::new(),
            fields: Vec::new(),
            done: false,
        })
    }

    /// Moves to the next row; false at the end. A stream without the trailer is an error: a
    /// connection that broke must not look like a shorter table.
    pub fn advance(&mut self) -> io::Result<bool> {
        if self.done {
            return Ok(false);
        }
        let mut two = [0_u8; 2];
        self.input.read_exact(&mut two)?;
        let count = i16::from_be_bytes(two);
        if count == -1 {
            self.done = true;
            // Draining lets the connection see the end of the COPY.
            io::copy(&mut self.input, &mut io::sink())?;
            return Ok(false);
        }
        let count = usize::try_from(count).map_err(|_| bad("negative field count"))?;
        self.buffer.clear();
        self.fields.clear();
        for _ in 0..count {
            let mut four = [0_u8; 4];
            self.input.read_exact(&mut four)?;
            let length = i32::from_be_bytes(four);
            if length == -1 {
                self.fields.push(None);
                continue;
            }
            if !(0..=LONGEST).contains(&length) {
                return Err(bad("field length"));
            }
            let start = self.buffer.len();
            let end = start + usize::try_from(length).map_err(|_| bad("field length"))?;
            self.buffer.resize(end, 0);
            self.input.read_exact(&mut self.buffer[start..end])?;
            self.fields.push(Some((start, end)));
        }
        Ok(true)
    }

    /// A field of the current row; none for NULL.
    pub fn field(&self, at: usize) -> Option<&[u8]> {
        let (start, end) = (*self.fields.get(at)?)?;
        self.buffer.get(start..end)
    }

    /// Unambiguous bytes of the fields from `from` on, appended to `out`: each with its length,
    /// NULL told apart from an empty value.
    pub fn image(&self, from: usize, out: &mut Vec<u8>) {
        for at in from..self.fields.len() {
            match self.field(at) {
                None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
                Some(bytes) => {
                    // A field is shorter than 1 GiB, as checked above.
                    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
                    out.extend_from_slice(&length.to_be_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend_from_slice(&[0; 8]);
        for row in rows {
            out.extend_from_slice(&i16::try_from(row.len()).unwrap().to_be_bytes());
            for field in *row {
                match field {
                    None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                    Some(bytes) => {
                        out.extend_from_slice(&i32::try_from(bytes.len()).unwrap().to_be_bytes());
                        out.extend_from_slice(bytes);
                    }
                }
            }
        }
        out.extend_from_slice(&(-1_i16).to_be_bytes());
        out
    }

    fn images(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rows = BinaryRows::new(bytes).unwrap();
        let mut all = Vec::new();
        while rows.advance().unwrap() {
            let mut image = Vec::new();
            rows.image(0, &mut image);
            all.push(image);
        }
        all
    }

    #[test]
    fn images_are_unambiguous() {
        let list = images(&stream(&[
            &[Some(b"a"), Some(b"bc")],
            &[Some(b"ab"), Some(b"c")],
            &[None, Some(b"")],
            &[Some(b""), None],
            &[],
        ]));
        assert_eq!(list.len(), 5);
        for (at, one) in list.iter().enumerate() {
            assert!(list[at + 1..].iter().all(|two| one != two));
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        let whole = stream(&[&[Some(b"abc")], &[Some(b"d")]]);
        for cut in 19..whole.len() {
            let mut rows = BinaryRows::new(&whole[..cut]).unwrap();
            let end = loop {
                match rows.advance() {
                    Ok(true) => {}
                    other => break other,
                }
            };
            assert!(end.is_err(), "cut at {cut}");
        }
        assert!(BinaryRows::new(&b"not a copy stream at all"[..]).is_err());
    }
}
