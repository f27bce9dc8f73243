//! What is worth a look at a resource.

use directconnect_core::identity::{CircuitId, RegionName, ResourceId};

/// Whom something concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// Every resource of a region.
    Region(RegionName),
    /// The resources about these circuits.
    Circuits(Vec<CircuitId>),
    /// These resources.
    Resources(Vec<ResourceId>),
}
