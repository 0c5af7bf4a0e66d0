//! One pair of servers for all tests of a binary, with fresh databases for each test.
//!
//! A test that must not restart or reconfigure anything takes its databases from here: that saves the
//! start of two servers. Roles belong to the whole cluster, so they get names of their own
//! ([`PairDb::role`]). Nothing has to be cleaned up at the end: the keepers do that when this process
//! is gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::Client;

use crate::cluster::{Cluster, quote};
use crate::pair::Pair;

/// The pair, and how many took it.
type Slot = Arc<Mutex<Option<(Arc<Pair>, u32)>>>;

/// After so many the next one gets new servers: each database whose pglogical goes may leave a worker slot taken for
/// good, and at some point no worker starts any more.
const PER_PAIR: u32 = 16;

static PAIRS: Mutex<Option<HashMap<(u16, u16), Slot>>> = Mutex::new(None);
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The pair of this binary for two majors; started at the first call, and anew after some time.
pub fn shared_pair(source_major: u16, target_major: u16) -> Result<SharedPair> {
    let slot = {
        let mut pairs = PAIRS.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = pairs.get_or_insert_with(HashMap::new);
        Arc::clone(pairs.entry((source_major, target_major)).or_default())
    };
    // Only those who want the same pair wait for each other.
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let pair = match slot.as_mut() {
        Some((pair, taken)) if *taken < PER_PAIR => {
            *taken += 1;
            Arc::clone(pair)
        }
        _ => {
            let pair = Arc::new(Pair::start(source_major, target_major)?);
            *slot = Some((Arc::clone(&pair), 1));
            pair
        }
    };
    Ok(SharedPair { pair })
}

/// A pair that other tests use at the same time: no restarts, no cluster-wide settings.
#[derive(Debug, Clone)]
pub struct SharedPair {
    pair: Arc<Pair>,
}

impl SharedPair {
    /// A new, empty database of one name on both sides; `hint` becomes part of the name.
    pub fn database(&self, hint: &str) -> Result<PairDb> {
        let name = format!("{hint}_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        self.pair.createdb(&name)?;
        Ok(PairDb {
            pair: Arc::clone(&self.pair),
            name,
        })
    }

    /// The same in an encoding of its own.
    pub fn database_in(&self, hint: &str, encoding: &str) -> Result<PairDb> {
        let name = format!("{hint}_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        self.pair.source.createdb_in(&name, encoding)?;
        self.pair.target.createdb_in(&name, encoding)?;
        Ok(PairDb {
            pair: Arc::clone(&self.pair),
            name,
        })
    }

    /// The pair itself.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }
}

/// A database on each side of a shared pair. When dropped, its subscriptions, slots and sessions go, so
/// that the workers they use are free for the next test.
#[derive(Debug)]
pub struct PairDb {
    pair: Arc<Pair>,
    name: String,
}

impl PairDb {
    /// A database on servers that nobody else uses: they may be restarted and killed.
    pub fn alone(source_major: u16, target_major: u16, name: &str) -> Result<Self> {
        let pair = Arc::new(Pair::start(source_major, target_major)?);
        pair.createdb(name)?;
        Ok(Self {
            pair,
            name: name.to_owned(),
        })
    }

    /// Another database on the same servers, in place of this one.
    pub fn again(self, name: &str) -> Result<Self> {
        let pair = Arc::clone(&self.pair);
        drop(self);
        pair.createdb(name)?;
        Ok(Self {
            pair,
            name: name.to_owned(),
        })
    }

    /// The servers, to be stopped and started; none where others use them, too.
    pub fn servers(&mut self) -> Option<&mut Pair> {
        Arc::get_mut(&mut self.pair)
    }

    /// The database's name, the same on both sides.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source cluster.
    pub fn source(&self) -> &Cluster {
        &self.pair.source
    }

    /// The target cluster.
    pub fn target(&self) -> &Cluster {
        &self.pair.target
    }

    /// The conninfo string of the source database.
    pub fn source_dsn(&self) -> String {
        self.pair.source.dsn(&self.name)
    }

    /// The conninfo string of the target database.
    pub fn target_dsn(&self) -> String {
        self.pair.target.dsn(&self.name)
    }

    /// Runs statements in the source database.
    pub fn on_source(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.pair.source.sql(&self.name, sql)
    }

    /// Runs statements in the target database.
    pub fn on_target(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.pair.target.sql(&self.name, sql)
    }

    /// Waits until every subscription of the target replicates. After a failure pglogical waits up to three minutes
    /// before it tries again; it is woken, but not more often than it may try.
    pub fn replicates(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        let mut woken = Instant::now();
        loop {
            let down = self.on_target(
                "SELECT subscription_name, status FROM pglogical.show_subscription_status() WHERE status <> 'replicating'",
            )?;
            if down.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("not within {limit:?}: {down:?}");
            }
            if woken.elapsed() > Duration::from_secs(8) {
                woken = Instant::now();
                self.on_target(
                    "SET default_transaction_read_only = off; COMMIT;
                     SELECT pglogical.alter_subscription_enable(subscription_name)
                       FROM pglogical.show_subscription_status() WHERE status <> 'replicating'",
                )?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A session in the source database.
    pub fn source_client(&self) -> Result<Client> {
        self.pair.source.client(&self.name)
    }

    /// A session in the target database.
    pub fn target_client(&self) -> Result<Client> {
        self.pair.target.client(&self.name)
    }

    /// A role name that no other test uses.
    pub fn role(&self, hint: &str) -> String {
        format!("{}_{hint}", self.name)
    }

    /// `PGL_SOURCE`, `PGL_TARGET` and `PGL_PG_BINDIR`.
    pub fn env(&self) -> Vec<(String, String)> {
        self.pair.env(&self.name)
    }

    /// Frees workers, slots and connections. The databases stay until the servers go: DROP DATABASE
    /// waits for ever on PostgreSQL 15 with pglogical 2.4.2, whose supervisor never answers the
    /// barrier that the server sends around.
    fn clean(&self) -> Result<()> {
        // The target first: a subscription that is gone starts no workers again.
        for cluster in [&self.pair.target, &self.pair.source] {
            let mut client = cluster.client(&self.name)?;
            // A home that was left at a cutover refuses writes.
            client.batch_execute("SET default_transaction_read_only = off")?;
            client.batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
            )?;
            for row in client.query("SELECT subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()", &[])? {
                let name = quote(row.get(0));
                client.batch_execute(&format!("ALTER SUBSCRIPTION {name} DISABLE"))?;
                client.batch_execute(&format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"))?;
                client.batch_execute(&format!("DROP SUBSCRIPTION {name}"))?;
            }
            let there =
                client.query("SELECT FROM pg_extension WHERE extname = 'pglogical'", &[])?;
            if !there.is_empty() {
                client
                    .batch_execute("SET lock_timeout = '10s'; SET client_min_messages = error")?;
                client.batch_execute(
                    "SELECT pglogical.drop_subscription(sub_name, true) FROM pglogical.subscription",
                )?;
                client.batch_execute("DROP EXTENSION pglogical CASCADE")?;
            }
            drop_slots(&mut client)?;
        }
        Ok(())
    }
}

impl Drop for PairDb {
    fn drop(&mut self) {
        // A test that stopped a server on its way to failing has failed already.
        let _ = self.clean();
    }
}

fn drop_slots(client: &mut Client) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        client.batch_execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
             WHERE database = current_database() AND active_pid IS NOT NULL",
        )?;
        let dropped = client.batch_execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
             WHERE database = current_database()",
        );
        match dropped {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error.into()),
            // Its walsender has not ended yet.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
