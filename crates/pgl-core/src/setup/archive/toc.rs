//! The table of contents of an archive as `pg_dump --format=custom` writes it, versions 1.12 (pg_dump 9.4) to 1.16 (17
//! to 19), read as pg_restore reads it (`ReadHead` and `ReadToc` in pg_backup_archiver.c). The rows that may come after it are
//! not looked at.

use super::BadArchive;

/// One entry, as far as it is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TocEntry<'a> {
    pub(super) id: u32,
    pub(super) class: u32,
    pub(super) oid: u32,
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) section: Section,
    pub(super) create: &'a str,
    pub(super) drop: &'a str,
    pub(super) schema: Option<&'a str>,
    /// None where it does not matter; empty for the database's own.
    pub(super) tablespace: Option<&'a str>,
    pub(super) access_method: Option<&'a str>,
    /// A partitioned table keeps its access method for its parts.
    pub(super) partitioned: bool,
    pub(super) owner: &'a str,
    pub(super) depends: Vec<u32>,
}

/// When an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// With the entry before it: comments and privileges.
    AsBefore,
    PreData,
    Data,
    PostData,
}

/// What is left to read, and how wide its numbers are.
struct Reader<'a> {
    rest: &'a [u8],
    width: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BadArchive> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(BadArchive::Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, BadArchive> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A sign and the bytes of a number, the lowest first.
    fn number(&mut self) -> Result<i64, BadArchive> {
        let negative = self.byte()? != 0;
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(self.take(self.width)?);
        let value = i64::from_le_bytes(bytes);
        Ok(if negative { -value } else { value })
    }

    /// A length and as many bytes; none where the length is negative.
    fn text(&mut self) -> Result<Option<&'a str>, BadArchive> {
        let Ok(length) = usize::try_from(self.number()?) else {
            return Ok(None);
        };
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| BadArchive::NotUtf8)
    }

    fn required(&mut self) -> Result<&'a str, BadArchive> {
        self.text().map(Option::unwrap_or_default)
    }

    fn id(&mut self) -> Result<u32, BadArchive> {
        parsed(self.required()?)
    }
}

fn parsed(text: &str) -> Result<u32, BadArchive> {
    text.trim()
        .parse()
        .map_err(|_| BadArchive::Number(text.to_owned()))
}

/// Every entry, in the order of the archive.
pub(super) fn read(archive: &[u8]) -> Result<Vec<TocEntry<'_>>, BadArchive> {
    let rest = archive.strip_prefix(b"PGDMP").ok_or(BadArchive::Foreign)?;
    let mut reader = Reader { rest, width: 0 };
    let version = (reader.byte()?, reader.byte()?);
    reader.byte()?;
    if !((1, 12)..=(1, 16)).contains(&version) {
        return Err(BadArchive::Version(version.0, version.1));
    }
    reader.width = usize::from(reader.byte()?);
    let offset = usize::from(reader.byte()?);
    // Wider numbers than ours, or another format than custom.
    if !(1..=8).contains(&reader.width) || reader.byte()? != 1 {
        return Err(BadArchive::Foreign);
    }
    // How its rows are compressed.
    if version >= (1, 15) {
        reader.byte()?;
    } else {
        reader.number()?;
    }
    // When it was made.
    for _ in 0..7 {
        reader.number()?;
    }
    // Database, version of the server, version of pg_dump.
    for _ in 0..3 {
        reader.text()?;
    }
    let count = reader.number()?;
    (0..count)
        .map(|_| {
            let entry = entry(&mut reader, version)?;
            // Where its rows are.
            reader.take(1 + offset)?;
            Ok(entry)
        })
        .collect()
}

fn entry<'a>(reader: &mut Reader<'a>, version: (u8, u8)) -> Result<TocEntry<'a>, BadArchive> {
    let id = reader.number()?;
    let id = u32::try_from(id).map_err(|_| BadArchive::Number(id.to_string()))?;
    // Whether it has rows.
    reader.number()?;
    let (class, oid) = (reader.id()?, reader.id()?);
    let (name, kind) = (reader.required()?, reader.required()?);
    let section = match reader.number()? {
        1 => Section::AsBefore,
        2 => Section::PreData,
        3 => Section::Data,
        4 => Section::PostData,
        other => return Err(BadArchive::Number(other.to_string())),
    };
    let (create, drop) = (reader.required()?, reader.required()?);
    // COPY.
    reader.text()?;
    let (schema, tablespace) = (reader.text()?, reader.text()?);
    let access_method = if version >= (1, 14) {
        reader.text()?
    } else {
        None
    };
    let partitioned = version >= (1, 16) && reader.number()? == i64::from(b'p');
    let owner = reader.required()?;
    // Whether the table has OIDs.
    reader.text()?;
    let mut depends = Vec::new();
    while let Some(id) = reader.text()? {
        depends.push(parsed(id)?);
    }
    Ok(TocEntry {
        id,
        class,
        oid,
        name,
        kind,
        section,
        create,
        drop,
        schema: schema.filter(|schema| !schema.is_empty()),
        tablespace,
        access_method: access_method.filter(|name| !name.is_empty()),
        partitioned,
        owner,
        depends,
    })
}
