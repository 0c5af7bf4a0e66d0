//! Comparing rows: which form of a value is compared, how row digests add up, what differs, and
//! what may be concluded.
//!
//! Nothing here talks to a server. The rules that keep the comparison honest live here, where they
//! can be tested in milliseconds: a canonical form that two different values never share
//! ([`canon`]), sums that no pair of rows cancels ([`buckets`]), differences by key and by
//! multiplicity ([`rows`]), what was written between the two snapshots ([`decoding`], [`changes`]), conditions
//! that follow from the row alone ([`condition`]) and mean the same on both sides ([`parsed_condition`]), and a verdict that is "equal" only when everything asked for was compared ([`outcome`]).

pub mod buckets;
pub mod canon;
pub mod changed_keys;
pub mod changes;
pub mod condition;
pub mod copy;
pub mod decoding;
pub mod fix;
pub mod outcome;
pub mod pairing;
pub mod parsed_condition;
pub mod planned;
pub mod rows;
pub mod types;

pub use buckets::Buckets;
pub use outcome::{Mode, Status, TableResult};
