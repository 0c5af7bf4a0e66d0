//! `--verify full`: every row of every table by pgl-verify's digest, within the pause.

pub(crate) use pgl_apply::full::Full;
