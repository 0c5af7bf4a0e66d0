//! Connections: the same strings through psql and through us land in the same place or fail in the
//! same way; TLS, several hosts, lost connections, cancelling, replication connections, secrets.

#![expect(
    clippy::expect_used,
    reason = "in the helpers of a test a failed expectation is a failed test"
)]

mod hosts;
mod landing;
mod lost;
mod pooler;
mod programs;
mod replication;
mod secrets;
mod sources;
mod support;
mod tls;
