//! The manual, made from the tools themselves: man pages, shell completions, JSON Schemas, the
//! catalogue of checks, and the generated parts of README.md.
//!
//! For development only. Everything is a function from the tools' own definitions to text, so that
//! `cargo xtask gen` writes it and `cargo xtask gen --check` proves that what is committed is what
//! the tools are. It is a crate and not a task because it links every tool, and the tasks must
//! build before OpenSSL's headers are there.

mod man;
mod readme;
mod schema;
mod tools;
mod write;

pub use schema::{document_schema, validate_document};
pub use tools::{TOOLS, ToolEntry, root};
pub use write::{GeneratedFile, generated, main, stale};
