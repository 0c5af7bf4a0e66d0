//! COPY as streams. Errors inside them are [`Error`]s wrapped for `std::io`: see
//! [`Error::from_io`].

use std::io::{self, BufRead, BufWriter, Read, Write};

use pgl_core::Side;

use crate::cancel::GiveUp;
use crate::error::{Error, Phase};

/// Enough for the driver to send full packets; measured faster by half than without.
const BUFFER: usize = 64 * 1024;

/// The driver's error inside an `io::Error`, in our form.
fn translate(side: Side, error: io::Error) -> io::Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<postgres::Error>())
    {
        Some(driver) => Error::from_driver(side, driver, Phase::Established).into(),
        None => error,
    }
}

/// The output of `COPY … TO STDOUT`. Dropped before its end, it cancels the COPY: otherwise the
/// next statement would wait until the server has sent everything.
pub struct CopyOut<'a> {
    side: Side,
    reader: postgres::CopyOutReader<'a>,
    give_up: GiveUp,
    ended: bool,
}

impl<'a> CopyOut<'a> {
    pub(crate) fn new(side: Side, reader: postgres::CopyOutReader<'a>, give_up: GiveUp) -> Self {
        Self {
            side,
            reader,
            give_up,
            ended: false,
        }
    }
}

impl BufRead for CopyOut<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.reader.fill_buf() {
            Ok(bytes) => {
                self.ended = bytes.is_empty();
                Ok(bytes)
            }
            Err(error) => {
                self.ended = true;
                Err(translate(self.side, error))
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

impl Read for CopyOut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let reader = &mut self.reader;
        self.give_up.until(|| {
            let length = reader.fill_buf().map_or(0, <[u8]>::len);
            reader.consume(length);
            length > 0
        });
    }
}

/// The input of `COPY … FROM STDIN`. Dropped without [`CopyIn::finish`], the COPY fails and
/// nothing of it stays.
pub struct CopyIn<'a> {
    side: Side,
    writer: BufWriter<postgres::CopyInWriter<'a>>,
}

impl<'a> CopyIn<'a> {
    pub(crate) fn new(side: Side, writer: postgres::CopyInWriter<'a>) -> Self {
        Self {
            side,
            writer: BufWriter::with_capacity(BUFFER, writer),
        }
    }

    /// Ends the COPY: the number of rows that the server took.
    ///
    /// # Errors
    /// What the server found wrong with the data, or a lost connection.
    pub fn finish(self) -> Result<u64, Error> {
        let side = self.side;
        let writer = self
            .writer
            .into_inner()
            .map_err(|error| Error::from_io(side, translate(side, error.into_error())))?;
        writer
            .finish()
            .map_err(|error| Error::from_driver(side, &error, Phase::Established))
    }
}

impl Write for CopyIn<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let side = self.side;
        self.writer
            .write(bytes)
            .map_err(|error| translate(side, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let side = self.side;
        self.writer.flush().map_err(|error| translate(side, error))
    }
}
