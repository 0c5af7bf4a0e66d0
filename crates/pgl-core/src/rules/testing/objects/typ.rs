//! Cases of the checks on column types.

use super::super::server::override_setting;
use super::super::{Case, fires, known, silent};
use super::*;
use crate::Severity::{Block, Info, Warn};

fn retype(facts: &mut Facts, oid: u32, name: &str) {
    let note = column_of(source(facts), ORDERS, "note");
    (note.type_oid, note.type_name) = (oid, name.to_owned());
}

fn mood(facts: &mut Facts, here: &[&str], there_too: &[&str]) {
    user_type(source(facts), 20_000, "mood", "e", here);
    user_type(there(facts), 30_000, "mood", "e", there_too);
}

pub(in super::super) const CASES: &[Case] = &[
    fires("type.removed", Block, "abstime to 17", |f| {
        retype(f, 702, "abstime")
    }),
    fires("type.removed", Block, "unknown without a target", |f| {
        retype(f, 705, "unknown");
        f.target = None;
    }),
    silent("type.removed", "abstime to 11, which still has it", |f| {
        retype(f, 702, "abstime");
        target_is(f, 110_020);
    }),
    fires("type.reg", Warn, "regclass", |f| {
        retype(f, 2205, "regclass")
    }),
    fires("type.reg", Block, "a search_path of the database", |f| {
        retype(f, 2205, "regclass");
        override_setting(&mut f.source.server, Some("shop"), None, "search_path", "b");
    }),
    fires("type.reg", Warn, "a search_path of another role", |f| {
        retype(f, 2205, "regclass");
        let server = &mut f.source.server;
        override_setting(server, None, Some("reporting"), "search_path", "b");
    }),
    fires("type.reg", Warn, "an array of a domain over it", |f| {
        user_type(source(f), 20_001, "thing", "d", &["regclass"]).base = 2205;
        let array = user_type(source(f), 20_002, "_thing", "b", &[]);
        array.element = 20_001;
        retype(f, 20_002, "thing[]");
    }),
    silent("type.reg", "a type of the user with such a name", |f| {
        user_type(source(f), 20_003, "regclass", "d", &["text"]).base = 25;
        retype(f, 20_003, "regclass");
    }),
    fires(
        "type.oid_columns",
        Info,
        "oid, and there are no large objects",
        |f| {
            retype(f, 26, "oid");
        },
    ),
    fires("type.oid_columns", Warn, "lo, and there are some", |f| {
        user_type(source(f), 20_004, "lo", "d", &["oid"]).base = 26;
        retype(f, 20_004, "lo");
        known(&mut source(f).large_objects).count = 1;
    }),
    silent("type.oid_columns", "bigint", |f| retype(f, 20, "bigint")),
    fires("type.system_composite", Warn, "the row of a catalog", |f| {
        retype(f, 75, "pg_attribute");
    }),
    silent("type.system_composite", "a composite of the user", |f| {
        user_type(source(f), 20_005, "address", "c", &["street text"]);
        retype(f, 20_005, "address");
    }),
    fires("type.mismatch", Block, "a label is missing", |f| {
        mood(f, &["sad", "ok"], &["sad"]);
    }),
    fires("type.mismatch", Warn, "another order", |f| {
        mood(f, &["sad", "ok"], &["ok", "sad"]);
    }),
    fires("type.mismatch", Block, "a domain over another type", |f| {
        user_type(source(f), 20_000, "price", "d", &["numeric(10,2)"]);
        user_type(there(f), 30_000, "price", "d", &["integer"]);
    }),
    fires("type.mismatch", Block, "another kind", |f| {
        user_type(source(f), 20_000, "price", "d", &["text"]);
        user_type(there(f), 30_000, "price", "e", &["text"]);
    }),
    silent("type.mismatch", "the same labels", |f| {
        mood(f, &["sad", "ok"], &["sad", "ok"])
    }),
    silent("type.mismatch", "not on the target yet", |f| {
        user_type(source(f), 20_000, "mood", "e", &["sad"]);
    }),
    fires("type.c_language", Warn, "a base type in C", |f| {
        user_type(source(f), 20_006, "chkpass", "b", &[]).native = true;
    }),
    silent("type.c_language", "an enum", |f| {
        user_type(source(f), 20_000, "mood", "e", &["sad"]);
    }),
    fires("type.money", Warn, "money", |f| retype(f, 790, "money")),
    silent("type.money", "numeric", |f| retype(f, 1700, "numeric")),
    fires("type.float_text", Info, "float8 on 9.6", |f| {
        retype(f, 701, "double precision");
        source_is(f, 90_624);
    }),
    silent("type.float_text", "float8 on 13", |f| {
        retype(f, 701, "double precision")
    }),
    fires("type.xml", Info, "xml", |f| retype(f, 142, "xml")),
    silent("type.xml", "json", |f| retype(f, 114, "json")),
];
