//! The object half of the clean facts: two tables with keys and sequences, the same on both
//! sides, empty on the target; and small helpers that change them.

pub(super) mod data;
pub(super) mod obj;
pub(super) mod seq;
pub(super) mod target;
pub(super) mod tbl;
pub(super) mod typ;

use super::{known, nothing_unknown, target as target_facts};
use crate::ServerVersion;
use crate::facts::objects::{
    Activity, Column, Constraint, ConstraintKind, DatabaseState, ExistingObject, IdentityColumn,
    Index, Member, Objects, Relation, RoutineUse, Schema, Sequence, SequenceUse, TypeFact, UsedIn,
    Via,
};
use crate::facts::{Facts, Section};

/// `public.customers (id integer, name text, email text)`, with a serial key.
pub(crate) const CUSTOMERS: u32 = 100;
/// `public.orders (id bigint, customer integer, note text)`, with an identity key.
pub(crate) const ORDERS: u32 = 101;
/// Sequence of [`CUSTOMERS`].
pub(crate) const CUSTOMERS_SEQ: u32 = 200;
/// Sequence of [`ORDERS`].
pub(crate) const ORDERS_SEQ: u32 = 201;

/// `integer`.
pub(crate) const INT4: (u32, &str) = (23, "integer");
/// `bigint`.
pub(crate) const INT8: (u32, &str) = (20, "bigint");
/// `text`.
pub(crate) const TEXT: (u32, &str) = (25, "text");

/// The source's objects.
pub(crate) fn source(facts: &mut Facts) -> &mut Objects {
    &mut facts.source.objects
}

/// The target's objects.
pub(crate) fn there(facts: &mut Facts) -> &mut Objects {
    &mut target_facts(facts).objects
}

/// The objects of a clean database.
pub(super) fn clean() -> Objects {
    let mut objects = Objects {
        database: Section::Known(DatabaseState {
            data_checksums: true,
            checksum_failures: Some(0),
            ..DatabaseState::default()
        }),
        schemas: Section::Known(vec![Schema {
            name: "public".to_owned(),
            owner: "postgres".to_owned(),
            ..Schema::default()
        }]),
        existing: Section::Known(vec![ExistingObject {
            name: "public".to_owned(),
            owner: "pg_database_owner".to_owned(),
            mine: true,
            ..ExistingObject::default()
        }]),
        types: Section::Known(system_types()),
        ..nothing_unknown()
    };
    table(&mut objects, CUSTOMERS, "customers");
    column(&mut objects, CUSTOMERS, "id", INT4).not_null = true;
    column(&mut objects, CUSTOMERS, "name", TEXT);
    column(&mut objects, CUSTOMERS, "email", TEXT).not_null = true;
    index(&mut objects, CUSTOMERS, "customers_pkey", &[1]).primary = true;
    table(&mut objects, ORDERS, "orders");
    let id = column(&mut objects, ORDERS, "id", INT8);
    id.not_null = true;
    id.identity = IdentityColumn::ByDefault;
    column(&mut objects, ORDERS, "customer", INT4);
    column(&mut objects, ORDERS, "note", TEXT);
    index(&mut objects, ORDERS, "orders_pkey", &[1]).primary = true;
    let serial = sequence(&mut objects, CUSTOMERS_SEQ, "customers_id_seq");
    serial.data_type = "integer".to_owned();
    serial.max = Some("2147483647".to_owned());
    sequence(&mut objects, ORDERS_SEQ, "orders_id_seq");
    uses(&mut objects, CUSTOMERS_SEQ, CUSTOMERS, Via::Owned);
    uses(&mut objects, CUSTOMERS_SEQ, CUSTOMERS, Via::Default);
    uses(&mut objects, ORDERS_SEQ, ORDERS, Via::Identity);
    objects
}

fn system_types() -> Vec<TypeFact> {
    let plain = [
        (16, "bool"),
        (17, "bytea"),
        (20, "int8"),
        (23, "int4"),
        (25, "text"),
        (26, "oid"),
        (114, "json"),
        (142, "xml"),
        (701, "float8"),
        (702, "abstime"),
        (705, "unknown"),
        (790, "money"),
        (1700, "numeric"),
        (2205, "regclass"),
        (3802, "jsonb"),
    ];
    let mut types: Vec<TypeFact> = plain
        .into_iter()
        .map(|(oid, name)| type_fact(oid, name, "b"))
        .collect();
    types.push(TypeFact {
        element: 2205,
        ..type_fact(2210, "_regclass", "b")
    });
    types.push(type_fact(75, "pg_attribute", "c"));
    types
}

fn type_fact(oid: u32, name: &str, kind: &str) -> TypeFact {
    TypeFact {
        oid,
        schema: "pg_catalog".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        system: true,
        ..TypeFact::default()
    }
}

/// Adds a type of the user.
pub(crate) fn user_type<'a>(
    objects: &'a mut Objects,
    oid: u32,
    name: &str,
    kind: &str,
    parts: &[&str],
) -> &'a mut TypeFact {
    let fact = TypeFact {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        ..TypeFact::default()
    };
    push(known(&mut objects.types), fact)
}

fn push<T>(all: &mut Vec<T>, one: T) -> &mut T {
    all.push(one);
    all.last_mut().expect("just pushed")
}

pub(super) fn source_is(facts: &mut Facts, version: u32) {
    known(&mut facts.source.server.identity).version = ServerVersion(version);
}

pub(super) fn target_is(facts: &mut Facts, version: u32) {
    known(&mut target_facts(facts).server.identity).version = ServerVersion(version);
}

/// Adds a table in schema public.
pub(crate) fn table<'a>(objects: &'a mut Objects, oid: u32, name: &str) -> &'a mut Relation {
    let relation = Relation {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        rows_estimate: Some(100),
        heap_bytes: 8192,
        ..Relation::default()
    };
    push(known(&mut objects.relations), relation)
}

/// A relation by OID.
pub(crate) fn relation(objects: &mut Objects, oid: u32) -> &mut Relation {
    let mut all = known(&mut objects.relations).iter_mut();
    all.find(|one| one.oid == oid)
        .expect("a relation of the baseline")
}

/// Adds a column.
pub(crate) fn column<'a>(
    objects: &'a mut Objects,
    relation: u32,
    name: &str,
    (type_oid, type_name): (u32, &str),
) -> &'a mut Column {
    let all = known(&mut objects.columns);
    let number = all.iter().filter(|one| one.relation == relation).count() + 1;
    let column = Column {
        relation,
        number: i16::try_from(number).expect("few columns"),
        name: name.to_owned(),
        type_oid,
        type_name: type_name.to_owned(),
        ..Column::default()
    };
    push(all, column)
}

/// A column by name.
pub(crate) fn column_of<'a>(objects: &'a mut Objects, relation: u32, name: &str) -> &'a mut Column {
    let mut all = known(&mut objects.columns).iter_mut();
    all.find(|one| one.relation == relation && one.name == name)
        .expect("a column of the baseline")
}

/// Adds a unique index that is fit as a key.
pub(crate) fn index<'a>(
    objects: &'a mut Objects,
    relation: u32,
    name: &str,
    key: &[i16],
) -> &'a mut Index {
    let index = Index {
        relation,
        name: name.to_owned(),
        unique: true,
        valid: true,
        ready: true,
        immediate: true,
        key: key.to_vec(),
        ..Index::default()
    };
    push(known(&mut objects.indexes), index)
}

/// An index by name.
pub(crate) fn index_of<'a>(objects: &'a mut Objects, name: &str) -> &'a mut Index {
    let mut all = known(&mut objects.indexes).iter_mut();
    all.find(|one| one.name == name)
        .expect("an index of the baseline")
}

/// Drops the indexes of a table.
pub(crate) fn no_indexes(objects: &mut Objects, relation: u32) {
    known(&mut objects.indexes).retain(|one| one.relation != relation);
}

/// Adds a validated constraint.
pub(crate) fn constraint<'a>(
    objects: &'a mut Objects,
    relation: u32,
    name: &str,
    kind: ConstraintKind,
) -> &'a mut Constraint {
    let constraint = Constraint {
        relation,
        name: name.to_owned(),
        kind,
        validated: true,
        ..Constraint::default()
    };
    push(known(&mut objects.constraints), constraint)
}

/// Adds a foreign key.
pub(crate) fn foreign_key(objects: &mut Objects, from: u32, to: u32) -> &mut Constraint {
    let name = format!("fk_{from}_{to}");
    let key = constraint(objects, from, &name, ConstraintKind::Foreign);
    key.references = to;
    key.definition = Some("FOREIGN KEY (customer) REFERENCES customers(id)".to_owned());
    key
}

/// Adds an ascending bigint sequence that stands at 10.
pub(crate) fn sequence<'a>(objects: &'a mut Objects, oid: u32, name: &str) -> &'a mut Sequence {
    let sequence = Sequence {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        readable: true,
        data_type: "bigint".to_owned(),
        start: Some("1".to_owned()),
        min: Some("1".to_owned()),
        max: Some("9223372036854775807".to_owned()),
        increment: Some("1".to_owned()),
        cache: Some("1".to_owned()),
        last_value: Some("10".to_owned()),
        read_at: Some(1_700_000_000.0),
        ..Sequence::default()
    };
    push(known(&mut objects.sequences), sequence)
}

/// A sequence by OID.
pub(crate) fn sequence_of(objects: &mut Objects, oid: u32) -> &mut Sequence {
    let mut all = known(&mut objects.sequences).iter_mut();
    all.find(|one| one.oid == oid)
        .expect("a sequence of the baseline")
}

/// The first column of a table uses the sequence.
pub(crate) fn uses(objects: &mut Objects, sequence: u32, relation: u32, via: Via) {
    known(&mut objects.sequence_uses).push(SequenceUse {
        sequence,
        relation,
        column: 1,
        via,
    });
}

/// Something stands in replication set `default`.
pub(crate) fn member(objects: &mut Objects, relation: u32) {
    known(&mut objects.members).push(Member {
        set_name: "default".to_owned(),
        relation,
    });
}

/// Counters of a table.
pub(crate) fn changed(objects: &mut Objects, relation: u32, updated: i64, deleted: i64) {
    known(&mut objects.activity).push(Activity {
        relation,
        updated,
        deleted,
        ..Activity::default()
    });
}

/// A function in PL/pgSQL without a search_path of its own, called on customers.
pub(crate) fn routine(objects: &mut Objects, used_in: UsedIn) -> &mut RoutineUse {
    let routine = RoutineUse {
        routine: "public.f(text)".to_owned(),
        language: "plpgsql".to_owned(),
        fixed_path: false,
        volatility: "i".to_owned(),
        owner: Some("app".to_owned()),
        used_in,
        relation: CUSTOMERS,
        object: "thing".to_owned(),
        needed_schemas: None,
    };
    push(known(&mut objects.routine_uses), routine)
}

/// A table without key, with one nullable column.
pub(crate) fn keyless(objects: &mut Objects) -> u32 {
    table(objects, 300, "log");
    column(objects, 300, "line", TEXT);
    300
}
