//! The condition of `--where` as a server has parsed it (`debug_print_parse`): what it calls, which values it converts, which moments it
//! names. The same condition has to mean the same on both sides, whatever their releases, locales and encodings, and at every
//! moment. So only what is known to is accepted: operators and casts of `pg_catalog` on numbers, dates and the like, equality and
//! other functions of text that need no order, and the order of text by its bytes (`COLLATE "C"`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::condition::SUBQUERY;
use crate::ServerVersion;

/// `pg_collation.oid` of `default`, which is deterministic.
const DEFAULT: u32 = 100;
/// Of `C` and `POSIX`.
const BYTEWISE: [u32; 2] = [950, 951];

/// `pg_type.oid` of the types that a condition may be about, besides arrays of them, domains over them, and enums. An extension's
/// types compare as they like, those of the server's objects are numbers of one server only, and composites hold anything.
const TYPES: [u32; 28] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 650, 700, 701, 705, 790, 869, 1042, 1043, 1082, 1083,
    1114, 1184, 1186, 1560, 1562, 1700, 2950, 3802,
];
/// Of `date`, `time`, `timestamp`, `timestamptz` and `interval`: what a text means depends on the server's table of time zones,
/// on its release, and on the moment.
const MOMENTS: [u32; 5] = [1082, 1083, 1114, 1184, 1186];

/// `oid` and `real`: a text is one by another rule from 16 and from 12 on.
const READ_OTHERWISE: [u32; 2] = [26, 700];
/// Every object with this OID or above was made by somebody.
const FIRST_USER_OID: u32 = 16_384;
/// Of `name`, `text`, `json`, `unknown`, `bpchar`, `varchar` and `jsonb`, whose values are stored in the database's encoding.
const TEXTS: [u32; 7] = [19, 25, 114, 705, 1042, 1043, 3802];

/// Fields of nodes that are a `pg_type.oid`.
const TYPE_FIELDS: [&str; 15] = [
    "array_typeid",
    "casetype",
    "coalescetype",
    "consttype",
    "element_typeid",
    "funcresulttype",
    "minmaxtype",
    "opresulttype",
    "refarraytype",
    "refcontainertype",
    "refelemtype",
    "refrestype",
    "resulttype",
    "typeId",
    "vartype",
];

/// Nodes that hold nothing but other nodes, columns and constants, under the names that servers from 9.4 on print.
const TRANSPARENT: &[&str] = &[
    "ARRAY",
    "ARRAYEXPR",
    "ARRAYREF",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COLLATE",
    "COLLATEEXPR",
    "CONST",
    "FIELDSELECT",
    "NAMEDARGEXPR",
    "NULLTEST",
    "RELABELTYPE",
    "ROW",
    "ROWEXPR",
    "SUBSCRIPTINGREF",
    "WHEN",
];

/// Functions of `pg_catalog`, by `pg_proc.prosrc`, that give the same with every deterministic collation.
const INDEPENDENT: &[&str] = &[
    "array_append",
    "array_cardinality",
    "array_eq",
    "array_length",
    "array_lower",
    "array_ndims",
    "array_ne",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_upper",
    "arraycontained",
    "arraycontains",
    "arrayoverlap",
    "bpchar",
    "bpchareq",
    "bpcharlen",
    "bpcharne",
    "btrim",
    "btrim1",
    "enum_eq",
    "enum_ne",
    "json_array_element",
    "json_array_element_text",
    "json_object_field",
    "json_object_field_text",
    "jsonb_array_element",
    "jsonb_array_element_text",
    "jsonb_array_length",
    "jsonb_contained",
    "jsonb_contains",
    "jsonb_eq",
    "jsonb_exists",
    "jsonb_exists_all",
    "jsonb_exists_any",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_ne",
    "jsonb_object_field",
    "jsonb_object_field_text",
    "jsonb_typeof",
    "like_escape",
    "ltrim",
    "ltrim1",
    "replace_text",
    "rtrim",
    "rtrim1",
    "split_part",
    "split_text",
    "text_bpchar",
    "text_left",
    "text_reverse",
    "text_right",
    "text_starts_with",
    "text_substr",
    "text_substr_no_len",
    "textcat",
    "texteq",
    "textlen",
    "textlike",
    "textne",
    "textnlike",
    "textpos",
    "varchar",
];

/// Likewise, where both databases have the same encoding: they see bytes, or a character's number, or cut after some bytes.
const SEEING_BYTES: &[&str] = &[
    "ascii",
    "bpchar_name",
    "bpcharoctetlen",
    "chareq",
    "charne",
    "md5_text",
    "name_text",
    "nameeq",
    "nameeqtext",
    "namelike",
    "namene",
    "namenetext",
    "namenlike",
    "text_name",
    "texteqname",
    "textnename",
    "textoctetlen",
];

/// Likewise, where text is ordered by its bytes.
const BY_ORDER: &[&str] = &[
    "bpcharge",
    "bpchargt",
    "bpcharle",
    "bpcharlt",
    "lower",
    "text_ge",
    "text_gt",
    "text_le",
    "text_lt",
    "texticlike",
    "texticnlike",
    "upper",
];

/// Functions of `pg_catalog` on numbers, dates and the like, by name, that give exactly the same everywhere. Operators and casts do;
/// of other functions many round, and releases and machines do so otherwise.
const EXACT: &[&str] = &[
    "abs", "ceil", "ceiling", "div", "floor", "isfinite", "mod", "round", "sign", "trunc",
];
/// Operators that round.
const INEXACT: &[&str] = &["dcbrt", "dpow", "numeric_float4", "numeric_power"];
/// Of a unit, which is a text.
const UNITS: &[&str] = &["date_part", "date_trunc", "extract"];

/// What a part of a condition calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `pg_proc.oid` of an operator or a cast.
    Function(u32),
    /// `pg_proc.oid` of a function that is called by its name.
    Named(u32),
    /// `pg_operator.oid`, of a comparison of rows.
    Operator(u32),
    /// `GREATEST` and `LEAST`, by `pg_type.oid`: they call what compares that type.
    Compare(u32),
}

/// The parts of a condition, in the order of the tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ParsedCondition {
    /// What is called, and the collation that it gets, 0 for none.
    pub calls: Vec<(Call, u32)>,
    /// Types whose input function reads the text of a value.
    pub converted: Vec<u32>,
    /// Types of all its parts.
    pub types: BTreeSet<u32>,
    /// Constants: the type, and the value as the server stores it.
    pub constants: Vec<(u32, String)>,
}

/// A function that a condition calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CalledFunction {
    /// `pg_proc.oid`.
    pub oid: u32,
    /// The operators that call it, of those that were asked for.
    pub operators: Vec<u32>,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `pg_proc.prosrc`.
    pub source: String,
    /// Whether it is IMMUTABLE.
    pub immutable: bool,
    /// Whether all arguments are numbers, dates and the like: nothing that can hold text or labels, or is rounded.
    pub plain: bool,
}

/// A type of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConditionType {
    /// `pg_type.oid`.
    pub oid: u32,
    /// `format_type()`.
    pub name: String,
    /// What it is a domain over or an array of; else itself.
    pub base: u32,
    /// Whether it is an array.
    pub array: bool,
    /// Whether that is an enum.
    pub labels: bool,
    /// Whether the input function depends on nothing but the text.
    pub fixed: bool,
    /// As [`CalledFunction::plain`].
    pub plain: bool,
}

/// What is known of both servers.
#[derive(Debug, Clone, Copy)]
pub struct BothServers<'a> {
    /// The names of the databases' encodings.
    pub encodings: (&'a str, &'a str),
    /// The older version.
    pub oldest: ServerVersion,
}

/// A condition and what one side's catalogs say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SideCondition {
    /// As parsed.
    pub parsed: ParsedCondition,
    /// Its functions.
    pub functions: Vec<CalledFunction>,
    /// Its types.
    pub types: Vec<ConditionType>,
}

/// Reads the condition in a query tree.
///
/// # Errors
/// A part that is not known to follow from the row alone.
pub fn parse(tree: &str) -> Result<ParsedCondition, String> {
    let mut found = ParsedCondition::default();
    let mut open: Vec<Node> = Vec::new();
    let mut field = String::new();
    // The condition is `quals` of the outermost FROMEXPR: a subquery has its own.
    let mut inside = false;
    let mut tokens = tokens(tree).into_iter();
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "{" => {
                let kind = tokens.next().unwrap_or_default();
                if inside && kind == "SUBLINK" {
                    return Err(SUBQUERY.to_owned());
                }
                open.push(Node {
                    kind,
                    place: found.calls.len(),
                    fields: BTreeMap::new(),
                });
            }
            "}" => match open.pop() {
                Some(_) if inside && open.len() == 1 => return Ok(found),
                Some(node) if inside => node.put(&mut found)?,
                Some(_) => {}
                None => break,
            },
            _ => match (token.strip_prefix(':'), open.last_mut()) {
                (Some(name), _) => {
                    field = name.to_owned();
                    inside |= field == "quals" && open.len() == 2;
                }
                (None, Some(node)) => node.fields.entry(field.clone()).or_default().push(token),
                (None, None) => {}
            },
        }
    }
    Err("the server's parse tree cannot be read".to_owned())
}

/// Braces and parentheses are tokens; a backslash makes the next character one of a name.
fn tokens(tree: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut token = String::new();
    let mut chars = tree.chars();
    while let Some(c) = chars.next() {
        let special = matches!(c, '{' | '}' | '(' | ')');
        if special || c.is_whitespace() {
            if !token.is_empty() {
                all.push(std::mem::take(&mut token));
            }
            if special {
                all.push(c.to_string());
            }
            continue;
        }
        token.push(c);
        if c == '\\' {
            token.extend(chars.next());
        }
    }
    all
}

/// A node with the words of its fields.
struct Node {
    kind: String,
    /// Where its calls go: before those of its arguments.
    place: usize,
    fields: BTreeMap<String, Vec<String>>,
}

impl Node {
    fn words(&self, field: &str) -> &[String] {
        self.fields.get(field).map_or(&[], Vec::as_slice)
    }

    fn all(&self, field: &str) -> Vec<u32> {
        let words = self.words(field).iter();
        words.filter_map(|word| word.parse().ok()).collect()
    }

    fn one(&self, field: &str) -> Result<u32, String> {
        match *self.all(field) {
            [oid] => Ok(oid),
            _ => Err(format!("{field} of {} cannot be read", self.kind)),
        }
    }

    fn put(&self, found: &mut ParsedCondition) -> Result<(), String> {
        let types = TYPE_FIELDS.iter().flat_map(|field| self.all(field));
        found.types.extend(types.filter(|oid| *oid != 0));
        let call = match self.kind.as_str() {
            "OPEXPR" | "SCALARARRAYOPEXPR" | "DISTINCTEXPR" | "NULLIFEXPR" => {
                Call::Function(self.one("opfuncid")?)
            }
            // The others are casts.
            "FUNCEXPR" if [0, 3].contains(&self.one("funcformat")?) => {
                Call::Named(self.one("funcid")?)
            }
            "FUNCEXPR" => Call::Function(self.one("funcid")?),
            "MINMAX" | "MINMAXEXPR" => Call::Compare(self.one("minmaxtype")?),
            "ROWCOMPARE" | "ROWCOMPAREEXPR" => {
                let (operators, collations) = (self.all("opnos"), self.all("inputcollids"));
                if operators.is_empty() || operators.len() != collations.len() {
                    return Err("a comparison of rows cannot be read".to_owned());
                }
                for (operator, collation) in operators.iter().zip(collations).rev() {
                    let call = (Call::Operator(*operator), collation);
                    found.calls.insert(self.place, call);
                }
                return Ok(());
            }
            "COERCEVIAIO" => {
                found.converted.push(self.one("resulttype")?);
                return Ok(());
            }
            // Up to 10 the function that converts the elements is a field; from 11 on it is a node.
            "ARRAYCOERCEEXPR" => match *self.all("elemfuncid") {
                [] | [0] => return Ok(()),
                [function, ..] => {
                    let call = (Call::Function(function), self.one("resultcollid")?);
                    found.calls.insert(self.place, call);
                    return Ok(());
                }
            },
            // 0 is the whole row.
            "VAR" if !self.one("varattno").is_ok_and(|number| number > 0) => {
                return Err(
                    "a system column or a whole row: it says how a side stores the row, which is not the same on both"
                        .to_owned(),
                );
            }
            "VAR" => return Ok(()),
            "CONST" => {
                let value = self.words("constvalue").join(" ");
                found.constants.push((self.one("consttype")?, value));
                return Ok(());
            }
            kind if TRANSPARENT.contains(&kind) => return Ok(()),
            kind => {
                return Err(format!("{kind}: {UNKNOWN}"));
            }
        };
        let call = (call, self.one("inputcollid")?);
        found.calls.insert(self.place, call);
        Ok(())
    }
}

const UNKNOWN: &str = "not known to follow from the row alone, and to be the same on every server";
const ENCODINGS: &str =
    "what it gives depends on the encoding, which is not the same on both sides";

impl SideCondition {
    /// Why the condition could mean something else on another server or at another moment; nothing where it cannot.
    pub fn refuse(&self, servers: BothServers<'_>) -> Option<String> {
        let types: BTreeMap<u32, &ConditionType> =
            self.types.iter().map(|one| (one.oid, one)).collect();
        let shown = |oid: &u32| {
            types
                .get(oid)
                .map_or_else(|| oid.to_string(), |one| one.name.clone())
        };
        let is = |oid: &u32, what: fn(&ConditionType) -> bool| {
            types.get(oid).is_some_and(|one| what(one))
        };
        let mut converted = self.parsed.converted.iter();
        if let Some(oid) = converted.find(|oid| {
            !is(oid, |one| {
                one.fixed && one.plain && !READ_OTHERWISE.contains(&one.base)
            })
        }) {
            return Some(format!("a conversion to {} is {UNKNOWN}", shown(oid)));
        }
        let mut constants = self.parsed.constants.iter().map(|(oid, _)| oid);
        if constants.any(|oid| is(oid, |one| one.array && MOMENTS.contains(&one.base))) {
            return Some(format!(
                "dates or times in an array that is a text: {UNKNOWN}"
            ));
        }
        let mut calls = self.parsed.calls.iter();
        let called = calls.find_map(|(call, collation)| {
            if let Call::Compare(kind) = call {
                return (!is(kind, |one| one.plain))
                    .then(|| format!("GREATEST or LEAST of this type: {UNKNOWN}"));
            }
            let function = self.function(*call);
            let Some(function) = function else {
                return Some(format!("a function: {UNKNOWN}"));
            };
            let named = matches!(call, Call::Named(_));
            let why = function.refuse(named, *collation, servers)?;
            Some(format!("{}.{}(): {why}", function.schema, function.name))
        });
        called.or_else(|| {
            let mut all = self.parsed.types.iter();
            let oid = all.find(|oid| !is(oid, |one| one.labels || TYPES.contains(&one.base)))?;
            Some(format!("type {}: {UNKNOWN}", shown(oid)))
        })
    }

    /// Whether it compares with a constant date, time or interval.
    pub fn has_moments(&self) -> bool {
        (self.parsed.constants.iter()).any(|(oid, _)| MOMENTS.contains(oid))
    }

    /// Why a condition that is accepted on both sides could mean something else on the other; nothing where it cannot. Functions are
    /// compared by name alone: the columns of both sides have the same types, or the table is not compared.
    pub fn differs(&self, other: &Self) -> Option<String> {
        if self.constants() != other.constants() {
            return Some(
                "a number, date, time or interval in it is another one on the target: write dates and times with a numeric offset \
                 from UTC, and intervals in whole units"
                    .to_owned(),
            );
        }
        let name = |side: &Self, at: usize| {
            let (call, _) = side.parsed.calls.get(at)?;
            side.function(*call).map(|one| format!("{}()", one.name))
        };
        let mut calls = 0..self.parsed.calls.len().max(other.parsed.calls.len());
        let (one, two) = calls.find_map(|at| {
            let (one, two) = (name(self, at), name(other, at));
            (one != two).then_some((one, two))
        })?;
        let shown = |name: Option<String>| name.unwrap_or_else(|| "nothing".to_owned());
        let (one, two) = (shown(one), shown(two));
        let mut functions = self.functions.iter().chain(&other.functions);
        let hint = match functions.any(|one| one.name == "extract") {
            true => "; write date_part for extract",
            false => "",
        };
        Some(format!(
            "it calls {one} on the source and {two} on the target{hint}"
        ))
    }

    /// Constants that every server stores alike: labels are numbers of one server.
    fn constants(&self) -> Vec<&(u32, String)> {
        let alike = |one: &ConditionType| !one.labels && !TEXTS.contains(&one.base);
        let is = |oid: u32| self.types.iter().any(|one| one.oid == oid && alike(one));
        (self.parsed.constants.iter())
            .filter(|(oid, _)| is(*oid))
            .collect()
    }

    fn function(&self, call: Call) -> Option<&CalledFunction> {
        self.functions.iter().find(|one| match call {
            Call::Function(oid) | Call::Named(oid) => one.oid == oid,
            Call::Operator(oid) => one.operators.contains(&oid),
            Call::Compare(_) => false,
        })
    }
}

impl CalledFunction {
    fn refuse(&self, named: bool, collation: u32, servers: BothServers<'_>) -> Option<String> {
        if self.schema != "pg_catalog" || self.oid >= FIRST_USER_OID || self.differs(servers) {
            return Some(UNKNOWN.to_owned());
        }
        let source = self.source.as_str();
        let (one, two) = servers.encodings;
        let (converted, unchecked) = (one != two, [one, two].contains(&"SQL_ASCII"));
        let (by_order, bytes) = (BY_ORDER.contains(&source), SEEING_BYTES.contains(&source));
        if by_order || bytes || INDEPENDENT.contains(&source) {
            let deterministic = collation == 0 || collation == DEFAULT;
            return if converted && (by_order || bytes || unchecked) {
                Some(ENCODINGS.to_owned())
            } else if BYTEWISE.contains(&collation) || deterministic && !by_order {
                None
            } else {
                Some(
                    "it depends on a collation, which may be another one on each side; write COLLATE \"C\" after the column, as in: \
                     name COLLATE \"C\" < 'b'"
                        .to_owned(),
                )
            };
        }
        let name = self.name.as_str();
        // Which are STABLE only because of TimeZone: every session of ours has the same.
        let fixed = self.immutable || source.contains("timestamptz");
        let exact = match named {
            true => EXACT.contains(&name),
            false => !INEXACT.contains(&source),
        };
        // Quarters of negative intervals have other numbers from 18 on.
        let unit =
            UNITS.contains(&name) && !(source.ends_with("_zone") || source.contains("interval"));
        // Before 17 no interval is infinite.
        let finite = source == "interval_finite";
        (!(fixed && (self.plain && exact && !finite || unit))).then(|| UNKNOWN.to_owned())
    }

    /// Whether releases compute it otherwise: money times and by something, parts of infinite dates before 9.6, and elements
    /// counted from the end before 9.5.
    fn differs(&self, servers: BothServers<'_>) -> bool {
        let source = self.source.as_str();
        let before = |version| !servers.oldest.at_least_num(version);
        source.contains("cash") && (source.contains("mul") || source.contains("div"))
            || before(90_600) && self.name == "date_part"
            || before(90_500)
                && (source.contains("array_element") || source.contains("extract_path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAR: &str =
        "{VAR :varno 1 :varattno 2 :vartype 25 :vartypmod -1 :varcollid 100 :location 38}";

    fn tree(quals: &str) -> String {
        format!(
            "{{QUERY :rtable ({{RANGETBLENTRY :eref {{ALIAS :aliasname t :colnames (\"id\" \":quals\" \"a\\{{\\ :quals\")}} :relid 16384}}) :jointree\n\
             {{FROMEXPR :fromlist ({{RANGETBLREF :rtindex 1}}) :quals\n{quals}}} :targetList <> :stmt_len 26}}"
        )
    }

    fn operator(function: u32, collation: u32) -> String {
        format!(
            "{{OPEXPR :opno 664 :opfuncid {function} :opresulttype 16\n:inputcollid {collation} :args ({VAR}) :location 43}}"
        )
    }

    fn named(function: u32) -> String {
        format!("{{FUNCEXPR :funcid {function} :funcformat 0 :inputcollid 0 :args ({VAR})}}")
    }

    fn side(quals: &str) -> SideCondition {
        let function =
            |oid, schema: &str, name: &str, source: &str, plain, immutable| CalledFunction {
                oid,
                operators: vec![oid + 1],
                schema: schema.to_owned(),
                name: name.to_owned(),
                source: source.to_owned(),
                immutable,
                plain,
            };
        let typed = |oid, name: &str, base, fixed, plain| ConditionType {
            oid,
            name: name.to_owned(),
            base,
            array: name.ends_with("[]"),
            labels: name.starts_with("mood"),
            fixed,
            plain,
        };
        SideCondition {
            parsed: parse(&tree(quals)).unwrap(),
            functions: vec![
                function(740, "pg_catalog", "text_lt", "text_lt", false, true),
                function(67, "pg_catalog", "texteq", "texteq", false, true),
                function(
                    1374,
                    "pg_catalog",
                    "octet_length",
                    "textoctetlen",
                    false,
                    true,
                ),
                function(66, "pg_catalog", "int4lt", "int4lt", true, true),
                function(232, "pg_catalog", "dpow", "dpow", true, true),
                function(1397, "pg_catalog", "abs", "int4abs", true, true),
                function(1604, "pg_catalog", "sin", "dsin", true, true),
                function(
                    1217,
                    "pg_catalog",
                    "date_trunc",
                    "timestamptz_trunc",
                    false,
                    false,
                ),
                function(
                    1284,
                    "pg_catalog",
                    "date_trunc",
                    "timestamptz_trunc_zone",
                    false,
                    false,
                ),
                function(
                    1189,
                    "pg_catalog",
                    "timestamptz_pl_interval",
                    "timestamptz_pl_interval",
                    true,
                    false,
                ),
                function(1299, "pg_catalog", "now", "now", true, false),
                function(4039, "pg_catalog", "jsonb_lt", "jsonb_lt", false, true),
                function(17_000, "app", "f", "int4lt", true, true),
            ],
            types: vec![
                typed(16, "boolean", 16, true, true),
                typed(23, "integer", 23, true, true),
                typed(18, "\"char\"", 18, true, false),
                typed(25, "text", 25, true, false),
                typed(26, "oid", 26, true, true),
                typed(1028, "oid[]", 26, false, false),
                typed(1184, "timestamp with time zone", 1184, false, true),
                typed(1185, "timestamp with time zone[]", 1184, false, false),
                typed(2205, "regclass", 2205, false, true),
                typed(2210, "regclass[]", 2205, false, false),
                typed(17_002, "mood[]", 17_001, false, false),
                typed(17_003, "app.positive", 23, false, true),
                typed(17_004, "citext[]", 17_005, false, false),
            ],
        }
    }

    fn servers<'a>(encodings: (&'a str, &'a str)) -> BothServers<'a> {
        BothServers {
            encodings,
            oldest: ServerVersion(130_000),
        }
    }

    fn refused(quals: &str) -> Option<String> {
        side(quals).refuse(servers(("UTF8", "UTF8")))
    }

    #[test]
    fn what_is_called_is_found_in_order() {
        let rows = "{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 664) :opfamilies (o 1976 1994) :inputcollids (o 0 100) :largs ({CONST \
                    :consttype 1184 :constvalue 4 [ 3 0 0 -1 ]}) :rargs <>}";
        let io = format!("{{COERCEVIAIO :arg {VAR} :resulttype 1184 :resultcollid 0}}");
        let least =
            format!("{{MINMAX :minmaxtype 25 :minmaxcollid 100 :inputcollid 100 :args ({VAR})}}");
        let elements = format!(
            "{{ARRAYCOERCEEXPR :arg {VAR} :elemfuncid 0}} {{ARRAYCOERCEEXPR :arg {VAR} :elemfuncid 668 :resultcollid 100}}"
        );
        let inner = "{OPEXPR :opno 96 :opfuncid 65 :inputcollid 0 :args <>}";
        let all = format!(
            "{{BOOLEXPR :boolop and :args ({} {inner} {} {rows} {io} {least} {elements})}}",
            operator(740, 950),
            named(1397),
        );
        let found = parse(&tree(&all)).unwrap();
        assert_eq!(
            found.calls,
            [
                (Call::Function(740), 950),
                (Call::Function(65), 0),
                (Call::Named(1397), 0),
                (Call::Operator(97), 0),
                (Call::Operator(664), 100),
                (Call::Compare(25), 100),
                (Call::Function(668), 100),
            ]
        );
        assert_eq!(found.converted, [1184]);
        assert_eq!(found.constants, [(1184, "4 [ 3 0 0 -1 ]".to_owned())]);
        assert_eq!(found.types, BTreeSet::from([16, 25, 1184]));
        assert_eq!(parse(&tree("<>")), Ok(ParsedCondition::default()));
        for (part, what) in [
            ("{JSONEXPR :op 1}", "JSONEXPR"),
            ("{COERCETODOMAIN :resulttype 17001}", "COERCETODOMAIN"),
            ("{SQLVALUEFUNCTION :op 10}", "SQLVALUEFUNCTION"),
            (
                "{SUBLINK :subLinkType 2 :subselect {QUERY :jointree {FROMEXPR :fromlist <> :quals <>}}}",
                "subquery",
            ),
            ("{VAR :varno 1 :varattno -1 :vartype 27}", "system column"),
            ("{VAR :varno 1 :varattno 0 :vartype 17001}", "whole row"),
        ] {
            let why = parse(&tree(part)).unwrap_err();
            assert!(why.contains(what), "{why}");
        }
        assert!(parse("{QUERY}").is_err());
    }

    #[test]
    fn order_of_text_needs_its_bytes() {
        assert_eq!(refused(&operator(740, 950)), None);
        for collation in [100, 0, 12_345] {
            let why = refused(&operator(740, collation)).unwrap();
            assert!(why.contains("text_lt") && why.contains("COLLATE"), "{why}");
        }
        for collation in [100, 0, 950, 951] {
            assert_eq!(refused(&operator(67, collation)), None);
        }
        // A collation of a column may take unequal texts for equal.
        assert!(refused(&operator(67, 12_345)).unwrap().contains("COLLATE"));
        // Strings in jsonb have the collation of the database.
        assert!(refused(&operator(4039, 950)).is_some());
    }

    /// Characters are not counted where the server knows no encoding.
    #[test]
    fn what_sees_bytes_needs_one_encoding() {
        let encodings = [
            ("LATIN1", "LATIN1"),
            ("LATIN1", "UTF8"),
            ("SQL_ASCII", "SQL_ASCII"),
            ("SQL_ASCII", "UTF8"),
        ];
        for (quals, taken) in [
            (operator(66, 0), [true, true, true, true]),
            (operator(67, 100), [true, true, true, false]),
            (operator(740, 950), [true, false, true, false]),
            (named(1374), [true, false, true, false]),
        ] {
            let side = side(&quals);
            assert_eq!(
                encodings.map(|both| side.refuse(servers(both)).is_none()),
                taken
            );
        }
    }

    #[test]
    fn only_what_is_the_same_everywhere_is_called() {
        for (quals, taken) in [
            (operator(66, 0), true),
            (operator(232, 0), false),
            (named(1397), true),
            (named(1604), false),
            (named(66), false),
            (named(1217), true),
            (named(1284), false),
            (operator(1189, 0), true),
            (named(1299), false),
            (named(17_000), false),
            (operator(17_000, 0), false),
            (operator(999, 0), false),
        ] {
            let why = refused(&quals);
            assert_eq!(why.is_none(), taken, "{quals}: {why:?}");
        }
        for (kind, taken) in [
            (23, true),
            (25, false),
            (26, false),
            (1184, false),
            (999, false),
        ] {
            let io = format!("{{COERCEVIAIO :arg {VAR} :resulttype {kind} :resultcollid 0}}");
            assert_eq!(refused(&io).is_none(), taken, "{kind}");
        }
        for (kind, taken) in [(23, true), (25, false)] {
            let least = format!("{{MINMAX :minmaxtype {kind} :inputcollid 0 :args ({VAR})}}");
            assert_eq!(refused(&least).is_none(), taken, "{kind}");
        }
    }

    #[test]
    fn what_releases_compute_otherwise_is_not_called() {
        for (name, source, oldest, taken) in [
            ("cash_mul_flt8", "cash_mul_flt8", 180_000, false),
            ("cash_eq", "cash_eq", 180_000, true),
            ("date_part", "timestamp_part", 90_600, true),
            ("date_part", "timestamp_part", 90_524, false),
            ("date_trunc", "timestamp_trunc", 90_524, true),
            ("jsonb_array_element", "jsonb_array_element", 90_500, true),
            ("jsonb_array_element", "jsonb_array_element", 90_426, false),
        ] {
            let mut side = side(&operator(66, 0));
            for function in &mut side.functions {
                (function.name, function.source) = (name.to_owned(), source.to_owned());
            }
            let servers = BothServers {
                encodings: ("UTF8", "UTF8"),
                oldest: ServerVersion(oldest),
            };
            assert_eq!(side.refuse(servers).is_none(), taken, "{name} {oldest}");
        }
        // Somebody has put it there.
        let mut own = side(&operator(66, 0));
        own.parsed.calls = vec![(Call::Function(17_000), 0)];
        for function in &mut own.functions {
            function.schema = "pg_catalog".to_owned();
        }
        assert!(own.refuse(servers(("UTF8", "UTF8"))).is_some());
    }

    #[test]
    fn types_are_the_servers_own() {
        let var = |kind: u32| format!("{{VAR :varno 1 :varattno 1 :vartype {kind}}}");
        for (kind, taken) in [
            (23, true),
            (1185, true),
            (2205, false),
            (2210, false),
            (17_002, true),
            (17_003, true),
            (17_004, false),
            (999, false),
        ] {
            assert_eq!(refused(&var(kind)).is_none(), taken, "{kind}");
            let relabelled = format!("{{RELABELTYPE :arg {VAR} :resulttype {kind}}}");
            assert_eq!(refused(&relabelled).is_none(), taken, "{kind}");
        }
        let now = "{CONST :consttype 1185 :constvalue 8 [ 0 0 ]}";
        assert!(refused(now).unwrap().contains("array"));
    }

    #[test]
    fn constants_and_functions_are_the_same_on_both_sides() {
        let at = |kind: u32, byte: u8| {
            side(&format!(
                "{{CONST :consttype {kind} :constvalue 8 [ {byte} 0 ]}}"
            ))
        };
        assert_eq!(at(1184, 1).differs(&at(1184, 1)), None);
        assert!(at(1184, 1).differs(&at(1184, 2)).is_some());
        for kind in [18, 23, 1028] {
            assert!(at(kind, 1).differs(&at(kind, 2)).is_some(), "{kind}");
        }
        // A label is a number of the server's, a text its bytes there.
        for kind in [25, 17_002] {
            assert_eq!(at(kind, 1).differs(&at(kind, 2)), None, "{kind}");
        }
        let (one, two) = (side(&named(1397)), side(&named(1217)));
        assert_eq!(one.differs(&one), None);
        let why = one.differs(&two).unwrap();
        assert!(
            why.contains("abs() on the source and date_trunc()"),
            "{why}"
        );
        assert!(one.differs(&side(VAR)).unwrap().contains("nothing"));
    }
}
