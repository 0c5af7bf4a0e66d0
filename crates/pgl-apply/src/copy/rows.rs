//! Counting rows in a COPY stream, so that what the source sent can be held against what the target
//! took.

use pgl_core::setup::copy::Form;

/// Counts while bytes pass by, in pieces of any size.
pub(super) enum Counter {
    /// Each row ends with a line feed; one inside a value is written as `\n`.
    Text { rows: u64 },
    /// A header, then rows: a number of fields, then length and bytes of each.
    Binary(Binary),
}

/// Where in the binary format the next byte stands.
pub(super) struct Binary {
    rows: u64,
    skip: u64,
    need: Need,
    have: Vec<u8>,
    fields: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Signature and flags, 15 bytes, and the length of the extension area, 4 bytes.
    Header,
    /// Number of fields, 2 bytes; -1 ends the stream.
    Row,
    /// Length of a field, 4 bytes; -1 is null.
    Field,
    /// Nothing more.
    End,
}

impl Counter {
    pub(super) fn new(form: Form) -> Self {
        match form {
            Form::Text => Self::Text { rows: 0 },
            Form::Binary => Self::Binary(Binary {
                rows: 0,
                skip: 0,
                need: Need::Header,
                have: Vec::with_capacity(19),
                fields: 0,
            }),
        }
    }

    pub(super) fn pass(&mut self, bytes: &[u8]) {
        match self {
            Self::Text { rows } => {
                *rows += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            Self::Binary(binary) => binary.pass(bytes),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Text { rows } => *rows,
            Self::Binary(binary) => binary.rows,
        }
    }
}

impl Binary {
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.need != Need::End {
            if self.skip > 0 {
                let step = usize::try_from(self.skip)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.skip -= step as u64;
                bytes = &bytes[step..];
                continue;
            }
            let size = match self.need {
                Need::Header => 19,
                Need::Row => 2,
                Need::Field => 4,
                Need::End => return,
            };
            let step = (size - self.have.len()).min(bytes.len());
            self.have.extend_from_slice(&bytes[..step]);
            bytes = &bytes[step..];
            if self.have.len() == size {
                let have = std::mem::take(&mut self.have);
                self.complete(&have);
            }
        }
    }

    fn complete(&mut self, have: &[u8]) {
        match (self.need, have) {
            (Need::Header, [.., a, b, c, d]) => {
                self.skip = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
                self.need = Need::Row;
            }
            (Need::Row, [a, b]) => {
                let fields = i16::from_be_bytes([*a, *b]);
                if fields < 0 {
                    self.need = Need::End;
                } else {
                    self.rows += 1;
                    self.fields = fields.unsigned_abs();
                    self.need = if fields == 0 { Need::Row } else { Need::Field };
                }
            }
            (Need::Field, [a, b, c, d]) => {
                let length = i32::from_be_bytes([*a, *b, *c, *d]);
                self.skip = u64::try_from(length).unwrap_or(0);
                self.fields -= 1;
                if self.fields == 0 {
                    self.need = Need::Row;
                }
            }
            _ => self.need = Need::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(form: Form, bytes: &[u8], piece: usize) -> u64 {
        let mut counter = Counter::new(form);
        for part in bytes.chunks(piece) {
            counter.pass(part);
        }
        counter.rows()
    }

    #[test]
    fn binary_rows_in_pieces_of_any_size() {
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 2, 9, 9]);
        for value in [Some(&b"a\nbc"[..]), None, Some(b"")] {
            bytes.extend(2_u16.to_be_bytes());
            bytes.extend(4_u32.to_be_bytes());
            bytes.extend(b"\xff\xff\xff\xff");
            match value {
                Some(value) => {
                    bytes.extend((value.len() as u32).to_be_bytes());
                    bytes.extend(value);
                }
                None => bytes.extend((-1_i32).to_be_bytes()),
            }
        }
        bytes.extend(0_u16.to_be_bytes());
        bytes.extend((-1_i16).to_be_bytes());
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(count(Form::Binary, &bytes, piece), 4, "pieces of {piece}");
        }
    }

    #[test]
    fn text_rows_are_lines() {
        assert_eq!(count(Form::Text, b"1\ta\\nb\n2\t\\N\n\n", 2), 3);
        assert_eq!(count(Form::Text, b"", 1), 0);
    }
}
