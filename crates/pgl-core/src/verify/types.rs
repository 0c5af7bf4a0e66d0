//! Types and tables as the verifier reads them from one server's catalog.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::QualifiedName;

/// One row of `pg_type`, with what is needed to send its values. Object numbers are those of one
/// server and mean nothing on the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeInfo {
    /// `pg_type.oid`.
    pub oid: u32,
    /// Schema of the type.
    pub schema: String,
    /// Name of the type.
    pub name: String,
    /// `typtype`: b, c, d, e, r, m, p.
    pub kind: String,
    /// A domain's base type.
    pub base: Option<u32>,
    /// A true array's element type.
    pub element: Option<u32>,
    /// A range's or multirange's subtype.
    pub subtype: Option<u32>,
    /// A domain's modifier of its base type; -1 without one.
    #[serde(default = "no_modifier")]
    pub typmod: i32,
    /// Whether the type has a binary output function.
    pub sends: bool,
    /// That function's name; empty where it takes another type than this one.
    #[serde(default)]
    pub send: String,
    /// Attributes of a composite type, without dropped ones.
    #[serde(default)]
    pub fields: Vec<FieldInfo>,
}

fn no_modifier() -> i32 {
    -1
}

/// An attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo {
    /// Attribute name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_oid: u32,
    /// Its type's modifier.
    #[serde(default = "no_modifier")]
    pub typmod: i32,
}

impl FieldInfo {
    /// Type and modifier.
    pub(crate) fn typed(&self) -> (u32, i32) {
        (self.type_oid, self.typmod)
    }
}

/// All types of one server that its tables use, by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Types(HashMap<u32, TypeInfo>);

impl Types {
    /// From the catalog's rows.
    pub fn new(list: impl IntoIterator<Item = TypeInfo>) -> Self {
        Self(list.into_iter().map(|info| (info.oid, info)).collect())
    }

    /// The type's name as SQL, without modifiers.
    pub fn sql(&self, oid: u32) -> String {
        self.get(oid).map_or_else(
            || "pg_catalog.text".to_owned(),
            |info| QualifiedName::new(&info.schema, &info.name).sql(),
        )
    }

    /// The type that a text becomes without running anybody's code, as SQL: domains are their base types, whose
    /// input checks nothing. None where a domain is inside a type that cannot be written without it.
    pub fn input(&self, oid: u32) -> Option<String> {
        self.input_at(oid, 16)
    }

    fn input_at(&self, oid: u32, depth: u32) -> Option<String> {
        let info = self.get(oid)?;
        let depth = depth.checked_sub(1)?;
        match (info.kind.as_str(), info.base, info.element) {
            ("d", Some(base), _) => self.input_at(base, depth),
            (_, _, Some(element)) => {
                let inner = self.get(element)?;
                match inner.kind.as_str() {
                    // An array of arrays is no type.
                    "d" if self.is_array(element, depth) => None,
                    "d" => self.input_at(element, depth).map(|sql| format!("{sql}[]")),
                    _ => self.input_at(element, depth).map(|_| self.sql(oid)),
                }
            }
            _ => (!self.holds_domain(oid, depth)).then(|| self.sql(oid)),
        }
    }

    /// Whether it is an array, be it under domains.
    fn is_array(&self, oid: u32, depth: u32) -> bool {
        let (Some(info), Some(depth)) = (self.get(oid), depth.checked_sub(1)) else {
            return false;
        };
        info.element.is_some() || info.base.is_some_and(|base| self.is_array(base, depth))
    }

    fn holds_domain(&self, oid: u32, depth: u32) -> bool {
        let (Some(info), Some(depth)) = (self.get(oid), depth.checked_sub(1)) else {
            return true;
        };
        let parts = info.fields.iter().map(|field| field.type_oid);
        info.kind == "d"
            || parts
                .chain(info.element)
                .chain(info.subtype)
                .any(|part| self.holds_domain(part, depth))
    }

    /// A type of an extension or a user, here or inside, that gives its values as text only: that may round them.
    pub fn without_binary_form(&self, oid: u32) -> Option<String> {
        self.textual_at(oid, 16)
    }

    fn textual_at(&self, oid: u32, depth: u32) -> Option<String> {
        let (info, depth) = (self.get(oid)?, depth.checked_sub(1)?);
        if info.kind == "b" && info.element.is_none() {
            return (!info.sends && info.schema != "pg_catalog").then(|| self.sql(oid));
        }
        let fields = info.fields.iter().map(|field| field.type_oid);
        let mut parts = fields
            .chain(info.element)
            .chain(info.subtype)
            .chain(info.base);
        parts.find_map(|part| self.textual_at(part, depth))
    }

    /// The type with this number.
    pub fn get(&self, oid: u32) -> Option<&TypeInfo> {
        self.0.get(&oid)
    }
}

/// A column as the verifier sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Column name.
    pub name: String,
    /// Type number.
    #[serde(rename = "type")]
    pub type_oid: u32,
    /// `pg_attribute.atttypmod`.
    #[serde(default = "no_modifier")]
    pub typmod: i32,
    /// `format_type()`, for people.
    pub shown: String,
    /// Whether the server computes it.
    #[serde(default)]
    pub generated: bool,
    /// Whether the server computes it when it is read (`VIRTUAL`): no row holds its value.
    #[serde(default)]
    pub is_virtual: bool,
}

impl ColumnInfo {
    /// Type and modifier.
    pub(crate) fn typed(&self) -> (u32, i32) {
        (self.type_oid, self.typmod)
    }
}

/// A relation with rows of its own, or a partitioned root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelationInfo {
    /// `pg_class.oid`: another table of the same name has another.
    #[serde(default)]
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `relkind`: r, p, f, m.
    pub kind: String,
    /// `relpersistence`: p, u, t.
    pub persistence: String,
    /// The partitioned tables above a partition, nearest first.
    pub above: Vec<QualifiedName>,
    /// The tables that it inherits from, or that it is a partition of.
    #[serde(default)]
    pub parents: Vec<QualifiedName>,
    /// The rows that a partition takes (`FOR VALUES ...`), as the server writes it.
    #[serde(default)]
    pub bound: Option<String>,
    /// The extension it belongs to.
    pub extension: Option<String>,
    /// Whether row security would filter what this session reads.
    pub row_security: bool,
    /// `relreplident`: d, n, f, i.
    pub replica_identity: String,
    /// Columns in order, without dropped ones.
    pub columns: Vec<ColumnInfo>,
    /// Its columns, dropped ones too, their expressions where they are generated, the attributes of the composite types that
    /// they are made of, the rows that a partition takes, and its replica identity, as one text: ALTER TABLE and ALTER TYPE
    /// change it.
    #[serde(default)]
    pub layout: String,
    /// The versions (`xmin`) of the catalog's rows that say all this: a definition that was another one for a while, and is
    /// the same again, has others.
    #[serde(default)]
    pub versions: String,
    /// Columns of the primary key, in key order.
    pub primary_key: Option<Vec<String>>,
    /// Columns of the replica identity index where one is chosen.
    pub identity_key: Option<Vec<String>>,
    /// Columns of a unique index over NOT NULL columns, where there is one.
    pub unique_key: Option<Vec<String>>,
    /// Heap size in bytes.
    pub bytes: u64,
    /// The planner's row estimate; below 0 where unknown.
    pub estimate: f64,
    /// Pages of the heap.
    pub pages: u64,
    /// Whether this session may read it.
    pub readable: bool,
    /// A trigger or rule that fires under `session_replication_role = replica` (ENABLE REPLICA or ALWAYS).
    #[serde(default)]
    pub replica_trigger: Option<String>,
    /// A function of another owner that the planner would run as soon as the table is read.
    #[serde(default)]
    pub runs: Option<String>,
}

impl RelationInfo {
    /// Schema and name.
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// The partitioned table at the top, of a partition.
    pub fn root(&self) -> Option<&QualifiedName> {
        self.above.last()
    }

    /// What is known of it but for its size, which changes all the time.
    #[must_use]
    pub fn definition(&self) -> Self {
        Self {
            bytes: 0,
            estimate: 0.0,
            pages: 0,
            ..self.clone()
        }
    }

    /// Whether rows are stored here.
    pub fn has_rows(&self) -> bool {
        self.kind == "r"
    }

    /// The key that identifies rows, as deletes on the wire carry it: the replica identity index,
    /// else the primary key, else a unique index over NOT NULL columns.
    pub fn key(&self) -> Option<&[String]> {
        self.identity_key
            .as_deref()
            .or(self.primary_key.as_deref())
            .or(self.unique_key.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says nothing of a modifier has none, which is not the modifier 0.
    #[test]
    fn no_modifier_is_none() {
        let field: FieldInfo = serde_json::from_str(r#"{"name": "f", "type": 23}"#).unwrap();
        assert_eq!(field.typed(), (23, -1));
        let column: ColumnInfo =
            serde_json::from_str(r#"{"name": "c", "type": 25, "shown": "text"}"#).unwrap();
        assert_eq!(column.typed(), (25, -1));
    }
}
