//! Random tables, damage and writes.

use std::fmt::Write as _;

/// splitmix64
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Types, and a value for each number `$k`.
const TYPES: &[(&str, &str)] = &[
    ("int2", "(abs($k) % 30000)::int2"),
    ("int4", "$k % 100000 * 7919"),
    (
        "int8",
        "CASE $k % 3 WHEN 0 THEN $k ELSE $k::int8 * 4294967297 END",
    ),
    (
        "numeric",
        "CASE $k % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN 1.0 WHEN 2 THEN 1.00 ELSE $k / 8.0 END",
    ),
    ("numeric(12, 3)", "$k * 1.37"),
    (
        "float8",
        "CASE $k % 6 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 0 WHEN 3 THEN '-Infinity' ELSE $k / 3.0::float8 END",
    ),
    (
        "float4",
        "CASE $k % 3 WHEN 0 THEN '-0' ELSE $k / 7.0::float4 END",
    ),
    ("bool", "CASE $k % 3 WHEN 0 THEN NULL ELSE $k % 2 = 0 END"),
    (
        "text",
        "CASE $k % 6 WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN 'it''s a \\ \"b\" [c]: ' || $k WHEN 3 THEN E'two\\nlines ' || $k \
         WHEN 4 THEN 'null' ELSE 'ünï ' || $k END",
    ),
    (
        "text",
        "(SELECT string_agg(md5(($k * 1000 + i)::text), '') FROM generate_series(1, 120) AS i)",
    ),
    ("varchar(20)", "'v ' || $k || repeat(' ', abs($k) % 4)"),
    ("char(6)", "'c' || abs($k) % 100"),
    ("bytea", "decode(md5(($k)::text), 'hex')"),
    (
        "date",
        "CASE $k % 7 WHEN 0 THEN 'infinity' ELSE date '2024-01-01' + ($k % 5000) END",
    ),
    (
        "timestamp",
        "timestamp '2024-01-01' + $k * interval '1 minute'",
    ),
    (
        "timestamptz",
        "timestamptz '2024-01-01 00:00+00' + $k * interval '1.000001 second'",
    ),
    (
        "interval",
        "CASE $k % 4 WHEN 0 THEN interval '1 mon' WHEN 1 THEN interval '30 days' WHEN 2 THEN interval '720:00' \
         ELSE $k * interval '-1 second' END",
    ),
    (
        "timetz",
        "timetz '12:00+02' + ($k % 3600) * interval '1 second'",
    ),
    ("uuid", "md5(($k)::text)::uuid"),
    ("json", "('{\"a\" : ' || $k || '}')::json"),
    (
        "jsonb",
        "CASE $k % 3 WHEN 0 THEN '1.0' WHEN 1 THEN '1.00' ELSE jsonb_build_object('k', $k, 'n', NULL) END",
    ),
    (
        "inet",
        "('10.0.' || abs($k) % 200 || '.1/' || 8 + abs($k) % 20)::inet",
    ),
    ("int4[]", "ARRAY[$k, NULL, 3]"),
    ("text[]", "ARRAY['a,b', 'NULL', ($k)::text, NULL, '']"),
    ("int4range", "int4range($k, $k + 5)"),
    ("bit(5)", "(abs($k) % 32)::bit(5)"),
    ("varbit", "(abs($k) % 32)::bit(5)::varbit"),
    ("point", "point($k, -($k))"),
    ("tsvector", "to_tsvector('simple', 'w' || $k || ' x')"),
    (
        "oracle.mood",
        "(ARRAY['sad', 'o k', 'happy'])[1 + abs($k) % 3]::oracle.mood",
    ),
    ("oracle.positive", "1 + abs($k)"),
    (
        "oracle.two",
        "ROW($k, CASE $k % 3 WHEN 0 THEN NULL ELSE 'x,(' END)::oracle.two",
    ),
    (
        "oracle.two[]",
        "CASE $k % 3 WHEN 0 THEN ARRAY[NULL::oracle.two] WHEN 1 THEN ARRAY[ROW(NULL, NULL)::oracle.two] \
         ELSE ARRAY[ROW($k, 'y')::oracle.two, NULL] END",
    ),
];

/// Names that generated SQL might use itself, or that need quotes.
const NAMES: &[&str] = &[
    "e",
    "t",
    "q",
    "r",
    "u",
    "n",
    "k",
    "row",
    "key",
    "first",
    "second",
    "place",
    "given",
    "value",
    "select",
    "Upper",
    "a b",
    "qu\"ote",
    "ünï",
    "xmin_",
    "k0",
    "s",
    "p",
    "x.y",
    "null",
    "old-key",
    "new-tuple:",
];

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Number,
    TextAndNumber,
    Uuid,
    Identity,
    Text,
    None,
    Full,
}

const KEYS: &[Key] = &[
    Key::Number,
    Key::Number,
    Key::TextAndNumber,
    Key::Uuid,
    Key::Identity,
    Key::Text,
    Key::None,
    Key::Full,
];

/// One table of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Quoted, with its schema.
    pub(crate) name: String,
    key: Key,
    rows: usize,
    /// The column that holds the row's number, quoted.
    number: String,
    /// The other columns: quoted name, and value. Those of the key come first.
    columns: Vec<(String, &'static str)>,
    key_columns: usize,
}

impl Table {
    fn keyed(&self) -> bool {
        !matches!(self.key, Key::None | Key::Full)
    }

    fn insert(&self, numbers: &str) -> String {
        let mut names = vec![self.number.clone()];
        let mut values = vec!["g.k".to_owned()];
        for (name, value) in &self.columns {
            names.push(name.clone());
            values.push(value.replace("$k", "g.k"));
        }
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {numbers} AS g (k)",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }

    /// Rows at the start: without a key, many are alike.
    fn fill(&self) -> String {
        if self.keyed() {
            self.insert(&format!("generate_series(1, {})", self.rows))
        } else {
            self.insert(&format!(
                "(SELECT i % 7 FROM generate_series(1, {}) AS i)",
                self.rows
            ))
        }
    }
}

/// The definition of a random table; on the source a column is dropped now and then.
pub(crate) fn table(random: &mut Random, schema: &str, at: usize) -> (Table, String, String) {
    let base = format!("{}{at}", random.one_of(NAMES));
    let name = format!("{schema}.{}", quoted(&base));
    let key = *random.one_of(KEYS);
    let mut free: Vec<&str> = NAMES.to_vec();
    let mut take = |random: &mut Random| {
        let at = random.below(free.len());
        quoted(free.swap_remove(at))
    };
    let number = take(random);
    let mut definition = vec![format!("{number} int NOT NULL")];
    let mut columns: Vec<(String, &'static str)> = Vec::new();
    let constraint = match key {
        Key::Number => format!("PRIMARY KEY ({number})"),
        Key::TextAndNumber => {
            let text = take(random);
            definition.push(format!("{text} text NOT NULL"));
            columns.push((text.clone(), "'key ' || $k % 3"));
            format!("PRIMARY KEY ({text}, {number})")
        }
        Key::Uuid => {
            let uuid = take(random);
            definition.push(format!("{uuid} uuid NOT NULL"));
            columns.push((uuid.clone(), "md5('u' || $k)::uuid"));
            format!("PRIMARY KEY ({uuid})")
        }
        Key::Identity => {
            let value = take(random);
            definition.push(format!("{value} numeric NOT NULL"));
            columns.push((value.clone(), "$k / 4.0"));
            format!(
                "CONSTRAINT {} UNIQUE ({value})",
                quoted(&format!("identity {at}"))
            )
        }
        Key::Text => {
            let text = take(random);
            definition.push(format!("{text} text COLLATE \"C\" NOT NULL"));
            columns.push((text.clone(), "'it''s \\ ' || $k"));
            format!("PRIMARY KEY ({text})")
        }
        Key::None | Key::Full => String::new(),
    };
    let key_columns = columns.len();
    for _ in 0..1 + random.below(5) {
        let (kind, value) = *random.one_of(TYPES);
        let column = take(random);
        definition.push(format!("{column} {kind}"));
        columns.push((column, value));
    }
    let rows = match random.below(20) {
        0 => 0,
        1 => 12_000,
        _ => 1 + random.below(300),
    };
    let table = Table {
        name: name.clone(),
        key,
        rows,
        number: number.clone(),
        columns,
        key_columns,
    };
    let mut both = String::new();
    let mut body = definition.clone();
    if !constraint.is_empty() {
        body.push(constraint);
    }
    let mut source = String::new();
    match random.below(6) {
        // A child holds rows of its own, its parent has others.
        0 => {
            let parent = format!("{schema}.{}", quoted(&format!("parent of {at}")));
            let _ = write!(
                both,
                "CREATE TABLE {parent} ({}); CREATE TABLE {name} ({}) INHERITS ({parent});",
                definition.join(", "),
                body.last()
                    .filter(|_| table.keyed())
                    .cloned()
                    .unwrap_or_default()
            );
            // The same statement fills the parent.
            let _ = write!(
                both,
                "{};",
                Table {
                    name: parent,
                    rows: 5,
                    ..table.clone()
                }
                .fill()
            );
        }
        1 if key == Key::Number => {
            let _ = write!(
                both,
                "CREATE TABLE {name} ({}) PARTITION BY RANGE ({number});",
                body.join(", ")
            );
            for (part, range) in [("MINVALUE", "100"), ("100", "MAXVALUE")]
                .iter()
                .enumerate()
            {
                let leaf = format!("{schema}.{}", quoted(&format!("{base} part {part}")));
                let _ = write!(
                    both,
                    "CREATE TABLE {leaf} PARTITION OF {name} FOR VALUES FROM ({}) TO ({});",
                    range.0, range.1
                );
            }
        }
        2 => {
            let _ = write!(
                both,
                "CREATE TABLE {name} (\"gone\" text, {});",
                body.join(", ")
            );
            let _ = write!(source, "ALTER TABLE {name} DROP COLUMN \"gone\";");
        }
        _ => {
            let _ = write!(both, "CREATE TABLE {name} ({});", body.join(", "));
        }
    }
    match key {
        Key::Identity => {
            let _ = write!(
                both,
                "ALTER TABLE {name} REPLICA IDENTITY USING INDEX {};",
                quoted(&format!("identity {at}"))
            );
        }
        Key::Full => {
            let _ = write!(both, "ALTER TABLE {name} REPLICA IDENTITY FULL;");
        }
        _ => {}
    }
    let _ = write!(both, "{};", table.fill());
    // Not on the target: there the columns have other numbers.
    let target = both.replace("\"gone\" text, ", "");
    (table, both + &source, target)
}

/// Damages the target's table, or does not.
pub(crate) fn damage(random: &mut Random, table: &Table) -> Option<String> {
    if random.chance(60) {
        return None;
    }
    let name = &table.name;
    let number = &table.number;
    let at = 1 + random.below(20);
    let (column, value) = random.one_of(&table.columns[table.key_columns..]).clone();
    if !table.keyed() {
        let one = format!(
            "ctid = (SELECT min(ctid) FROM ONLY {name} WHERE {number} = {})",
            at % 7
        );
        return Some(match random.below(4) {
            0 => format!("DELETE FROM ONLY {name} WHERE {one}"),
            1 => format!("UPDATE ONLY {name} SET {column} = NULL WHERE {one}"),
            2 => table.insert(&format!("(VALUES ({}))", at % 7)),
            _ => format!(
                "UPDATE ONLY {name} SET {column} = {} WHERE {one}",
                value.replace("$k", "(-5)")
            ),
        });
    }
    let other = at + 1 + random.below(19);
    Some(match random.below(7) {
        0 => format!("DELETE FROM {name} WHERE {number} = {at}"),
        1 => format!("UPDATE {name} SET {column} = NULL WHERE {number} = {at}"),
        2 => table.insert(&format!("(VALUES ({}))", -i64::try_from(at).unwrap_or(1))),
        3 => format!(
            "UPDATE {name} SET {column} = (SELECT o.{column} FROM {name} AS o WHERE o.{number} = {other}) WHERE {number} = {at}"
        ),
        4 => format!(
            "UPDATE {name} AS one SET {column} = two.{column} FROM {name} AS two
             WHERE one.{number} IN ({at}, {other}) AND two.{number} IN ({at}, {other}) AND one.{number} <> two.{number}"
        ),
        _ => format!(
            "UPDATE {name} SET {column} = {} WHERE {number} = {at}",
            value.replace("$k", &format!("({number} + 13)"))
        ),
    })
}

/// A statement of a writer: rows up to number 20 are left alone, they may be damaged.
pub(crate) fn write_one(random: &mut Random, table: &Table, fresh: &mut usize) -> String {
    let name = &table.name;
    let number = &table.number;
    *fresh += 1;
    if !table.keyed() {
        return table.insert(&format!("(VALUES ({}))", random.below(9)));
    }
    let at = 21 + random.below(table.rows.max(60));
    let (column, value) = random.one_of(&table.columns[table.key_columns..]).clone();
    match random.below(6) {
        0 => table.insert(&format!("(VALUES ({}))", 100_000 + *fresh)) + " ON CONFLICT DO NOTHING",
        1 => format!("DELETE FROM {name} WHERE {number} = {at}"),
        2 if table.key == Key::Number => format!(
            "UPDATE {name} SET {number} = {} WHERE {number} = {at}",
            200_000 + *fresh
        ),
        3 => format!(
            "INSERT INTO {name} SELECT * FROM {name} WHERE {number} = {at} ON CONFLICT DO NOTHING;
             DELETE FROM {name} WHERE {number} = {at}; {} ON CONFLICT DO NOTHING",
            table.insert(&format!("(VALUES ({at}))"))
        ),
        _ => format!(
            "UPDATE {name} SET {column} = {} WHERE {number} = {at}",
            value.replace("$k", &format!("{}", random.below(5000)))
        ),
    }
}
