//! Which of the connections that were read get a manifest.

use std::collections::{BTreeMap, BTreeSet};

use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::Fault;
use directconnect_core::identity::{CircuitId, RegionName};
use directconnect_core::observed::Connection;
use directconnect_operator::kubernetes::Watched;

use crate::aws::Listing;

/// What the regions have, as far as they could be read.
#[derive(Debug, Default)]
pub struct Found {
    /// Connections that a resource can be about.
    pub connections: BTreeMap<CircuitId, Connection>,
    /// How many have ended, by their state.
    pub gone: BTreeMap<String, usize>,
    /// Regions that could not be read.
    pub unread: Vec<(RegionName, Fault)>,
    /// How many regions were read.
    pub regions: usize,
}

impl Found {
    /// Sorts what was read.
    pub fn of(listings: BTreeMap<RegionName, Listing>) -> Self {
        let mut found = Self::default();
        for (region, listing) in listings {
            match listing {
                Err(fault) => found.unread.push((region, fault)),
                Ok(connections) => {
                    found.regions += 1;
                    for (id, connection) in connections {
                        found.add(CircuitId { region: region.clone(), id }, connection);
                    }
                }
            }
        }
        found
    }

    fn add(&mut self, circuit: CircuitId, connection: Connection) {
        if connection.is_gone() {
            let state = connection.connection_state.map(String::from).unwrap_or_default();
            *self.gone.entry(state).or_default() += 1;
        } else {
            self.connections.insert(circuit, connection);
        }
    }
}

/// Whether a resource is about a connection.
///
/// One with a spec that is not valid is all the same, by what can be read of it: a second one would be in its way as soon
/// as it is mended. So is one without a region while none is configured, since an id is that of one connection only.
pub fn is_about(resource: &Watched, circuit: &CircuitId, default_region: &DefaultRegion) -> bool {
    if let Ok(desired) = resource.desired(default_region) {
        return desired.circuit == *circuit;
    }
    resource.spec.as_ref().is_ok_and(|spec| {
        let region = spec.region.as_deref().or(match default_region {
            DefaultRegion::Set(region) => Some(region.as_str()),
            DefaultRegion::Unset | DefaultRegion::Invalid(_) => None,
        });
        spec.connection_id == circuit.id.as_str() && region.is_none_or(|region| region == circuit.region.as_str())
    })
}

/// The connections that no resource is about.
pub fn missing(
    connections: &BTreeMap<CircuitId, Connection>,
    resources: &[Watched],
    default_region: &DefaultRegion,
) -> BTreeSet<CircuitId> {
    let is_missing = |circuit: &&CircuitId| !resources.iter().any(|it| is_about(it, circuit, default_region));
    connections.keys().filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use directconnect_core::identity::ConnectionId;
    use serde_json::{Value, json};

    fn resource(spec: &Value) -> Watched {
        serde_json::from_value(json!({ "metadata": { "name": "line", "namespace": "net" }, "spec": spec }))
            .expect("it is read")
    }

    fn set(region: &str) -> DefaultRegion {
        DefaultRegion::Set(RegionName::parse(region).expect("it is a region"))
    }

    #[test]
    fn a_resource_is_about_the_connection_that_can_be_read_from_it() {
        let circuit = CircuitId {
            region: RegionName::parse("eu-west-1").expect("it is a region"),
            id: ConnectionId::parse("dxcon-aaaaaaaa").expect("it is an id"),
        };
        let id = "dxcon-aaaaaaaa";
        for (spec, default_region, expected) in [
            (json!({ "connectionId": id, "region": "eu-west-1" }), DefaultRegion::Unset, true),
            (json!({ "connectionId": id, "region": "eu-west-2" }), set("eu-west-1"), false),
            (json!({ "connectionId": "dxcon-bbbbbbbb", "region": "eu-west-1" }), DefaultRegion::Unset, false),
            (json!({ "connectionId": id }), set("eu-west-1"), true),
            (json!({ "connectionId": id }), set("eu-west-2"), false),
            (json!({ "connectionId": id }), DefaultRegion::Unset, true),
            (json!({ "connectionId": id, "connectionName": " " }), set("eu-west-1"), true),
            (json!({ "connectionId": id, "connectionName": " " }), set("eu-west-2"), false),
            (json!({ "connectionId": id, "connectionName": " ", "region": "eu-west-2" }), set("eu-west-1"), false),
            (json!({ "connectionId": 7 }), set("eu-west-1"), false),
        ] {
            assert_eq!(is_about(&resource(&spec), &circuit, &default_region), expected, "{spec} {default_region:?}");
        }
    }
}
