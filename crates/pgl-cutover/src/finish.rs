//! What is done when nobody waits any more: keys validated, the slot confirmed, replication that has
//! done its work switched off. Each part is repeated by `pgl-cutover resume` where it is not done.

use std::time::{Duration, Instant};

use pgl_apply::cutover as apply;
use pgl_apply::schema::{self, How};
use pgl_apply::{Done, Error, Servers, Watch};
use pgl_cli::{Context, Failure, stop_point};
use pgl_conn::Session;
use pgl_core::cutover::{Attempt, AttemptState, Direction};
use pgl_core::doc::Verdict;
use pgl_core::setup::StepId;

use crate::context::{CutoverContext, emit};
use crate::drop_reverse;
use crate::view::{CutoverBody, Phase};

/// How long the slot's confirmation, sent about once a second, is waited for.
const CONFIRMATION: Duration = Duration::from_secs(15);

pub(crate) struct Rest<'a> {
    pub(crate) migration: &'a CutoverContext,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) direction: Direction,
    pub(crate) attempt: Attempt,
    pub(crate) body: CutoverBody,
    pub(crate) old: Session,
    pub(crate) new: Session,
}

/// Whether the database that was left records another attempt than this one, or that it was rolled back; false where it
/// cannot be asked.
pub(crate) fn taken_over(migration: &CutoverContext, direction: Direction, token: &str) -> bool {
    let record = migration
        .open(migration.provider(direction))
        .and_then(|mut session| pgl_catalog::cutover_record(&mut session, &migration.name));
    record.is_ok_and(|record| {
        !record.attempt.is_some_and(|attempt| {
            attempt.token == token
                && !matches!(
                    attempt.state,
                    AttemptState::Restored | AttemptState::RolledBack
                )
        })
    })
}

impl Rest<'_> {
    /// Everything once more, in new sessions.
    pub(crate) fn again(&mut self) -> Result<(), Error> {
        self.old = self
            .migration
            .open(self.migration.provider(self.direction))?;
        self.new = self
            .migration
            .open(self.migration.subscriber(self.direction))?;
        self.run()
    }

    /// Whether another run has rolled the attempt back or begun its own, or has removed the migration: whatever failed
    /// did so behind that.
    pub(crate) fn overtaken(&self, error: &Error) -> bool {
        matches!(error, Error::Overtaken { .. })
            || taken_over(self.migration, self.direction, &self.attempt.token)
    }

    /// Everything; the first failure ends it.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        apply::still_made(&mut self.old, &self.migration.name, &self.attempt)?;
        for session in [&mut self.old, &mut self.new] {
            apply::limit(session, None)?;
        }
        self.clear_write_block()?;
        if self.direction == Direction::Forward {
            self.validate()?;
        }
        self.confirm()?;
        stop_point("finish");
        self.attempt.state = AttemptState::Done;
        let done = apply::conclude(&self.migration.name, &self.attempt);
        apply::note_firmly(&mut self.old, &done)?;
        self.body.state = Some(AttemptState::Done);
        Ok(())
    }

    fn done(&mut self, id: &str, started: Instant, what: String) {
        log::info!("{id}: {what}");
        self.body.phases.push(Phase {
            id: id.to_owned(),
            seconds: started.elapsed().as_secs_f64(),
            in_pause: false,
            what,
        });
    }

    /// Removes the write-block triggers of the subscriber, which the promotion has disabled.
    fn clear_write_block(&mut self) -> Result<(), Error> {
        let left = apply::write_block_tables(&mut self.new, &self.migration.name)?;
        apply::clear_write_block(&mut self.new, &self.migration.name, &left);
        Ok(())
    }

    fn validate(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let servers = Servers {
            tool: self.migration.tool,
            source: self.migration.source.clone(),
            target: self.migration.target.clone(),
        };
        let how = How {
            secrets: std::collections::HashMap::new(),
            jobs: 2,
            settings: Vec::new(),
        };
        let done = schema::run(
            &servers,
            &mut self.new,
            &self.migration.name,
            StepId::TargetForeignKeys,
            &how,
            self.watch,
        )?;
        let what = match done {
            Done::Changed(what) | Done::Already(what) => what,
        };
        self.done("validate", started, what);
        Ok(())
    }

    /// The final word on the last position, then the end of replication that would only do harm: a
    /// late sequence message would move the subscriber's sequences.
    fn confirm(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let link = self.migration.link(self.direction, &mut self.new)?;
        let Some(lsn) = self.attempt.final_lsn else {
            return Ok(());
        };
        if link.slot.is_empty() {
            let what = format!(
                "subscription {} is gone: there is nothing to wait for",
                link.subscription
            );
            self.done("confirm-flush", started, what);
            return Ok(());
        }
        let mut confirmed = apply::confirmed(&mut self.old, &link, lsn)?;
        while !confirmed && started.elapsed() < CONFIRMATION {
            std::thread::sleep(Duration::from_millis(100));
            confirmed = apply::confirmed(&mut self.old, &link, lsn)?;
        }
        if !confirmed {
            return Err(Error::NotYet {
                side: self.old.side(),
                what: format!(
                    "slot {} is not confirmed up to LSN {lsn} after {} s, so subscription {} stays enabled; the \
                     {} had applied everything before its promotion",
                    link.slot,
                    CONFIRMATION.as_secs(),
                    link.subscription,
                    self.new.side()
                ),
                hint: "pgl-cutover resume waits for it again".to_owned(),
            });
        }
        if !self.attempt.reverse && self.direction == Direction::Forward {
            let (name, token) = (&self.migration.name, &self.attempt.token);
            apply::disable(&mut self.new, &link.subscription, name, token)?;
        }
        let what = format!("slot {} is confirmed up to {lsn}", link.slot);
        self.done("confirm-flush", started, what);
        Ok(())
    }
}

/// What comes after the promotion, and the answer.
pub(crate) fn finish(
    context: &Context,
    migration: &CutoverContext,
    mut rest: Rest<'_>,
    faults: Vec<String>,
) -> Result<Verdict, Failure> {
    rest.body.state = Some(AttemptState::Promoted);
    let mut outcome = rest.run();
    if let Err(Error::Server(error)) = &outcome
        && error.is_lost()
    {
        // Whoever takes over ends our sessions: whether the attempt is still ours is asked in new ones.
        log::warn!("{error}; trying again");
        outcome = rest.again();
    }
    if outcome.is_ok() && rest.direction == Direction::Back {
        // Its work is done. What anybody writes on the target from now on is not the source's.
        drop_reverse::remove(migration, &mut rest.body);
    }
    let mut faults = faults;
    let mut overtaken = false;
    if let Err(mut error) = outcome {
        overtaken = rest.overtaken(&error);
        if overtaken {
            error = Error::Overtaken {
                side: migration.provider(rest.direction).side(),
            };
        }
        let next = match &error {
            _ if overtaken => "",
            Error::Objects { .. } => {
                "; fix that on the target, then pgl-cutover resume finishes the cutover"
            }
            _ => "; pgl-cutover resume finishes the cutover",
        };
        faults.push(format!("{}{next}", named(&error)));
    }
    let mut body = rest.body;
    let verdict = if overtaken {
        body.state = None;
        Verdict::Refused
    } else if !body.checked.differences.is_empty() {
        Verdict::No
    } else if faults.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Partial
    };
    if !faults.is_empty() {
        body.error = Some(faults.join("; "));
        context.say(&format!("pgl-cutover: error: {}", faults.join("; ")));
    }
    emit(context, migration, verdict, body)
}

/// An error with the objects that it is about: a foreign key that rows contradict has to be known by name.
fn named(error: &Error) -> String {
    let Error::Objects { failures, .. } = error else {
        return error.to_string();
    };
    let each = failures.iter().map(|one| {
        let detail = one
            .detail
            .as_deref()
            .map_or_else(String::new, |text| format!(" {text}"));
        format!("{}: {}{detail}", one.object, one.message)
    });
    format!("{error}: {}", each.collect::<Vec<_>>().join("; "))
}
