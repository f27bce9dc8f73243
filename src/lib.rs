//! # directconnect-operator
//!
//! Keeps the name and the MACsec encryption mode of AWS Direct Connect connections as `DirectConnectConnection`
//! resources say, and shows in their status what AWS says.
//!
//! All decisions are made in `directconnect-core`, a crate of its own. The modules around it, and what each must not know,
//! are described in `docs/architecture.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

pub mod api;
pub mod aws;
pub mod clock;
pub mod config;
pub mod kubernetes;
pub mod metrics;
pub mod reconcile;
pub mod run;
pub mod server;
pub mod state;
pub mod telemetry;
