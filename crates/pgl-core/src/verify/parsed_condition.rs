//! The condition of `--where` as a server has parsed it (`debug_print_parse`): which functions it calls, by which collations they compare,
//! and which values are converted by a type's input function. The same condition must mean the same on both sides: a collation
//! that orders texts otherwise, or knows other lower-case letters, lets a row meet it on one side alone.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `pg_collation.oid` of `default`.
const DEFAULT: u32 = 100;

/// Nodes that hold nothing but other nodes, columns and constants, under the names that servers from 9.4 on print.
const TRANSPARENT: &[&str] = &[
    "ARRAY",
    "ARRAYCOERCEEXPR",
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
    "COERCETODOMAIN",
    "COLLATE",
    "COLLATEEXPR",
    "CONST",
    "CONVERTROWTYPEEXPR",
    "FIELDSELECT",
    "NAMEDARGEXPR",
    "NULLTEST",
    "RELABELTYPE",
    "ROW",
    "ROWEXPR",
    "SUBSCRIPTINGREF",
    "VAR",
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
    "ascii",
    "bpchar",
    "bpchar_name",
    "bpchareq",
    "bpcharlen",
    "bpcharne",
    "bpcharoctetlen",
    "btrim",
    "btrim1",
    "hashtext",
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
    "md5_text",
    "name_bpchar",
    "name_text",
    "nameeq",
    "nameeqtext",
    "namene",
    "namenetext",
    "namelike",
    "namenlike",
    "pg_convert_to",
    "replace_text",
    "rtrim",
    "rtrim1",
    "split_part",
    "split_text",
    "text_bpchar",
    "text_left",
    "text_name",
    "text_reverse",
    "text_right",
    "text_starts_with",
    "text_substr",
    "text_substr_no_len",
    "textcat",
    "texteq",
    "texteqname",
    "textlen",
    "textlike",
    "textne",
    "textnename",
    "textnlike",
    "textoctetlen",
    "textpos",
    "varchar",
];

/// What a part of a condition calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `pg_proc.oid`.
    Function(u32),
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
    /// The whole statement that creates it, for one that is neither the server's nor an extension's.
    pub definition: Option<String>,
    /// Whether it takes values of any type: the order of an enum's labels may decide what it gives.
    pub polymorphic: bool,
    /// Whether it is IMMUTABLE.
    pub immutable: bool,
    /// Whether it is VOLATILE.
    pub volatile: bool,
    /// Whether no argument is of a type that can hold text.
    pub plain: bool,
}

/// A type that a condition converts to, or compares.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConditionType {
    /// `pg_type.oid`.
    pub oid: u32,
    /// `format_type()`.
    pub name: String,
    /// Whether the input function depends on nothing but the text, or on settings that every session of ours has alike.
    pub fixed: bool,
    /// Whether it cannot hold text.
    pub plain: bool,
}

/// An enum.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EnumLabels {
    /// `schema.name`, quoted.
    pub name: String,
    /// Its labels in their order.
    pub labels: Vec<String>,
}

/// A collation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Collation {
    /// `pg_collation.oid`.
    pub oid: u32,
    /// Provider and locale, `C` for all that compare bytes.
    pub definition: String,
    /// Version of the library that compares, where known.
    pub version: Option<String>,
    /// Whether only equal bytes are equal texts.
    pub deterministic: bool,
}

impl Collation {
    /// Whether both are known to order texts alike and to know the same letters.
    fn is_same(&self, other: &Self) -> bool {
        self.definition == other.definition
            && (self.definition == "C" || self.version.is_some() && self.version == other.version)
    }

    fn shown(&self) -> String {
        match (&*self.definition, &self.version) {
            ("C", _) => "C".to_owned(),
            (_, Some(version)) if version.is_empty() => self.definition.clone(),
            (_, Some(version)) => format!("{}, version {version}", self.definition),
            (_, None) => format!("{}, version not known", self.definition),
        }
    }
}

/// What a server's catalogs say of the parts of a condition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConditionCatalog {
    /// Its functions.
    pub functions: Vec<CalledFunction>,
    /// Its types.
    pub types: Vec<ConditionType>,
    /// Its collations, and that of the database.
    pub collations: Vec<Collation>,
    /// The enums of the database, where the condition may ask for their order.
    pub enums: Vec<EnumLabels>,
}

/// A condition and what one side's catalogs say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SideCondition {
    /// As parsed.
    pub parsed: ParsedCondition,
    /// The catalogs.
    pub catalog: ConditionCatalog,
}

/// Reads the condition in a query tree.
///
/// # Errors
/// A part that is not known to follow from the row alone.
pub fn parse(tree: &str) -> Result<ParsedCondition, String> {
    let unreadable = || "the server's parse tree cannot be read".to_owned();
    let (_, quals) = tree.rsplit_once(":quals").ok_or_else(unreadable)?;
    let mut found = ParsedCondition::default();
    let mut open: Vec<Node<'_>> = Vec::new();
    let mut field = "";
    // Braces and parentheses are words; a name in the tree has a backslash before its own.
    let spaced = quals
        .replace('{', " { ")
        .replace('}', " } ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "{" => {
                let kind = words.next().ok_or_else(unreadable)?;
                let place = found.calls.len();
                open.push(Node::new(kind, place));
            }
            "}" => {
                let Some(node) = open.pop() else {
                    // The end of what the condition is in.
                    return Ok(found);
                };
                node.put(&mut found)?;
            }
            "<>" if open.is_empty() => return Ok(found),
            _ => match word.strip_prefix(':') {
                Some(name) => field = name,
                None => {
                    if let (Some(node), Ok(oid)) = (open.last_mut(), word.parse()) {
                        node.fields.entry(field).or_default().push(oid);
                    }
                }
            },
        }
    }
    Err(unreadable())
}

/// A node with those of its fields that are numbers.
struct Node<'a> {
    kind: &'a str,
    /// Where its calls go: before those of its arguments.
    place: usize,
    fields: BTreeMap<&'a str, Vec<u32>>,
}

impl<'a> Node<'a> {
    fn new(kind: &'a str, place: usize) -> Self {
        Self {
            kind,
            place,
            fields: BTreeMap::new(),
        }
    }

    fn all(&self, field: &str) -> &[u32] {
        self.fields.get(field).map_or(&[], Vec::as_slice)
    }

    fn one(&self, field: &str) -> Result<u32, String> {
        match self.all(field) {
            [oid] => Ok(*oid),
            _ => Err(format!("{field} of {} cannot be read", self.kind)),
        }
    }

    fn put(&self, found: &mut ParsedCondition) -> Result<(), String> {
        let call = match self.kind {
            "OPEXPR" | "SCALARARRAYOPEXPR" | "DISTINCTEXPR" | "NULLIFEXPR" => {
                Call::Function(self.one("opfuncid")?)
            }
            "FUNCEXPR" => Call::Function(self.one("funcid")?),
            "MINMAX" | "MINMAXEXPR" => Call::Compare(self.one("minmaxtype")?),
            "ROWCOMPARE" | "ROWCOMPAREEXPR" => {
                let (operators, collations) = (self.all("opnos"), self.all("inputcollids"));
                if operators.is_empty() || operators.len() != collations.len() {
                    return Err("a comparison of rows cannot be read".to_owned());
                }
                for (operator, collation) in operators.iter().zip(collations).rev() {
                    let call = (Call::Operator(*operator), *collation);
                    found.calls.insert(self.place, call);
                }
                return Ok(());
            }
            "COERCEVIAIO" => {
                found.converted.push(self.one("resulttype")?);
                return Ok(());
            }
            kind if TRANSPARENT.contains(&kind) => return Ok(()),
            kind => {
                return Err(format!("{kind}: not known to follow from the row alone"));
            }
        };
        let call = (call, self.one("inputcollid")?);
        found.calls.insert(self.place, call);
        Ok(())
    }
}

impl SideCondition {
    /// Whether the order of an enum's labels may decide whether a row meets the condition.
    pub fn may_order(&self) -> bool {
        let equality = |one: &CalledFunction| {
            one.schema == "pg_catalog"
                && (INDEPENDENT.contains(&one.source.as_str())
                    || ["enum_eq", "enum_ne"].contains(&one.source.as_str()))
        };
        let mut calls = self.parsed.calls.iter();
        calls.any(|(call, _)| matches!(call, Call::Compare(_)))
            // What a user's function compares is not known.
            || (self.catalog.functions.iter())
                .any(|one| (one.polymorphic || one.schema != "pg_catalog" && !one.plain) && !equality(one))
    }

    /// Why the condition does not follow from the row alone; nothing where it does.
    pub fn refuse(&self) -> Option<String> {
        let types = &self.catalog.types;
        for oid in &self.parsed.converted {
            let known = types.iter().find(|one| one.oid == *oid);
            if known.is_none_or(|one| !one.fixed) {
                let name = known.map_or_else(|| oid.to_string(), |one| one.name.clone());
                return Some(format!(
                    "a conversion to {name} is not IMMUTABLE: it may depend on the moment or the session, as 'now' does; a text that is \
                     no constant is converted by to_timestamp() or to_date()"
                ));
            }
        }
        // Those of pg_catalog that are STABLE were looked up by their names.
        (self.catalog.functions.iter())
            .find(|one| one.volatile || !one.immutable && one.schema != "pg_catalog")
            .map(|one| format!("{}.{} is not IMMUTABLE", one.schema, one.name))
    }

    /// What depends on a collation, in the order of the tree.
    fn dependent(&self) -> Vec<(String, Option<&Collation>)> {
        let mut found = Vec::new();
        for (call, collation) in &self.parsed.calls {
            let (name, by) = self.collations_of(*call, *collation);
            for oid in by {
                let known = self.catalog.collations.iter().find(|one| one.oid == oid);
                found.push((name.clone(), known));
            }
        }
        found
    }

    fn collations_of(&self, call: Call, collation: u32) -> (String, Vec<u32>) {
        let own = |plain: bool| match (collation, plain) {
            (0, true) => Vec::new(),
            (0, false) => vec![DEFAULT],
            (collation, _) => vec![collation],
        };
        if let Call::Compare(kind) = call {
            let plain = (self.catalog.types.iter()).any(|one| one.oid == kind && one.plain);
            return ("GREATEST or LEAST".to_owned(), own(plain));
        }
        let function = self.catalog.functions.iter().find(|one| match call {
            Call::Function(oid) => one.oid == oid,
            Call::Operator(oid) => one.operators.contains(&oid),
            Call::Compare(_) => false,
        });
        let Some(function) = function else {
            return ("a function".to_owned(), vec![DEFAULT]);
        };
        let name = format!("{}.{}()", function.schema, function.name);
        if function.schema != "pg_catalog" {
            // Whatever it does, it has these two.
            let more = (collation != 0 && collation != DEFAULT).then_some(collation);
            return (name, std::iter::once(DEFAULT).chain(more).collect());
        }
        let deterministic = || {
            collation == 0
                || (self.catalog.collations.iter())
                    .any(|one| one.oid == collation && one.deterministic)
        };
        if INDEPENDENT.contains(&function.source.as_str()) && deterministic() {
            return (name, Vec::new());
        }
        (name, own(function.plain))
    }
}

/// Which function or type of the condition is defined otherwise on the other side; nothing where all are alike.
pub fn defined_otherwise(source: &SideCondition, target: &SideCondition) -> Option<String> {
    let own = |side: &SideCondition| -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in &side.catalog.functions {
            if let Some(definition) = &one.definition {
                let name = format!("{}.{}()", one.schema, one.name);
                all.entry(name).or_default().push(definition.clone());
            }
        }
        all.values_mut().for_each(|all| all.sort_unstable());
        all
    };
    let (one, two) = (own(source), own(target));
    if let Some(name) = (one.keys().chain(two.keys())).find(|name| one.get(*name) != two.get(*name))
    {
        return Some(format!("{name} is defined otherwise on the target"));
    }
    if !(source.may_order() || target.may_order()) {
        return None;
    }
    let other = |one: &&EnumLabels| {
        let mut same = target
            .catalog
            .enums
            .iter()
            .filter(|two| two.name == one.name);
        same.any(|two| two.labels != one.labels)
    };
    let found = source.catalog.enums.iter().find(other)?;
    Some(format!(
        "it may ask for the order of the labels of {}, which is another on the target",
        found.name
    ))
}

/// Why a condition could mean something else on the other side; nothing where it is known to mean the same.
pub fn refuse_pair(source: &SideCondition, target: &SideCondition) -> Option<String> {
    let (one, two) = (source.dependent(), target.dependent());
    if one.len() != two.len() {
        let (name, _) = one.first().or(two.first())?;
        return Some(format!(
            "{name} compares text by a collation, and the condition is not made of the same functions on both sides"
        ));
    }
    let (name, by) = (one.into_iter().zip(two)).find_map(|((name, one), (_, two))| {
        let same = one.zip(two).is_some_and(|(one, two)| one.is_same(two));
        (!same).then_some((name, (one, two)))
    })?;
    let shown =
        |one: Option<&Collation>| one.map_or_else(|| "not known".to_owned(), Collation::shown);
    Some(format!(
        "{name} depends on a collation that is not known to be the same on both sides (source: {}; target: {}): a row could meet the \
         condition on one side alone",
        shown(by.0),
        shown(by.1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAR: &str =
        "{VAR :varno 1 :varattno 2 :vartype 25 :vartypmod -1 :varcollid 100 :location 38}";

    fn tree(quals: &str) -> String {
        format!(
            "{{QUERY :rtable ({{RANGETBLENTRY :eref {{ALIAS :aliasname t :colnames (\"id\" \"a\\{{b\")}} :relid 16384}}) :jointree\n\
             {{FROMEXPR :fromlist ({{RANGETBLREF :rtindex 1}}) :quals\n{quals}}} :targetList <> :stmt_len 26}}"
        )
    }

    fn call(function: u32, collation: u32, args: &str) -> String {
        format!(
            "{{OPEXPR :opno 664 :opfuncid {function} :opresulttype 16\n:inputcollid {collation} :args ({args}) :location 43}}"
        )
    }

    fn function(oid: u32, source: &str, plain: bool) -> CalledFunction {
        CalledFunction {
            oid,
            operators: vec![oid + 1],
            schema: "pg_catalog".to_owned(),
            name: source.to_owned(),
            source: source.to_owned(),
            definition: None,
            polymorphic: false,
            immutable: true,
            volatile: false,
            plain,
        }
    }

    fn collation(oid: u32, definition: &str, version: Option<&str>) -> Collation {
        Collation {
            oid,
            definition: definition.to_owned(),
            version: version.map(str::to_owned),
            deterministic: !definition.contains("nondeterministic"),
        }
    }

    fn side(quals: &str, default: Collation) -> SideCondition {
        let typed = |oid, name: &str, fixed, plain| ConditionType {
            oid,
            name: name.to_owned(),
            fixed,
            plain,
        };
        SideCondition {
            parsed: parse(&tree(quals)).unwrap(),
            catalog: ConditionCatalog {
                functions: vec![
                    function(740, "text_lt", false),
                    function(67, "texteq", false),
                    function(871, "upper", false),
                    function(66, "int4lt", true),
                    function(4039, "jsonb_lt", false),
                    CalledFunction {
                        schema: "app".to_owned(),
                        ..function(17_000, "f", true)
                    },
                ],
                types: vec![
                    typed(23, "integer", true, true),
                    typed(1184, "timestamp with time zone", false, true),
                ],
                collations: vec![default, collation(950, "C", None)],
                enums: Vec::new(),
            },
        }
    }

    fn refused(quals: &str, source: Collation, target: Collation) -> Option<String> {
        refuse_pair(&side(quals, source), &side(quals, target))
    }

    #[test]
    fn what_is_called_is_found_in_order() {
        let inner = call(65, 0, VAR);
        let rows = "{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 664) :opfamilies (o 1976 1994) :inputcollids (o 0 100) :largs ({CONST \
                    :constvalue 4 [ 3 0 0 0 ]}) :rargs <>}";
        let io = format!("{{COERCEVIAIO :arg {VAR} :resulttype 1184 :resultcollid 0}}");
        let least =
            format!("{{MINMAX :minmaxtype 25 :minmaxcollid 100 :inputcollid 100 :args ({VAR})}}");
        let all = format!(
            "{{BOOLEXPR :boolop and :args ({} {rows} {io} {least})}}",
            call(740, 950, &inner)
        );
        let found = parse(&tree(&all)).unwrap();
        assert_eq!(
            found.calls,
            [
                (Call::Function(740), 950),
                (Call::Function(65), 0),
                (Call::Operator(97), 0),
                (Call::Operator(664), 100),
                (Call::Compare(25), 100),
            ]
        );
        assert_eq!(found.converted, [1184]);
        assert_eq!(parse(&tree("<>")), Ok(ParsedCondition::default()));
        let why = parse(&tree("{JSONEXPR :op 1}")).unwrap_err();
        assert!(why.contains("JSONEXPR"), "{why}");
        assert!(parse("{QUERY}").is_err());
    }

    #[test]
    fn order_needs_the_same_collation() {
        let icu = |version| collation(100, "icu en", version);
        let less = call(740, 100, VAR);
        assert_eq!(refused(&less, icu(Some("1")), icu(Some("1"))), None);
        for (one, two) in [
            (icu(Some("1")), icu(Some("2"))),
            (icu(None), icu(None)),
            (icu(Some("1")), collation(100, "C", None)),
            (icu(Some("1")), collation(100, "libc en", Some("1"))),
        ] {
            let why = refused(&less, one, two).unwrap();
            assert!(why.contains("text_lt"), "{why}");
        }
        let c = || collation(100, "C", None);
        assert_eq!(refused(&less, c(), c()), None);
        // COLLATE "C".
        assert_eq!(refused(&call(740, 950, VAR), icu(None), c()), None);
        // Beside a part that has it, another has not.
        let both = format!("{} {}", call(740, 950, VAR), call(871, 100, VAR));
        let both = format!("{{BOOLEXPR :boolop and :args ({both})}}");
        assert!(refused(&both, icu(None), c()).unwrap().contains("upper"));
    }

    #[test]
    fn equality_is_the_same_with_every_deterministic_collation() {
        let equal = call(67, 100, VAR);
        let (icu, c) = (collation(100, "icu en", None), collation(100, "C", None));
        assert_eq!(refused(&equal, icu.clone(), c.clone()), None);
        let loose = collation(100, "icu en, nondeterministic", Some("1"));
        assert!(refused(&equal, loose.clone(), c.clone()).is_some());
        assert_eq!(refused(&equal, loose.clone(), loose), None);
        // No text is compared.
        assert_eq!(refused(&call(66, 0, VAR), icu.clone(), c.clone()), None);
        // Strings in jsonb have the collation of the database; functions of users may compare anything.
        assert!(refused(&call(4039, 0, VAR), icu.clone(), c.clone()).is_some());
        assert!(refused(&call(17_000, 0, VAR), icu.clone(), c.clone()).is_some());
        assert!(refused(&call(999, 0, VAR), icu, c).is_some());
    }

    #[test]
    fn what_is_defined_otherwise_is_named() {
        let side = |body: &str, labels: &[&str], order: bool| {
            let mut side = side(&call(66, 0, VAR), collation(100, "C", None));
            for one in &mut side.catalog.functions {
                one.plain = !order;
                one.definition = (one.schema == "app").then(|| body.to_owned());
            }
            side.catalog.enums.push(EnumLabels {
                name: "public.mood".to_owned(),
                labels: labels.iter().map(|one| (*one).to_owned()).collect(),
            });
            side
        };
        let (up, down) = (&["a", "b"], &["b", "a"]);
        let one = side("1", up, true);
        assert_eq!(defined_otherwise(&one, &one), None);
        let why = |two: &SideCondition| defined_otherwise(&one, two).unwrap_or_default();
        assert!(why(&side("2", up, true)).contains("app.f()"));
        assert!(why(&side("1", down, false)).contains("public.mood"));
        let plain = side("1", up, false);
        assert_eq!(defined_otherwise(&plain, &side("1", down, false)), None);
    }

    #[test]
    fn a_text_is_not_converted_to_a_moment() {
        let io = |kind: u32| {
            let io = format!("{{COERCEVIAIO :arg {VAR} :resulttype {kind} :resultcollid 0}}");
            side(&io, collation(100, "C", None)).refuse()
        };
        assert_eq!(io(23), None);
        assert!(io(1184).unwrap().contains("timestamp with time zone"));
        assert!(io(999).is_some());
        let mut other = side(&call(17_000, 0, VAR), collation(100, "C", None));
        assert_eq!(other.refuse(), None);
        for function in &mut other.catalog.functions {
            function.immutable = false;
        }
        assert!(other.refuse().unwrap().contains("app.f is not IMMUTABLE"));
        // STABLE functions of the server are known by their names, and none that is VOLATILE is among them.
        let mut own = side(&call(66, 0, VAR), collation(100, "C", None));
        own.catalog
            .functions
            .retain(|one| one.schema == "pg_catalog");
        for (volatile, refused) in [(false, false), (true, true)] {
            for function in &mut own.catalog.functions {
                (function.immutable, function.volatile) = (false, volatile);
            }
            assert_eq!(own.refuse().is_some(), refused);
        }
    }
}
