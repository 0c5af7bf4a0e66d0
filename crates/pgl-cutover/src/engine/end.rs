//! The second half of an attempt: comparison, hooks, the release, and what is handed on.

use pgl_apply::control::unmark;
use pgl_apply::fingerprint::keep_promoted_marks;
use pgl_apply::target::quiet_triggers_sql;

use super::*;

impl Engine {
    /// Compares both sides, and creates the write-block triggers at the same time, in the transaction of the locks, whose session
    /// compares nothing: the commit before the promotion makes them hold. Without them there is no promotion.
    pub(super) fn verify_and_raise_triggers(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let Sessions {
            old,
            peer,
            reader,
            holder,
            ..
        } = &mut self.sessions;
        let triggers = &self.write_block;
        let (raised, found) = std::thread::scope(|scope| {
            let raised = scope.spawn(|| {
                if !triggers.is_empty() {
                    triggers.raise(holder)?;
                }
                Ok::<_, pgl_conn::Error>(started.elapsed())
            });
            let found = match &self.full {
                Some(full) => full.compare(old, peer),
                None => apply::compare(old, peer, &self.inside),
            };
            (raised.join(), found)
        });
        let took = started.elapsed();
        let raised = raised.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let found = found?;
        let compared = match &self.full {
            Some(full) => full.tables(),
            None => self.inside.len(),
        };
        self.body.checked.before = compared;
        if !found.is_empty() {
            let side = peer.side();
            self.body.checked.differences.clone_from(&found);
            return Err(Error::Refused {
                side: Some(side),
                what: format!(
                    "{} different: {}",
                    plural(found.len(), "table"),
                    found.join("; ")
                ),
                hint: "pgl-verify names the rows".to_owned(),
            });
        }
        let raised = raised?;
        if !self.after.is_empty() {
            // The views that the large ones are counted in when nobody waits any more.
            for session in [reader, peer] {
                apply::freeze_view(session)?;
            }
        }
        if self.args.options.verify != Verify::None {
            let how = match &self.full {
                Some(_) => "row for row",
                None => "in number of rows",
            };
            let what = format!("{} equal {how}", plural(compared, "table"));
            self.took("verify", took, what);
        }
        if !self.write_block.is_empty() {
            let what = plural(self.write_block.len(), "trigger");
            self.took("write-block-triggers", raised, what);
        }
        self.note(AttemptState::Verified)
    }

    pub(super) fn hook(
        &mut self,
        name: &str,
        command: Option<OsString>,
        now: bool,
    ) -> Result<(), Error> {
        let Some(command) = command.filter(|_| now) else {
            return Ok(());
        };
        let started = Instant::now();
        let input = self.hook_input(name);
        let left = self
            .began
            .map(|_| self.deadline.saturating_duration_since(Instant::now()));
        let limit = HookLimit::new(name, self.args.options.restored.hook_timeout, left);
        self.shared.hook_began(limit.clone());
        hook::run(&limit, &command, &input, &|| self.watch.stop())?;
        self.shared.hook_ended();
        self.done(name, started, "succeeded");
        Ok(())
    }

    pub(crate) fn hook_input(&self, name: &str) -> serde_json::Value {
        json!({
            "hook": name,
            "migration": self.migration.migration(),
            "attempt": self.attempt,
            "phases": self.body.phases,
        })
    }

    /// Seconds since writers were stopped.
    pub(crate) fn pause(&self) -> Option<f64> {
        self.began.map(|began| began.elapsed().as_secs_f64())
    }

    /// The commit after which there is no way back but a rollback.
    pub(crate) fn release(&mut self) -> PromotionOutcome {
        stop_point("promote");
        match self.before_release() {
            Ok(sql) => self.commit_release(&sql),
            Err(error) => PromotionOutcome::No(error),
        }
    }

    pub(super) fn before_release(&mut self) -> Result<String, Error> {
        self.stop()?;
        self.attempt.state = AttemptState::Promoting;
        // On disk, unlike the notes before: `pgl-cutover abort` without the target relies on it.
        let mut releasing = apply::advance(&self.migration.name, &self.attempt);
        if self.direction == Direction::Back || self.attempt.reverse {
            // Rows are applied here from the promotion on.
            releasing.insert_str(0, &quiet_triggers_sql(&self.migration.name));
        }
        let Sessions { holder, old, .. } = &mut self.sessions;
        if self.write_block.is_empty() {
            // The locks have to have been held until now.
            holder.ping()?;
            apply::note_firmly(old, &releasing)?;
        } else {
            // Locks go with their session, and a server may restart at any time: what has to hold from the
            // promotion on is committed before it. Whoever waits for the locks would only meet the triggers.
            let behind = match (self.direction, self.args.reverse()) {
                (Direction::Forward, false) => apply::Behind::Triggers,
                // They do not fire for every session then.
                _ => apply::Behind::Nothing,
            };
            let waiting = apply::end_waiting(old, holder.backend_pid(), behind)?;
            self.write_block
                .keep(holder, &self.migration.name, &releasing)?;
            self.write_block_committed = true;
            self.sent_away(waiting);
        }
        // What the database that is promoted has recorded when it was left.
        let left = match self.direction {
            Direction::Forward => &self.migration.back,
            Direction::Back => &self.migration.forward,
        };
        let mut sql = PromotionPlan::open_sql(
            &self.migration.name,
            &self.closed_new,
            &self.write_block_new.tables(),
            &self.attempt,
            left.made(),
        );
        if self.direction == Direction::Forward && self.attempt.reverse {
            let timeline = pgl_catalog::timeline(&mut self.sessions.old)?;
            let release = &mut self.sessions.release;
            let carried = self.migration.carried();
            sql += &keep_promoted_marks(release, &self.migration.name, &carried, timeline)?;
        }
        for setting in &self.settings {
            sql += &setting.sql;
            sql.push('\n');
        }
        Ok(sql)
    }

    pub(super) fn commit_release(&mut self, sql: &str) -> PromotionOutcome {
        let started = Instant::now();
        if !self.shared.commit() {
            return PromotionOutcome::No(Error::Interrupted);
        }
        stop_point("promote-commit");
        let outcome = self.sessions.release.batch(&format!("{sql}COMMIT;"));
        stop_point("promoted");
        let result = match outcome {
            Ok(()) => PromotionOutcome::Yes,
            Err(error) if error.is_lost() => PromotionOutcome::Unknown(error.into()),
            Err(error) => PromotionOutcome::No(error.into()),
        };
        if matches!(result, PromotionOutcome::Yes) {
            self.body.pause_seconds = self.pause();
            let what = format!("the {} accepts writes", self.direction_word(false));
            self.done("promote", started, what);
            self.attempt.state = AttemptState::Promoted;
            let skipped = apply::skipped_roles(&mut self.sessions.release);
            self.body.notes.extend(skipped);
            // Clients that came early began read-only, and would stay so.
            if let Some(at) = &self.read_only_since
                && let Err(error) = apply::end_since(&mut self.sessions.release, at)
            {
                self.body.notes.push(format!(
                    "sessions that connected before the promotion may be read-only: {error}"
                ));
            }
        }
        result
    }

    /// Somebody else found that the release was made: in this session.
    pub(crate) fn seen_released(&mut self, session: Session) {
        self.sessions.release = session;
        self.body.pause_seconds = self.pause();
        self.attempt.state = AttemptState::Promoted;
    }

    fn sent_away(&mut self, waiting: u64) {
        if waiting > 0 {
            self.body.notes.push(format!(
                "{} ended that waited to write and override default_transaction_read_only",
                plural(waiting, "session")
            ));
        }
    }

    /// Releases the locks where no trigger has taken their place, and ends everybody who came to the old
    /// link too early: whoever waits for the locks, and sessions that began read-only there and would go on so.
    pub(crate) fn let_go(&mut self) -> Result<(), Error> {
        let Sessions { holder, old, .. } = &mut self.sessions;
        if !self.write_block_committed {
            let waiting = apply::end_waiting(old, holder.backend_pid(), apply::Behind::Nothing)?;
            holder.commit()?;
            self.sent_away(waiting);
        }
        let old = &mut self.sessions.old;
        if let Some(at) = written_at(old, &self.migration.name, &CLOSED)? {
            let early = apply::end_since(old, &at)?;
            log::info!(
                "{} ended that connected while writes were blocked",
                plural(early, "session")
            );
        }
        if let Some(loader) = &mut self.sessions.loader {
            unmark(loader, &self.migration.plan.names.subscription, self.marked)?;
        }
        self.attempt.state = AttemptState::Promoted;
        let made = apply::conclude(&self.migration.name, &self.attempt);
        apply::note_firmly(&mut self.sessions.old, &made)?;
        Ok(())
    }

    /// Compares what was too large for the pause, in views that were taken within it.
    pub(crate) fn verify_after(&mut self) -> Result<(), Error> {
        if self.after.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let Sessions { reader, peer, .. } = &mut self.sessions;
        apply::limit(peer, None)?;
        let found = apply::compare(reader, peer, &self.after)?;
        reader.rollback()?;
        peer.rollback()?;
        self.body.checked.after = self.after.len();
        self.body.checked.differences.extend(found);
        self.began = None;
        let what = format!(
            "{} large tables, as they were at the promotion",
            self.after.len()
        );
        self.done("verify-after", started, what);
        Ok(())
    }

    /// From here on nobody waits.
    pub(crate) fn pause_is_over(&mut self) {
        self.began = None;
    }

    /// Notes something for the report that took some time.
    pub(crate) fn report(&mut self, id: &str, started: Instant, what: impl Into<String>) {
        self.done(id, started, what);
    }

    /// What is left for taking the attempt back, with the provider's session if it lives: locks are let
    /// go of first.
    pub(crate) fn give_up(self) -> (CutoverBody, Attempt, Option<Session>) {
        let Sessions {
            holder,
            old,
            release,
            peer,
            ..
        } = self.sessions;
        // Closing the session gives its locks back.
        drop(holder);
        drop(release);
        drop(peer);
        let old = (!old.is_closed()).then_some(old);
        (self.body, self.attempt, old)
    }

    /// What a signal cancels: everything that may take long. Never what takes an attempt back.
    pub(crate) fn handles(&self) -> Vec<pgl_conn::CancelHandle> {
        let s = &self.sessions;
        let mut all = vec![s.holder.cancel_handle(), s.peer.cancel_handle()];
        all.extend(s.loader.as_ref().map(Session::cancel_handle));
        all
    }

    /// Sessions for the work after the pause.
    pub(crate) fn into_rest(self) -> (CutoverBody, Attempt, Session, Session) {
        (
            self.body,
            self.attempt,
            self.sessions.old,
            self.sessions.release,
        )
    }
}
