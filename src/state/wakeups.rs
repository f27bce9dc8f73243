//! Requests to reconcile resources again.

use directconnect_core::identity::{CircuitId, RegionName, ResourceId};

/// The resources to wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// All resources of a region.
    Region(RegionName),
    /// All resources for these circuits.
    Circuits(Vec<CircuitId>),
    /// These resources.
    Resources(Vec<ResourceId>),
}
