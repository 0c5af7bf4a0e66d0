//! Standard output and error, and what is known about them. Tests pass buffers.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::args::{Color, Format, Output};
use crate::escape::{Breaks, escape};

/// The two output streams and the decisions made about them once, at the start.
#[derive(Clone)]
pub struct Streams {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    err: Arc<Mutex<Box<dyn Write + Send>>>,
    /// Form of the answer.
    pub format: Format,
    /// Whether stdout may carry colour.
    pub out_color: bool,
    /// Whether stderr may carry colour.
    pub err_color: bool,
    /// Whether stdout is a terminal.
    pub out_tty: bool,
    /// Whether stderr is a terminal: progress is drawn only then.
    pub err_tty: bool,
    /// Columns of the terminal, 80 where unknown.
    pub width: usize,
}

impl Streams {
    /// The process's own streams.
    pub fn stdio(options: &Output) -> Self {
        let out_tty = io::stdout().is_terminal();
        let err_tty = io::stderr().is_terminal();
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let fallback = if out_tty { Format::Text } else { Format::Json };
        Self {
            out: Arc::new(Mutex::new(Box::new(BufWriter::new(io::stdout())))),
            err: Arc::new(Mutex::new(Box::new(io::stderr()))),
            format: options.format.unwrap_or(fallback),
            out_color: wants_color(options.color, out_tty),
            err_color: wants_color(options.color, err_tty),
            out_tty,
            err_tty,
            width: width.max(40),
        }
    }

    /// Buffers in place of a terminal.
    pub fn to_writers(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        format: Format,
    ) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
            err: Arc::new(Mutex::new(err)),
            format,
            out_color: false,
            err_color: false,
            out_tty: false,
            err_tty: false,
            width: 80,
        }
    }

    /// Writes to stdout and flushes, so that a reader of a stream sees whole records at once and
    /// a full disk is noticed here.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        let mut out = lock(&self.out);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes one line for people to stderr, or several of a failure. A closed stderr is nothing to fail
    /// over.
    pub fn tell(&self, line: &str) {
        let mut err = lock(&self.err);
        if writeln!(err, "{}", escape(line, Breaks::Keep)).is_err() {
            // Nobody is listening; the exit code still says what happened.
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<Box<T>>) -> MutexGuard<'_, Box<T>> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn wants_color(choice: Color, tty: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") => true,
        Color::Auto => tty && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}
