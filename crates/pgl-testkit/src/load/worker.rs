//! One session of a load, and its account of what it was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::{Client, NoTls, SimpleQueryMessage};

use super::transaction::{Change, Maker, Rows};
use super::{Control, Load};

/// What one session knows.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) worker: u32,
    /// Every row whose state is certain.
    pub(super) rows: Rows,
    /// Numbers of the transactions whose COMMIT was answered.
    pub(super) acknowledged: BTreeSet<i64>,
    /// Transactions whose COMMIT got no answer; their rows are never touched again.
    pub(super) in_doubt: BTreeMap<i64, Vec<Change>>,
    /// How often the server refused, by SQLSTATE.
    pub(super) refusals: BTreeMap<String, u64>,
    /// When transactions were acknowledged, for the longest gap.
    pub(super) last: Option<Instant>,
    pub(super) longest_gap: Duration,
}

pub(super) struct Worker {
    /// Where the present session is.
    port: Option<i32>,
    load: Load,
    control: Arc<Control>,
    maker: Maker,
    account: Account,
}

enum End {
    Acknowledged,
    RolledBack,
    /// The server said no, and its word is certain.
    Refused(postgres::Error),
    /// The connection went before the answer came.
    Unknown(postgres::Error),
}

impl Worker {
    pub(super) fn new(worker: u32, load: Load, control: Arc<Control>) -> Self {
        let maker = Maker::new(worker, load.large_rows, load.seed);
        Self {
            port: None,
            load,
            control,
            maker,
            account: Account {
                worker,
                ..Account::default()
            },
        }
    }

    pub(super) fn run(mut self) -> Result<Account> {
        let mut client: Option<Client> = None;
        let mut number = 0;
        while !self.control.stopping() {
            let Some(session) = client.as_mut() else {
                match self.connect() {
                    Ok(fresh) => client = Some(fresh),
                    Err(error) => self.refused(&error)?,
                }
                continue;
            };
            number += 1;
            let kind = self.maker.choose(&self.load.mix);
            let transaction = self.maker.make(kind, &self.account.rows, number);
            let changes = transaction.changes();
            match send(session, &transaction.sql, transaction.rolls_back) {
                End::Acknowledged => self.acknowledged(number, &changes),
                End::RolledBack => {}
                End::Refused(error) => {
                    if session.is_closed() {
                        client = None;
                    }
                    self.refused(&error)?;
                }
                End::Unknown(error) => {
                    for change in &changes {
                        self.account.rows.remove(&change.id);
                    }
                    self.account.in_doubt.insert(number, changes);
                    client = None;
                    self.refused(&error)?;
                }
            }
            std::thread::sleep(self.load.pace);
        }
        Ok(self.account)
    }

    fn connect(&mut self) -> Result<Client, postgres::Error> {
        let mut config: postgres::Config = self.control.dsn(self.account.worker).parse()?;
        config
            .connect_timeout(Duration::from_secs(5))
            .application_name("load");
        let mut client = config.connect(NoTls)?;
        // The simple protocol: a pooler of transactions keeps no statement for us.
        self.port = client
            .simple_query("SELECT inet_server_port()")?
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            });
        self.control
            .remember(self.account.worker, client.cancel_token());
        Ok(client)
    }

    fn acknowledged(&mut self, number: i64, changes: &[Change]) {
        self.control.committed.fetch_add(1, Ordering::SeqCst);
        let account = &mut self.account;
        account.acknowledged.insert(number);
        for change in changes {
            match change.after {
                Some(revision) => account.rows.insert(change.id, revision),
                None => account.rows.remove(&change.id),
            };
        }
        let now = Instant::now();
        if let Some(last) = account.last.replace(now) {
            account.longest_gap = account.longest_gap.max(now - last);
        }
    }

    /// A refusal that a live migration may cause is counted and tried again; any other is a fault of
    /// the load itself and ends it.
    fn refused(&mut self, error: &postgres::Error) -> Result<()> {
        let state = error
            .code()
            .map_or_else(|| "lost".to_owned(), |code| code.code().to_owned());
        // 08 connection, 25006 read-only, 28 no login, 3D no database yet, 42501 rights taken,
        // 53 too many connections, 55 locks, 57 shutdown or cancel, 40 serialisation.
        let expected = [
            "08", "25006", "28", "3D", "42501", "53", "55", "57", "40", "lost",
        ];
        if !expected.iter().any(|prefix| state.starts_with(prefix)) {
            bail!("{} (port {:?})", describe(error), self.port);
        }
        *self.account.refusals.entry(state).or_default() += 1;
        std::thread::sleep(Duration::from_millis(5));
        Ok(())
    }
}

fn send(client: &mut Client, sql: &str, rolls_back: bool) -> End {
    let body = client
        .batch_execute("BEGIN")
        .and_then(|()| client.batch_execute(sql));
    if let Err(error) = body {
        // No COMMIT was sent: whatever happened, it is not there. A live session has to leave the block.
        let _ = client.batch_execute("ROLLBACK");
        return End::Refused(error);
    }
    if rolls_back {
        return match client.batch_execute("ROLLBACK") {
            Ok(()) => End::RolledBack,
            Err(error) => End::Refused(error),
        };
    }
    match client.batch_execute("COMMIT") {
        Ok(()) => End::Acknowledged,
        Err(error) => {
            // An error that ends the session may come after the commit record.
            let class = error
                .code()
                .map(|code| code.code().get(..3).unwrap_or_default().to_owned());
            let certain = !client.is_closed() && class.is_some_and(|class| class != "57P");
            if certain {
                End::Refused(error)
            } else {
                End::Unknown(error)
            }
        }
    }
}

pub(super) fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message()),
        None => format!("{error}"),
    }
}
