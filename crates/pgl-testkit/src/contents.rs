//! Everything a database holds, read in full and in order: the tests' own proof that two databases
//! agree, by other means than the suite's.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result};
use postgres::{Client, SimpleQueryMessage};
use xxhash_rust::xxh3::Xxh3;

use crate::cluster::quote;

/// Rows and hash of every table, state of every sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// By qualified, quoted name.
    pub tables: BTreeMap<String, TableContents>,
    /// `last_value` and `is_called` by qualified, quoted name.
    pub sequences: BTreeMap<String, (i64, bool)>,
}

/// One table, read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableContents {
    /// How many rows.
    pub rows: u64,
    /// Over all rows as COPY writes them, ordered; columns by name.
    pub hash: u128,
}

/// Reads a whole database in one snapshot, the system's and pglogical's schemas and `without` left
/// out. Values as text under settings that lose nothing, so that majors compare.
pub fn dump_ordered(client: &mut Client, without: &[&str]) -> Result<Contents> {
    client.batch_execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; \
         SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL lc_monetary = 'C'; SET LOCAL search_path = pg_catalog; SET LOCAL xmloption = 'content'",
    )?;
    let contents = read(client, without);
    client.batch_execute("ROLLBACK")?;
    contents
}

fn read(client: &mut Client, without: &[&str]) -> Result<Contents> {
    let relations = client.query(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text, \
            coalesce((SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") FROM pg_attribute a \
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' \
           AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pglogical') \
           AND n.nspname <> ALL ($1)",
        &[&without],
    )?;
    let mut contents = Contents {
        tables: BTreeMap::new(),
        sequences: BTreeMap::new(),
    };
    for relation in relations {
        let schema: String = relation.get(0);
        let name: String = relation.get(1);
        let kind: String = relation.get(2);
        let columns: Vec<String> = relation.get(3);
        let qualified = format!("{}.{}", quote(&schema), quote(&name));
        if kind == "S" {
            let row = client.query_one(
                &format!("SELECT last_value, is_called FROM {qualified}"),
                &[],
            )?;
            contents
                .sequences
                .insert(qualified, (row.get(0), row.get(1)));
        } else {
            let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
            let table = read_table(client, &qualified, &columns.join(", "))
                .with_context(|| format!("reading {qualified}"))?;
            contents.tables.insert(qualified, table);
        }
    }
    Ok(contents)
}

fn read_table(client: &mut Client, table: &str, columns: &str) -> Result<TableContents> {
    let order = if columns.is_empty() {
        String::new()
    } else {
        format!("ORDER BY CAST(ROW({columns}) AS text) COLLATE \"C\"")
    };
    let mut reader = client.copy_out(&format!(
        "COPY (SELECT {columns} FROM ONLY {table} {order}) TO STDOUT"
    ))?;
    let mut hasher = Xxh3::new();
    let mut rows = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        // COPY escapes line ends within values.
        rows += buffer[..count]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
    }
    Ok(TableContents {
        rows,
        hash: hasher.digest128(),
    })
}

impl Contents {
    /// What differs in the tables, one line each; empty when they hold the same rows.
    pub fn table_differences(&self, other: &Self) -> Vec<String> {
        differences(&self.tables, &other.tables)
    }

    /// What differs in the sequences.
    pub fn sequence_differences(&self, other: &Self) -> Vec<String> {
        differences(&self.sequences, &other.sequences)
    }

    /// All that differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = self.table_differences(other);
        all.extend(self.sequence_differences(other));
        all
    }
}

fn differences<V: PartialEq + std::fmt::Debug>(
    left: &BTreeMap<String, V>,
    right: &BTreeMap<String, V>,
) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in left {
        match right.get(name) {
            None => all.push(format!("{name}: only on the left")),
            Some(other) if other != value => {
                all.push(format!("{name}: {value:?} against {other:?}"));
            }
            Some(_) => {}
        }
    }
    let only = right.keys().filter(|name| !left.contains_key(*name));
    all.extend(only.map(|name| format!("{name}: only on the right")));
    all
}

/// The rows of a query as text, for a quick look at small answers.
pub fn texts(client: &mut Client, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let messages = client
        .simple_query(sql)
        .with_context(|| format!("in: {sql}"))?;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect())
}
