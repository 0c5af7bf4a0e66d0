//! What is done when nobody waits any more: keys validated, the slot confirmed, replication that has
//! done its work switched off. Each part is repeated by `--resume` where it is not done.

use std::time::{Duration, Instant};

use pgl_apply::cutover as apply;
use pgl_apply::schema::{self, How};
use pgl_apply::{Done, Error, Servers, Watch};
use pgl_cli::stop_point;
use pgl_conn::Session;
use pgl_core::cutover::{Attempt, Direction, State};
use pgl_core::setup::StepId;

use crate::ground::Ground;
use crate::view::{Body, Phase};

/// How long the slot's confirmation, sent about once a second, is waited for.
const CONFIRMATION: Duration = Duration::from_secs(15);

pub(crate) struct Rest<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) direction: Direction,
    pub(crate) attempt: Attempt,
    pub(crate) body: Body,
    pub(crate) old: Session,
    pub(crate) new: Session,
}

impl Rest<'_> {
    /// Everything once more, in new sessions.
    pub(crate) fn again(&mut self) -> Result<(), Error> {
        self.old = self.ground.open(self.ground.old_home(self.direction))?;
        self.new = self.ground.open(self.ground.new_home(self.direction))?;
        self.run()
    }

    /// Everything; the first failure ends it.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        for session in [&mut self.old, &mut self.new] {
            apply::limit(session, None)?;
        }
        self.wall()?;
        if self.direction == Direction::Forward {
            self.validate()?;
        }
        self.confirm()?;
        stop_point("finish");
        self.attempt.state = State::Done;
        let done = apply::conclude(&self.ground.name, &self.attempt);
        apply::note_firmly(&mut self.old, &done)?;
        self.body.state = Some(State::Done);
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

    /// Removes the write-block triggers of the new home, which the promotion has disabled.
    fn wall(&mut self) -> Result<(), Error> {
        let left = apply::wall_standing(&mut self.new, &self.ground.name)?;
        apply::clear_wall(&mut self.new, &self.ground.name, &left);
        Ok(())
    }

    fn validate(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let servers = Servers {
            tool: self.ground.tool,
            source: self.ground.source.clone(),
            target: self.ground.target.clone(),
        };
        let how = How {
            secrets: std::collections::HashMap::new(),
            jobs: 2,
            settings: Vec::new(),
        };
        let done = schema::run(
            &servers,
            &self.ground.name,
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
    /// late sequence message would move the new home's sequences.
    fn confirm(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let home = self.ground.home(self.direction, &mut self.new)?;
        let Some(lsn) = self.attempt.final_lsn else {
            return Ok(());
        };
        if home.slot.is_empty() {
            let what = format!(
                "subscription {} is gone: there is nothing to wait for",
                home.subscription
            );
            self.done("confirm", started, what);
            return Ok(());
        }
        let mut confirmed = apply::confirmed(&mut self.old, &home, lsn)?;
        while !confirmed && started.elapsed() < CONFIRMATION {
            std::thread::sleep(Duration::from_millis(100));
            confirmed = apply::confirmed(&mut self.old, &home, lsn)?;
        }
        if !confirmed {
            return Err(Error::NotYet {
                side: self.old.side(),
                what: format!(
                    "slot {} is not confirmed up to LSN {lsn} after {} s, so subscription {} stays enabled; the \
                     target had applied everything before its promotion",
                    home.slot,
                    CONFIRMATION.as_secs(),
                    home.subscription
                ),
                hint: "pgl-cutover --resume waits for it again".to_owned(),
            });
        }
        if !self.attempt.reverse && self.direction == Direction::Forward {
            let (name, token) = (&self.ground.name, &self.attempt.token);
            apply::disable(&mut self.new, &home.subscription, name, token)?;
        }
        let what = format!("slot {} is confirmed up to {lsn}", home.slot);
        self.done("confirm", started, what);
        Ok(())
    }
}
