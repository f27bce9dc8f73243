//! Determines which connections get a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::Fault;
use directconnect_core::identity::{CircuitId, RegionName};
use directconnect_core::observed::Connection;
use directconnect_operator::kubernetes::Watched;

use crate::aws::Listing;
use crate::status;

/// The connections of all regions that could be read.
#[derive(Debug, Default)]
pub struct Found {
    /// Connections that a resource can manage.
    pub connections: BTreeMap<CircuitId, Arc<Connection>>,
    /// Number of connections that are gone, by state.
    pub gone: BTreeMap<String, usize>,
    /// Regions that could not be read.
    pub unread: Vec<(RegionName, Fault)>,
    /// Number of regions that were read.
    pub regions: usize,
}

impl Found {
    /// Sorts the connections of all regions.
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

    fn add(&mut self, circuit: CircuitId, connection: Arc<Connection>) {
        if connection.is_gone() {
            let state = connection.connection_state.clone().map(String::from).unwrap_or_default();
            *self.gone.entry(state).or_default() += 1;
        } else {
            self.connections.insert(circuit, connection);
        }
    }
}

/// Whether a resource is for this connection.
///
/// A resource with an invalid spec counts too, as far as it can be parsed: a second resource would conflict with it as
/// soon as it is corrected. A resource without a region is for the one in which the operator has read it, which need not be
/// the caller's. Without that either it counts if no default region is configured, since connection ids are unique.
pub fn is_about(resource: &Watched, circuit: &CircuitId, default_region: &DefaultRegion) -> bool {
    let read = status::region(resource).map(DefaultRegion::Set);
    let default_region = read.as_ref().unwrap_or(default_region);
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

/// The connections without a resource.
pub fn missing(
    connections: &BTreeMap<CircuitId, Arc<Connection>>,
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

    fn resource(spec: &Value, read_in: Option<&str>) -> Watched {
        let metadata = json!({ "name": "line", "namespace": "net" });
        let status = json!({ "region": read_in });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).expect("it is read")
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
            assert_eq!(
                is_about(&resource(&spec, None), &circuit, &default_region),
                expected,
                "{spec} {default_region:?}"
            );
        }
        for (spec, read_in, expected) in [
            (json!({ "connectionId": id }), "eu-west-1", true),
            (json!({ "connectionId": id }), "eu-west-2", false),
            (json!({ "connectionId": id, "connectionName": " " }), "eu-west-1", true),
            (json!({ "connectionId": id, "region": "eu-west-1" }), "eu-west-2", true),
        ] {
            let resource = resource(&spec, Some(read_in));
            for default_region in [DefaultRegion::Unset, set("eu-west-1"), set("eu-west-2")] {
                assert_eq!(is_about(&resource, &circuit, &default_region), expected, "{spec} {default_region:?}");
            }
        }
    }
}
