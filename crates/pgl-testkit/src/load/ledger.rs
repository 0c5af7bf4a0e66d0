//! What a load was promised, held against what a server has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use postgres::Client;

use super::transaction::note;
use super::worker::Account;

/// How many differences an error names.
const SHOWN: usize = 20;

/// The accounts of all sessions of a load that has stopped.
#[derive(Debug)]
pub struct Ledger {
    accounts: Vec<Account>,
}

impl Ledger {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        Self { accounts }
    }

    /// How many transactions were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.accounts
            .iter()
            .map(|account| account.acknowledged.len())
            .sum()
    }

    /// How many transactions got no answer to their COMMIT.
    pub fn in_doubt(&self) -> usize {
        self.accounts
            .iter()
            .map(|account| account.in_doubt.len())
            .sum()
    }

    /// How often the server refused or was gone: by SQLSTATE, `lost` where there was none.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for account in &self.accounts {
            for (state, count) in &account.refusals {
                *all.entry(state.clone()).or_default() += count;
            }
        }
        all
    }

    /// The longest time that any one session went without an acknowledged transaction.
    pub fn longest_gap(&self) -> Duration {
        self.accounts
            .iter()
            .map(|account| account.longest_gap)
            .max()
            .unwrap_or_default()
    }

    /// Everything that is not as promised; empty when nothing acknowledged is missing and nothing
    /// else is there.
    pub fn differences(&self, client: &mut Client) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        for account in &self.accounts {
            account_differences(account, client, &mut differences)
                .with_context(|| format!("checking writer {}", account.worker))?;
        }
        Ok(differences)
    }

    /// An error that names the first differences, if there are any.
    pub fn check(&self, client: &mut Client) -> Result<()> {
        let differences = self.differences(client)?;
        if !differences.is_empty() {
            let shown: Vec<&str> = differences.iter().take(SHOWN).map(String::as_str).collect();
            bail!(
                "{} differences from what was acknowledged:\n{}",
                differences.len(),
                shown.join("\n")
            );
        }
        Ok(())
    }
}

fn account_differences(
    account: &Account,
    client: &mut Client,
    differences: &mut Vec<String>,
) -> Result<()> {
    let worker = account.worker;
    let mut numbers: BTreeMap<i64, u64> = BTreeMap::new();
    let entries = client.query(
        "SELECT number FROM load.entry WHERE worker = $1",
        &[&(worker as i32)],
    )?;
    for row in entries {
        *numbers.entry(row.get(0)).or_default() += 1;
    }
    for number in &account.acknowledged {
        match numbers.get(number) {
            Some(1) => {}
            Some(times) => {
                differences.push(format!(
                    "writer {worker}: transaction {number} is there {times} times"
                ));
            }
            None => differences.push(format!(
                "writer {worker}: acknowledged transaction {number} is missing"
            )),
        }
    }
    for number in numbers.keys() {
        if !account.acknowledged.contains(number) && !account.in_doubt.contains_key(number) {
            differences.push(format!(
                "writer {worker}: transaction {number} was rolled back but is there"
            ));
        }
    }

    // A transaction in doubt has to be there as a whole or not at all; its entry tells which.
    let mut expected = account.rows.clone();
    for (number, changes) in &account.in_doubt {
        let there = numbers.contains_key(number);
        for change in changes {
            let state = if there { change.after } else { change.before };
            match state {
                Some(revision) => expected.insert(change.id, revision),
                None => expected.remove(&change.id),
            };
        }
    }
    let items = client.query(
        "SELECT id, revision, note FROM load.item WHERE worker = $1",
        &[&(worker as i32)],
    )?;
    for row in items {
        let (id, revision, text): (i64, i64, String) = (row.get(0), row.get(1), row.get(2));
        match expected.remove(&id) {
            None => differences.push(format!(
                "writer {worker}: row {id} is there and should not be"
            )),
            Some(promised) if promised != revision => differences.push(format!(
                "writer {worker}: row {id} has revision {revision}, acknowledged was {promised}"
            )),
            Some(_) if text != note(id, revision) => {
                differences.push(format!("writer {worker}: row {id} has the note {text:?}"));
            }
            Some(_) => {}
        }
    }
    for id in expected.keys() {
        differences.push(format!("writer {worker}: row {id} is missing"));
    }
    Ok(())
}
