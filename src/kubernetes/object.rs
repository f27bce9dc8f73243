//! A resource as the watch delivers it, reduced to the needed fields, and even if it is malformed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::{
    DirectConnectConnection, DirectConnectConnectionSpec, DirectConnectConnectionStatus, PAUSED, RECONCILE_REQUESTED_AT,
};
use directconnect_core::desired::{DefaultRegion, Desired, InvalidSpec, SpecInput};
use directconnect_core::identity::ResourceId;
use directconnect_core::text;

/// A resource of the cluster. A malformed one does not stop the watch on others; the readable fields of its status are
/// kept.
#[derive(Clone, Debug, Resource)]
#[resource(inherit = "DirectConnectConnection")]
pub struct Watched {
    metadata: ObjectMeta,
    /// The spec, or the parse error.
    pub spec: Result<DirectConnectConnectionSpec, String>,
    /// The status, with the fields that can be parsed.
    pub status: DirectConnectConnectionStatus,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Value,
        }
        let Raw { metadata, spec, status } = Raw::deserialize(deserializer)?;
        Ok(Self {
            metadata: needed(metadata),
            spec: serde_json::from_value(spec).map_err(|error| error.to_string()),
            status: readable(status),
        })
    }
}

/// The metadata that is used. Labels, managed fields and other annotations, most of its size, are dropped.
fn needed(metadata: ObjectMeta) -> ObjectMeta {
    let ours = |name: &String| name == PAUSED || name == RECONCILE_REQUESTED_AT;
    let annotations = metadata.annotations.unwrap_or_default().into_iter().filter(|(name, _)| ours(name));
    let annotations: std::collections::BTreeMap<_, _> = annotations.collect();
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        generation: metadata.generation,
        creation_timestamp: metadata.creation_timestamp,
        deletion_timestamp: metadata.deletion_timestamp,
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    }
}

/// The whole status if it can be parsed, otherwise each field of it that can.
fn readable<T: DeserializeOwned + Default>(status: Value) -> T {
    if let Ok(whole) = serde_json::from_value(status.clone()) {
        return whole;
    }
    let Value::Object(fields) = status else { return T::default() };
    let mut read = serde_json::Map::new();
    for (name, field) in fields {
        let mut with = read.clone();
        with.insert(name, field);
        if serde_json::from_value::<T>(Value::Object(with.clone())).is_ok() {
            read = with;
        }
    }
    serde_json::from_value(Value::Object(read)).unwrap_or_default()
}

impl Watched {
    /// Namespace and name.
    pub fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace().unwrap_or_default(), &self.name_any())
    }

    /// UID of the object.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Resource version as a number, which grows with each write.
    pub fn version(&self) -> u64 {
        self.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
    }

    /// Whether it is being deleted. A finalizer may keep it in this state for long.
    pub fn is_being_deleted(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether the annotation pauses the resource. Any value but `false` does.
    pub fn is_paused(&self) -> bool {
        self.annotations().get(PAUSED).is_some_and(|value| value != "false")
    }

    /// The value of the annotation that asks for a reconcile. It is cut, since it is copied into status.
    pub fn requested_at(&self) -> Option<&str> {
        self.annotations().get(RECONCILE_REQUESTED_AT).map(|value| text::cut_bytes(value, text::MESSAGE_LIMIT))
    }

    /// The validated spec, or what is wrong with it.
    pub fn desired(&self, default_region: &DefaultRegion) -> Result<Desired, String> {
        let spec = self
            .spec
            .as_ref()
            .map_err(|error| format!("the resource cannot be read: {error}; correct it and apply it again"))?;
        let input = SpecInput {
            connection_id: &spec.connection_id,
            region: spec.region.as_deref(),
            name: spec.connection_name.as_deref(),
            mode: spec.encryption_mode,
            transition: spec.encryption_transition,
            policy: spec.management_policy,
            paused: self.is_paused(),
            generation: self.metadata.generation.unwrap_or_default(),
        };
        Desired::new(&input, default_region).map_err(|invalid: InvalidSpec| invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_status_that_cannot_be_read_the_rest_is() {
        let condition = json!({ "type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "no",
            "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let status =
            json!({ "conditions": [condition], "metGeneration": "seven", "unprovenStep": "must_encrypt", "vlan": {} });
        let object = json!({ "metadata": { "name": "line" }, "spec": { "connectionId": 7 }, "status": status });
        let watched: Watched = serde_json::from_value(object).expect("it is read");
        assert!(watched.spec.is_err());
        assert_eq!(watched.status.conditions.len(), 1);
        assert!(watched.status.ledger.unproven_step.is_some());
        assert_eq!(watched.status.ledger.met_generation, None);
    }
}
