//! Standard output and error, and what is known about them. Tests pass buffers.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use crate::args::{Color, Format, Output};
use crate::escape::{Breaks, escape};

/// The descriptor behind `io::stdout()`, which takes what cannot be written to it (EBADF) for written.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        File::from(io::stdout().as_fd().try_clone_to_owned()?).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The two output streams and the decisions made about them once, at the start.
#[derive(Clone)]
pub struct Streams {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    err: ErrorStream,
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
            out: Arc::new(Mutex::new(Box::new(BufWriter::new(Stdout)))),
            err: ErrorStream::unhurried(Box::new(io::stderr())),
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
            err: ErrorStream::Direct(Arc::new(Mutex::new(err))),
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

    /// Writes one line for people to stderr, or several of a failure, without waiting for whoever reads it: a pipe that is full must not keep
    /// writers of a database waiting. A closed stderr is nothing to fail over.
    pub fn tell(&self, line: &str) {
        self.err.line(&escape(line, Breaks::Keep));
    }

    /// Waits until everything that was told is written: before the process ends.
    pub(crate) fn drain(&self) {
        self.err.drain();
    }
}

/// Lines for people.
#[derive(Clone)]
enum ErrorStream {
    /// Written by a thread of its own.
    Queue(mpsc::Sender<ToError>),
    /// Written at once: buffers of tests, and where no thread could be started.
    Direct(Arc<Mutex<Box<dyn Write + Send>>>),
}

enum ToError {
    Line(String),
    /// Answered when everything before it is written.
    Drain(mpsc::SyncSender<()>),
}

impl ErrorStream {
    fn unhurried(to: Box<dyn Write + Send>) -> Self {
        let to = Arc::new(Mutex::new(to));
        let (sender, receiver) = mpsc::channel();
        let mine = Arc::clone(&to);
        let thread = std::thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || {
                for message in receiver {
                    match message {
                        ToError::Line(line) => write_line(&mine, &line),
                        ToError::Drain(done) => {
                            if done.send(()).is_err() {
                                // Whoever asked has gone.
                            }
                        }
                    }
                }
            });
        match thread {
            Ok(_) => Self::Queue(sender),
            Err(_) => Self::Direct(to),
        }
    }

    fn line(&self, line: &str) {
        match self {
            Self::Queue(queue) => {
                if queue.send(ToError::Line(line.to_owned())).is_err() {
                    // The thread lives as long as the process.
                }
            }
            Self::Direct(to) => write_line(to, line),
        }
    }

    fn drain(&self) {
        if let Self::Queue(queue) = self {
            let (sender, receiver) = mpsc::sync_channel(1);
            if queue.send(ToError::Drain(sender)).is_ok() && receiver.recv().is_err() {
                // Likewise.
            }
        }
    }
}

fn write_line(to: &Mutex<Box<dyn Write + Send>>, line: &str) {
    if writeln!(lock(to), "{line}").is_err() {
        // Nobody is listening; the exit code still says what happened.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks until it is told to go on, as a full pipe does.
    struct Full(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_full_pipe_and_nothing_that_was_told_is_lost() {
        let (go, gate) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let err = ErrorStream::unhurried(Box::new(Full(gate, written)));
        // Both would block for ever if they waited.
        err.line("one");
        err.line("two");
        assert!(read.try_recv().is_err());
        for _ in 0..100 {
            if go.send(()).is_err() {
                break;
            }
        }
        err.drain();
        let all: Vec<u8> = read.try_iter().flatten().collect();
        assert_eq!(String::from_utf8_lossy(&all), "one\ntwo\n");
    }
}
