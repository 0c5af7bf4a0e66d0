//! The steps that carry rows: copy, triggers, subscription.

use pgl_apply::control::Observer;
use pgl_apply::copy::{self, Outcome};
use pgl_apply::schema::{self, How};
use pgl_apply::{Done, Error, cutover, journal, pgl_schema, subscription, target};
use pgl_core::journal::{CopyRun, SUBSCRIPTION};
use pgl_core::setup::copy::{Task, tasks};
use pgl_core::setup::{CopyMode, StepId};
use pgl_core::{Lsn, Side, plural};

use crate::steps::{Run, has, no_target};

impl Run<'_> {
    pub(crate) fn tasks(&mut self) -> Result<Vec<Task>, Error> {
        let shapes = pgl_catalog::setup::tables(&mut self.source)?;
        let (source, target) = self.versions();
        let all = tasks(&self.plan, &[pgl_schema::marker()], &shapes, source, target);
        Ok(match self.options.copy {
            // The marker is ours: its rows have to be there for later changes to arrive.
            CopyMode::None => all
                .into_iter()
                .filter(|task| task.table == pgl_schema::marker())
                .collect(),
            CopyMode::Parallel => all,
        })
    }

    fn target_id(&self) -> String {
        let db = self.target_db.as_ref();
        let cluster = db
            .and_then(|db| db.system_identifier.as_deref())
            .unwrap_or("unknown");
        format!("{cluster}/{}", db.map_or("", |db| db.database.as_str()))
    }

    /// Whether the subscription is past its copy.
    pub(crate) fn running(&mut self) -> Result<bool, Error> {
        if self.target.is_none() {
            return Ok(false);
        }
        Ok(self.subscribed()?.is_some_and(|found| found.is_past_copy()))
    }

    pub(crate) fn subscribed(&mut self) -> Result<Option<subscription::Subscription>, Error> {
        let name = self.plan.names.subscription.clone();
        Ok(subscription::find(self.target()?, &name)?)
    }

    pub(crate) fn copy(&mut self) -> Result<Done, Error> {
        if self.args.restart {
            self.must_exist()?;
            self.drop_reverse()?;
            self.discard_copy()?;
        }
        let found = self.subscribed()?;
        let public = !copy::may_write_catalog(self.target()?)?;
        if let Some(found) = found {
            if found.is_past_copy() {
                return Ok(Done::Already(format!(
                    "subscription {} is past its copy",
                    found.name
                )));
            }
            if !public {
                // Its worker would drop our slot and make another one, and lose what lies between.
                return Err(foreign(&found));
            }
        }
        self.compare()?;
        self.drop_reverse()?;
        // A target that had its schema has its triggers, too.
        let name = self.name.clone();
        if let Some(quiet) = target::quiet_triggers(self.target()?, &name)? {
            self.watch.say(&quiet);
        }
        if self.subscribed()?.is_none() {
            let (names, dsn) = (self.plan.names.clone(), self.place.provider_dsn.clone());
            let options = ["--provider-dsn", "--subscriber-dsn"];
            subscription::rehearse(self.target()?, &names, &dsn, options)?;
        }
        let tasks = self.tasks()?;
        let count = tasks.len();
        let names = self.plan.names.clone();
        let target_id = self.target_id();
        let jobs = usize::from(self.args.jobs);
        let dsn = self.place.provider_dsn.clone();
        let target = self.target.as_mut().ok_or_else(no_target)?;
        let slot = copy::slot_name(target, &names.provider_node, &names.subscription)?;
        let outcome = copy::run(
            &self.place.servers,
            &mut self.source,
            target,
            &copy::Order {
                migration: &self.name,
                subscription: &names.subscription,
                slot: &slot,
                target_id: &target_id,
                jobs,
                public: public.then_some(copy::Public {
                    names: &names,
                    dsn: &dsn,
                }),
            },
            tasks,
            self.watch,
        )?;
        let done = match outcome {
            Outcome::Already(copied) => {
                let what = format!("{} copied, from {}", plural(count, "table"), copied.lsn);
                self.copied = Some(copied);
                Done::Already(what)
            }
            Outcome::Copied(copied) => {
                let rows: u64 = copied.tables.iter().map(|table| table.rows).sum();
                let what = format!(
                    "{}, {}, equal counts on both sides",
                    plural(count, "table"),
                    plural(rows, "row")
                );
                self.copied = Some(copied);
                Done::Changed(what)
            }
        };
        Ok(done)
    }

    /// Refuses a restart, before anything is dropped or emptied, where the target has lost a table since.
    fn must_exist(&mut self) -> Result<(), Error> {
        let names = self.names();
        let here = pgl_catalog::setup::tables(self.target()?)?;
        let gone: Vec<String> = names
            .iter()
            .filter(|name| !has(&here, name))
            .map(ToString::to_string)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        Err(Error::refused(
            Side::Target,
            format!(
                "tables of the plan do not exist on the target any more: {}",
                gone.join(", ")
            ),
            "nothing was changed; create each as the source has it (pg_dump --schema-only --table=NAME), then run this again; or \
             remove the migration with pgl-teardown and begin again with an empty database",
        ))
    }

    /// Removes reverse replication that a rollback or a killed attempt has left: it would replicate to the source what
    /// is deleted and copied here.
    fn drop_reverse(&mut self) -> Result<(), Error> {
        let names = self.plan.names.clone();
        let target = self.target.as_mut().ok_or_else(no_target)?;
        if cutover::remove_back(&mut self.source, target, &names, self.watch)? {
            self.watch
                .say("reverse replication was removed: the source is not written to by the target");
        }
        Ok(())
    }

    /// What `--restart` asks for.
    fn discard_copy(&mut self) -> Result<(), Error> {
        let (name, names) = (self.name.clone(), self.plan.names.clone());
        let target = self.target.as_mut().ok_or_else(no_target)?;
        copy::discard(&mut self.source, target, &name, &names, self.watch)?;
        // The new copy has marks, a timeline and statistics of its own.
        self.target_marker()?;
        Ok(())
    }

    pub(crate) fn triggers(&mut self, how: &How) -> Result<Done, Error> {
        let name = self.name.clone();
        let done = schema::run(
            &self.place.servers,
            self.target.as_mut().ok_or_else(no_target)?,
            &name,
            StepId::TargetTriggers,
            how,
            self.watch,
        )?;
        let quiet = target::quiet_triggers(self.target()?, &name)?;
        Ok(quiet.map_or(done, Done::Changed))
    }

    pub(crate) fn subscribe(&mut self) -> Result<Done, Error> {
        let (name, names) = (self.name.clone(), self.plan.names.clone());
        let timeout = self.args.timeout;
        let done = match self.subscribed()? {
            Some(found) if found.is_past_copy() => {
                self.not_paused(&found, &name)?;
                if !found.enabled {
                    // Stopped between its sets and its start.
                    subscription::kick(self.target()?, &found.name)?;
                }
                Done::Already(format!("subscription {} exists", found.name))
            }
            Some(found) if copy::may_write_catalog(self.target()?)? => return Err(foreign(&found)),
            Some(_) => self.start_public()?,
            None => self.create_subscription()?,
        };
        let slot = self
            .subscribed()?
            .map_or_else(String::new, |found| found.slot);
        let (watch, source) = (self.watch, &mut self.source);
        let target = self.target.as_mut().ok_or_else(no_target)?;
        let mut observer = Observer::new(&names.subscription);
        subscription::wait_running_unless(
            target,
            &names.subscription,
            timeout,
            watch,
            &mut |target| {
                if let Some(why) = copy::slot_gone(source, &slot)? {
                    return Err(will_not_start(&names.subscription, &why));
                }
                observer.look(source, target)
            },
        )?;
        Ok(done)
    }

    /// Starts the subscription that the copy has made by pglogical's public functions.
    fn start_public(&mut self) -> Result<Done, Error> {
        let name = self.name.clone();
        let plan = self.plan.clone();
        let (run, lsn) = self.complete()?;
        self.compare()?;
        let target = self.target()?;
        subscription::check(target, &plan)?;
        copy::public::finish(target, &plan.names)?;
        journal::write(target, &name, &SUBSCRIPTION, &run)?;
        Ok(Done::Changed(format!(
            "subscription {} starts at {lsn}, by public functions",
            plan.names.subscription
        )))
    }

    /// The finished copy.
    fn complete(&mut self) -> Result<(CopyRun, Lsn), Error> {
        let name = self.name.clone();
        let tasks = self.tasks()?;
        let target = self.target.as_mut().ok_or_else(no_target)?;
        match copy::state(&mut self.source, target, &name, &tasks)? {
            copy::CopyState::Complete(run, lsn) => Ok((run, lsn)),
            copy::CopyState::Lost(_, why) => Err(copy::lost(&name, &why)),
            copy::CopyState::Fresh | copy::CopyState::Unfinished(_) => Err(Error::refused(
                Side::Target,
                "the copy is not complete",
                "run pgl-setup --step copy first, or the whole of pgl-setup",
            )),
        }
    }

    fn create_subscription(&mut self) -> Result<Done, Error> {
        let name = self.name.clone();
        let plan = self.plan.clone();
        let tables = self.names();
        let dsn = self.place.provider_dsn.clone();
        let (run, lsn) = self.complete()?;
        self.compare()?;
        let target = self.target()?;
        subscription::check(target, &plan)?;
        let done = subscription::create(target, &plan.names, &dsn, &run.slot, lsn, &tables)?;
        journal::write(self.target()?, &name, &SUBSCRIPTION, &run)?;
        Ok(done)
    }
}

pub(crate) fn foreign(found: &subscription::Subscription) -> Error {
    Error::refused(
        Side::Target,
        format!(
            "subscription {} exists and is not synchronised (state {:?})",
            found.name,
            found.sync.as_deref().unwrap_or_default()
        ),
        "it was not made by this run: drop it with pglogical.drop_subscription, or run pgl-teardown",
    )
}

fn will_not_start(name: &str, why: &str) -> Error {
    Error::refused(
        Side::Source,
        format!("subscription {name} is down and will not start: {why}"),
        "pgl-setup --restart empties the tables that the copy filled and copies them again; pgl-teardown removes the migration and leaves the rows",
    )
}
