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
//! - `directconnect-core`, a crate of its own, makes all decisions and holds the state that they depend on. It knows
//!   nothing of the other modules.
//! - [`api`] is the custom resource. It uses types of the core.
//! - [`aws`] reads and updates connections. It knows the core, and nothing of Kubernetes.
//! - [`kubernetes`] watches resources and writes status, events and the Lease. It knows the core and the resource, and
//!   nothing of AWS.
//! - [`state`] holds what this process knows. It outlives watches, pollers and passes.
//! - [`reconcile`] runs one pass over a resource with all of these, and [`run`] starts and supervises all long tasks.
//! - [`config`], [`telemetry`], [`metrics`], [`server`] and [`clock`] each do what their name says.

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
