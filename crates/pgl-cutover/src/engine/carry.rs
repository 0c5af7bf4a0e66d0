//! What replication does not carry: sequences, tables without a key, large objects.

use super::*;

impl Engine {
    /// Twice: all before the pause, and within it those that have changed since.
    pub(super) fn set_sequences(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let in_pause = self.began.is_some();
        let Sessions {
            holder, old, peer, ..
        } = &mut self.sessions;
        // The session that has locked them: nobody else can read them then, let alone call nextval.
        let reader = if in_pause { holder } else { old };
        let all = &mut self.sequences;
        std::thread::scope(|scope| {
            let of_old = scope.spawn(|| catalog::states_again(reader, &mut all.old));
            let of_new = catalog::states_again(peer, &mut all.new);
            of_old
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .and(of_new)
        })?;
        let tasks = decide(EXACT, &all.old, &all.new, Some(&all.wanted));
        if let Some(bad) = tasks
            .iter()
            .find(|t| t.entry.outcome == SequenceOutcome::Refused)
        {
            return Err(Error::refused(
                peer.side(),
                format!("sequence {} cannot be copied", bad.entry.qualified()),
                "pgl-seqsync --dry-run says why",
            ));
        }
        let settings: Vec<SequenceSetting> = tasks
            .iter()
            .filter(|task| task.entry.outcome == SequenceOutcome::WouldSet)
            .filter_map(|task| {
                Some(SequenceSetting {
                    oid: task.target_oid,
                    state: task.entry.wanted?,
                })
            })
            .collect();
        setval::set(peer, &settings, all.room)?;
        let changed: Vec<i64> = settings.iter().map(|one| i64::from(one.oid)).collect();
        catalog::states(peer, &mut all.new, &changed)?;
        let now: HashMap<u32, Option<SequenceState>> =
            (all.new.iter()).map(|one| (one.oid, one.state())).collect();
        for setting in &settings {
            if now.get(&setting.oid) != Some(&Some(setting.state)) {
                return Err(Error::refused(
                    peer.side(),
                    "a sequence is not as it was set: another session takes values there",
                    "keep everybody away from it until promotion",
                ));
            }
        }
        let what = format!(
            "{} set, {} as they were",
            settings.len(),
            tasks.len() - settings.len()
        );
        if !in_pause {
            self.done("sequences", started, what);
            return self.stop();
        }
        let kept = tasks
            .iter()
            .filter(|task| task.entry.outcome == SequenceOutcome::Kept)
            .map(|task| task.entry.qualified());
        let kept: Vec<String> = kept.map(|name| name.to_string()).collect();
        if !kept.is_empty() {
            self.body.notes.push(format!(
                "sequences are further on than the source's and stay there: {}",
                kept.join(", ")
            ));
        }
        self.done("sequences", started, what);
        self.note(AttemptState::Sequences)
    }

    /// Twice: what there is before the pause, and what has changed since within it.
    pub(super) fn large_objects(&mut self) -> Result<(), Error> {
        if !self.args.options.large_objects {
            return Ok(());
        }
        let started = Instant::now();
        // The server opens pg_largeobject for writing even to read: nobody else could, past our lock.
        let Sessions { holder, peer, .. } = &mut self.sessions;
        let done = apply::carry_large_objects(holder, peer, &self.migration.name, &self.watch)?;
        let what = format!(
            "{} of {} written ({} bytes), {} removed",
            done.written, done.all, done.bytes, done.removed
        );
        self.done("large-objects", started, what);
        self.stop()
    }

    pub(super) fn copy_again(&mut self) -> Result<(), Error> {
        if self.recopy.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let ours = self.spared().1;
        let Sessions {
            holder,
            loader,
            peer,
            ..
        } = &mut self.sessions;
        let Some(loader) = loader else { return Ok(()) };
        for one in &self.recopy {
            if self.watch.stop() {
                return Err(Error::Interrupted);
            }
            let ends = (&mut *peer, ours.as_slice());
            let done = apply::recopy(holder, loader, ends, one, self.deadline, &self.watch)?;
            self.body.recopied.push(RecopiedTable {
                table: done.table.to_string(),
                rows: done.rows,
            });
        }
        self.done("copy-unkeyed", started, plural(self.recopy.len(), "table"));
        self.note(AttemptState::Recopied)
    }
}
