//! One reading, a watch, or a wait.

use std::time::{Duration, Instant};

use pgl_cli::args::Format;
use pgl_cli::{Context, Failure, input, units};
use pgl_conn::{Endpoint, Environment};
use pgl_core::definitions::AFTER_CUTOVER;
use pgl_core::doc::{Incoming, Verdict};
use pgl_core::migration::Names;
use pgl_core::status::facts::{Close, Snapshot};
use pgl_core::status::wait::{self, LastingCauses};
use pgl_core::status::{Goal, MaxLag, WaitProgress, Word};
use pgl_core::{Migration, Side, plural};

use crate::StatusArgs;
use crate::body::{Material, StatusBody, WaitView};
use crate::collect::{Observer, Place};
use crate::view::{page, running};

/// Rates are taken over this long.
const WINDOW: f64 = 30.0;
/// So many samples are remembered, for lag that is measured by comparing with earlier positions.
const REMEMBERED: usize = 20_000;
/// Between two closer looks while something is wrong, and while all is well.
const LOOK_AGAIN: f64 = 3.0;
const LOOK_AGAIN_WELL: f64 = 60.0;
/// Longest pause between two looks of a wait, whatever the interval.
const WAIT_PAUSE: Duration = Duration::from_secs(1);
/// Longest time that one reading takes to see whether a lag is within its limit, in seconds.
const LONGEST_SETTLE: f64 = 15.0;
/// A watch says how a wait goes on this often.
const TELL: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &StatusArgs, context: &Context) -> Result<Verdict, Failure> {
    if let (Some(goal), Some(_)) = (args.wait_for, args.max_lag)
        && goal != Goal::CaughtUp
    {
        return Err(Failure::usage(format!(
            "--max-lag goes with --wait-for caught-up and not with {goal}"
        )));
    }
    let incoming = input::read_plan(&args.input, &context.interrupt)?;
    let mut status = Status::new(args, context, incoming)?;
    match args.wait_for {
        Some(goal) => status.wait(goal),
        None if args.watch => status.watch(),
        None => status.once(),
    }
}

struct Status<'a> {
    args: &'a StatusArgs,
    context: &'a Context,
    /// What an earlier tool's document says.
    planned: Option<Migration>,
    observer: Observer<'a>,
    samples: Vec<Snapshot>,
    close: Close,
    looked: Option<f64>,
}

impl<'a> Status<'a> {
    fn new(
        args: &'a StatusArgs,
        context: &'a Context,
        incoming: Option<Incoming>,
    ) -> Result<Self, Failure> {
        let environment = Environment::capture();
        let target = context.endpoint(Side::Target, &args.connect, &environment)?;
        let named = args.connect.source.is_some() || Endpoint::is_named(Side::Source, &environment);
        if args.definitions && !named {
            return Err(Failure::usage("--definitions reads the source, too")
                .hint("name it with --source or PGL_SOURCE"));
        }
        let source = named
            .then(|| context.endpoint(Side::Source, &args.connect, &environment))
            .transpose()?;
        let (planned, plan) = incoming.map_or((None, None), |one| (one.migration, one.plan));
        let name = args
            .name
            .clone()
            .or_else(|| planned.as_ref().map(|migration| migration.name.clone()))
            .or_else(|| source.as_ref().map(|source| source.dbname().to_owned()))
            .unwrap_or_else(|| target.dbname().to_owned());
        let subscription = match (&args.subscription, &args.name, &plan) {
            (Some(subscription), _, _) => subscription.clone(),
            (None, None, Some(plan)) => plan.names.subscription.clone(),
            _ => Names::of(&name).subscription,
        };
        let observer = Observer::new(
            context,
            (
                source.map(|source| Place::new(context, source)),
                Place::new(context, target),
            ),
            name,
            subscription,
            plan,
            args.show_values,
        );
        Ok(Self {
            args,
            context,
            planned,
            observer,
            samples: Vec::new(),
            close: Close::default(),
            looked: None,
        })
    }

    /// Takes a sample in.
    fn sample(&mut self) -> Result<(), Failure> {
        let sample = self.observer.sample()?;
        self.same_pair()?;
        self.samples.push(sample);
        if self.samples.len() > REMEMBERED {
            // Every second one of the older half: the distant past may be coarser.
            let half = REMEMBERED / 2;
            let mut at = 0;
            self.samples.retain(|_| {
                at += 1;
                at > half || at % 2 == 0
            });
        }
        Ok(())
    }

    /// A document that was made for other databases is refused, as far as these were reached.
    fn same_pair(&self) -> Result<(), Failure> {
        let Some(planned) = &self.planned else {
            return Ok(());
        };
        let (source, target) = self.observer.databases();
        for (side, found) in [(Side::Source, source), (Side::Target, target)] {
            if let Some(found) = found {
                input::same_server(planned, side, &found)?;
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Failure> {
        if let Some(newest) = self.samples.last() {
            let before = std::mem::take(&mut self.close);
            self.close = self.observer.close(newest)?;
            // A server that crashes again and again lets its log be read only now and then.
            if newest.target.trouble().is_some() && self.close.target.is_none() {
                self.close.target = before.target;
            }
            self.looked = Some(self.observer.clock());
        }
        Ok(())
    }

    fn material(&self) -> Material<'_> {
        let last = self.samples.last().map_or(0.0, |sample| sample.at);
        let from = self
            .samples
            .partition_point(|sample| sample.at < last - WINDOW);
        Material {
            samples: &self.samples,
            recent: &self.samples[from..],
            close: &self.close,
            sizes: &self.observer.sizes,
            name: &self.observer.migration,
            subscription: &self.observer.subscription,
            max_lag: self.args.max_lag,
        }
    }

    /// A sample, and a closer look where it is time for one.
    fn step(&mut self) -> Result<StatusBody, Failure> {
        self.sample()?;
        let before = self.material().reading();
        let doubt = before.causes.iter().any(|cause| cause.loses_rows());
        let every = if before.healthy && !doubt {
            LOOK_AGAIN_WELL
        } else {
            LOOK_AGAIN
        };
        let due = self
            .looked
            .is_none_or(|at| self.observer.clock() - at >= every);
        // The first sight of trouble is looked into at once.
        let fresh = before.blocked() && self.samples.len() < 3;
        if due || fresh {
            self.look()?;
            return Ok(self.material().reading());
        }
        Ok(before)
    }

    fn once(&mut self) -> Result<Verdict, Failure> {
        self.sample()?;
        if !self.args.sample.is_zero() {
            self.pause(self.args.sample)?;
            self.sample()?;
        }
        self.settle()?;
        self.look()?;
        if self.args.definitions {
            if self.close.cutover.is_some() {
                return Err(Failure::usage(AFTER_CUTOVER));
            }
            self.close.definitions = self.observer.definitions(self.args.programs.dir());
        }
        let reading = self.material().reading();
        let verdict = verdict(&reading);
        self.emit(verdict, reading)?;
        Ok(verdict)
    }

    /// A lag within the limit shows itself within the limit: until then the target has reached the
    /// position at which the source was first seen. Without this, a source that writes rarely would
    /// look late right after it has written.
    fn settle(&mut self) -> Result<(), Failure> {
        let Some(limit @ MaxLag::Seconds(seconds)) = self.args.max_lag else {
            return Ok(());
        };
        let until = self.observer.clock() + seconds.min(LONGEST_SETTLE);
        loop {
            let reading = self.material().reading();
            let open = reading.state == Word::Replicating && !limit.holds(reading.lag.as_ref());
            if !open || self.observer.clock() >= until {
                return Ok(());
            }
            self.pause(Duration::from_millis(250))?;
            self.sample()?;
        }
    }

    fn watch(&mut self) -> Result<Verdict, Failure> {
        let format = self.context.streams.format;
        if format == Format::Prometheus {
            return Err(
                Failure::usage("--watch does not go with --format prometheus")
                    .hint("run pgl-status from a timer, one reading at a time"),
            );
        }
        // Documents one after the other are no document.
        let lines = matches!(format, Format::Json | Format::Ndjson);
        let mut header = true;
        loop {
            let reading = self.step()?;
            let last = verdict(&reading);
            if lines {
                self.context.record(&Line::new(last, &reading))?;
            } else {
                self.paint(last, reading, &mut header)?;
            }
            match self.pause(self.args.interval) {
                Ok(()) => {}
                // Whoever watches ends the watch: that is no failure, and the code says the signal.
                Err(_) if self.context.interrupt.exit().is_some() => {
                    if lines {
                        self.context.record(&Summary::new(self.context, last))?;
                    }
                    return Ok(last);
                }
                Err(other) => return Err(other),
            }
        }
    }

    fn paint(
        &self,
        verdict: Verdict,
        reading: StatusBody,
        header: &mut bool,
    ) -> Result<(), Failure> {
        let document = self.document(verdict, reading);
        let streams = &self.context.streams;
        match streams.format {
            Format::Csv => {
                let text = pgl_cli::report::render(&document, streams)?;
                let skip = if *header {
                    0
                } else {
                    text.find('\n').map_or(0, |at| at + 1)
                };
                *header = false;
                self.context.print(&text[skip..])
            }
            _ if streams.out_tty => {
                let text = page(&document, streams.width, streams.out_color);
                // Home, the text with each line's rest cleared, then everything below.
                let text = text.replace('\n', "\x1b[K\n");
                self.context.print(&format!("\x1b[H{text}\x1b[J"))
            }
            _ => {
                let text = page(&document, streams.width, streams.out_color);
                self.context.print(&format!("{text}\n"))
            }
        }
    }

    fn wait(&mut self, goal: Goal) -> Result<Verdict, Failure> {
        let began = Instant::now();
        let mut trouble = LastingCauses::default();
        let mut told = Instant::now();
        let pause = self.args.interval.min(WAIT_PAUSE);
        let (progress, mut reading) = loop {
            let mut reading = self.step()?;
            let mut reached = self.material().reached(goal, &reading);
            if reached && goal != Goal::Replicating {
                // Before saying so, whether the tables hold anything at all.
                self.look()?;
                reading = self.material().reading();
                reached = self.material().reached(goal, &reading);
            }
            let at = self.observer.clock();
            let mut progress = trouble.judge(at, &reading.causes, reached);
            if progress == WaitProgress::Broken {
                // What was seen some seconds ago may have been fixed since.
                self.sample()?;
                self.look()?;
                reading = self.material().reading();
                progress = trouble.judge(self.observer.clock(), &reading.causes, false);
            }
            if reading.state == Word::CutOver {
                progress = WaitProgress::Broken;
            }
            if progress != WaitProgress::Waiting || began.elapsed() >= self.args.timeout {
                break (progress, reading);
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.context.say(&tell(goal, &reading, began.elapsed()));
            }
            let left = self.args.timeout.saturating_sub(began.elapsed());
            self.pause(pause.min(left).max(Duration::from_millis(20)))?;
        };
        let verdict = wait::verdict(progress, &reading.causes, reading.cutover.is_some());
        reading.wait = Some(WaitView {
            goal: goal.to_string(),
            reached: progress == WaitProgress::Reached,
            broken: progress == WaitProgress::Broken,
            seconds: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        });
        if progress == WaitProgress::Broken {
            let first = reading.causes.iter().find(|cause| cause.ends_wait());
            let why = match (&reading.cutover, first) {
                (Some(cut), _) => cut.to_string(),
                (None, Some(cause)) => cause.what.clone(),
                (None, None) => "replication has stopped".to_owned(),
            };
            self.context
                .say(&format!("pgl-status: {goal} cannot be reached: {why}"));
        } else if progress == WaitProgress::Reached && goal != Goal::Replicating {
            log::info!("row counts are unproven; pgl-verify compares the rows");
        }
        self.emit(verdict, reading)?;
        Ok(verdict)
    }

    fn document(
        &self,
        verdict: Verdict,
        reading: StatusBody,
    ) -> pgl_core::doc::Document<StatusBody> {
        let (source, target) = self.observer.databases();
        let found = source.map(|source| Migration {
            name: self.observer.migration.clone(),
            source,
            target,
        });
        let migration = found.or_else(|| self.planned.clone());
        let plan = self.observer.plan.clone();
        self.context.document(verdict, migration, plan, reading)
    }

    fn emit(&self, verdict: Verdict, reading: StatusBody) -> Result<(), Failure> {
        self.context.emit(&self.document(verdict, reading))
    }

    /// Sleeps in short pieces, so that a signal is heard.
    fn pause(&self, time: Duration) -> Result<(), Failure> {
        let until = Instant::now() + time;
        loop {
            self.context.interrupt.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// 3 where the target could not be read; 1 where not all is well.
fn verdict(reading: &StatusBody) -> Verdict {
    if reading.target.reachable != Some(true) {
        Verdict::Unknown
    } else if reading.healthy {
        Verdict::Ok
    } else {
        Verdict::No
    }
}

fn tell(goal: Goal, reading: &StatusBody, waited: Duration) -> String {
    let waited = units::duration(Duration::from_secs(waited.as_secs()));
    let mut text = format!(
        "pgl-status: waiting for {goal} since {waited}: {}",
        reading.state
    );
    if let Some(running) = running(reading) {
        text.push_str(&format!(", {running}"));
    }
    if !reading.tables.waiting.is_empty() {
        text.push_str(&format!(
            ", {} to go",
            plural(reading.tables.waiting.len(), "table")
        ));
    }
    if let Some(lag) = &reading.lag {
        text.push_str(&format!(", {} behind", units::bytes(lag.bytes)));
    }
    if let Some(cause) = reading.causes.iter().find(|cause| cause.stops()) {
        text.push_str(&format!("; {}", cause.what));
    }
    text
}

/// One reading in a stream.
#[derive(serde::Serialize)]
struct Line<'a> {
    r#type: &'static str,
    at: String,
    verdict: Verdict,
    #[serde(flatten)]
    reading: &'a StatusBody,
}

impl<'a> Line<'a> {
    fn new(verdict: Verdict, reading: &'a StatusBody) -> Self {
        Self {
            r#type: "reading",
            at: pgl_cli::now(),
            verdict,
            reading,
        }
    }
}

/// The closing line of a stream.
#[derive(serde::Serialize)]
struct Summary {
    r#type: &'static str,
    tool: &'static str,
    generated_at: String,
    verdict: Verdict,
}

impl Summary {
    fn new(context: &Context, verdict: Verdict) -> Self {
        Self {
            r#type: "summary",
            tool: context.tool,
            generated_at: pgl_cli::now(),
            verdict,
        }
    }
}
