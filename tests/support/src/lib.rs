//! Fixtures of the tests and the demo. They are real if possible: a real Kubernetes API server, the operator's real
//! binary with the permissions of the shipped manifests, and a simulated Direct Connect on loopback.
//!
//! Resources are plain JSON here and not the operator's own types. If the operator misspelt a field in both directions,
//! its own types would hide that.
//!
//! Every test has its own [`World`] (namespace, operator, Direct Connect) on an API server that all tests of a process
//! share. So tests run concurrently without affecting each other.
#![expect(clippy::missing_panics_doc, reason = "a fixture tells a test that it failed by panicking")]

mod access;
mod control_plane;
mod front;
mod leash;
mod operator;
mod resource;
pub mod wait;
mod wire;
mod world;

pub use access::shipped_rbac;
pub use control_plane::{ControlPlane, Output};
pub use front::{Front, Passing, Trouble, api_server, kubeconfig_via};
pub use operator::{Operator, OperatorBuilder, Response, operator_binary};
pub use resource::{Condition, Manifest, Resource, connection};
pub use rustix::process::Signal;
pub use wire::{Weather, Wire};
pub use world::{REGION, World, WorldBuilder};

use std::path::PathBuf;
use std::str::FromStr;

/// The path of a file in the repository, given relative to its root.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The number in an environment variable, or `unless_set` without it.
///
/// # Panics
///
/// If the value is not such a number: whoever asks for a hundred rounds must not silently get four.
pub fn number<T: FromStr>(variable: &str, unless_set: T) -> T {
    std::env::var(variable).map_or(unless_set, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable} is {value:?}, which is no such number"))
    })
}
