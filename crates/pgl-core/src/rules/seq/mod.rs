//! Sequences. pglogical carries none of them exactly; what is looked for here is what would make
//! carrying them over fail, or hand out a value twice.

pub(super) mod compare;
pub(super) mod hot;
pub(super) mod nature;
pub(super) mod state;
