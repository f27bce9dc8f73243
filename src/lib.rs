//! # directconnect-operator
//!
//! Keeps the name and the MACsec encryption mode of AWS Direct Connect connections as `DirectConnectConnection`
//! resources say, and shows in their status what AWS says.
//!
//! ```text
//!  Kubernetes watch ─────> claims ─┐
//!                                  ├─> Fleet ──> Pass ──> status, one AWS call, status
//!  Direct Connect poller ─> reads ─┘
//! ```
//!
//! - `directconnect-core`, a crate of its own, decides and keeps the books. It knows nothing of the rest.
//! - [`api`] is the custom resource. It knows the core's words.
//! - [`aws`] reads and updates connections. It knows the core, and nothing of Kubernetes.
//! - [`kubernetes`] watches resources and writes status, events and the Lease. It knows the core and the resource, and
//!   nothing of AWS.
//! - [`state`] owns what this process knows, and outlives whoever tells it or asks.
//! - [`reconcile`] is the one pass that brings them together, and [`run`] what wires and watches it all.
//! - [`config`], [`telemetry`], [`metrics`], [`server`] and [`clock`] each do the one thing that they are called after.

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
