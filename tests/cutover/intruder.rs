//! Somebody who tries to write on the target all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};

/// A client that tries to write on the target all the time, and takes it back where it could: nobody
/// whose session began after the target was shut may get that far before the release.
pub(super) struct Intruder {
    stop: Arc<AtomicBool>,
    tries: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Intruder {
    pub(super) fn start(dsn: &str) -> Result<Self> {
        let config: postgres::Config = dsn.parse()?;
        let (stop, tries) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopping, count) = (Arc::clone(&stop), Arc::clone(&tries));
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(15));
                let Ok(mut client) = config.connect(postgres::NoTls) else {
                    continue;
                };
                let wrote = client.batch_execute("BEGIN; INSERT INTO load.beat VALUES (-1)");
                if wrote.is_err() {
                    continue;
                }
                // A session may have begun while the closing was on its way to the commit: it is ended
                // right after that, before the source is blocked.
                let early = client.query_one(
                    "SELECT EXISTS (SELECT FROM pgl.journal j, pg_stat_activity a
                        WHERE j.step = 'cutover' AND j.object = 'closed' AND a.pid = pg_backend_pid()
                          AND pg_xact_commit_timestamp(j.xmin) + interval '50 ms' < a.backend_start)",
                    &[],
                );
                match early {
                    Ok(row) => ensure!(
                        !row.get::<_, bool>(0),
                        "a client could write on the target before its release"
                    ),
                    // Ended, or the server went: nothing to be seen.
                    Err(error) => ensure!(
                        client.is_closed()
                            || error
                                .code()
                                .is_none_or(|code| code.code().starts_with("57")),
                        "{error}"
                    ),
                }
            }
            Ok(())
        });
        Ok(Self {
            stop,
            tries,
            thread,
        })
    }

    pub(super) fn tries(&self) -> u64 {
        self.tries.load(Ordering::SeqCst)
    }

    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the intruder panicked")))
    }
}
