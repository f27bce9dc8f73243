//! Determines the resources that the cluster would have after the manifests are applied.

use std::collections::BTreeMap;

use directconnect_core::identity::ResourceId;
use directconnect_operator::kubernetes::Watched;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::report::Refused;
use crate::annotate::manifest_owners;
use crate::manifests::{Location, Manifest, Rules};
use crate::problem::Problem;

/// The resources after the manifests are applied.
pub struct Merged {
    /// All resources, by namespace and name.
    pub objects: Vec<Watched>,
    /// The resources of the manifests, in their order.
    pub planned: Vec<(ResourceId, Location)>,
    /// The manifests that the API server would refuse.
    pub refused: Vec<Refused>,
}

/// Applies the manifests to the current objects. Manifests without a namespace are for `namespace`.
pub fn merge(manifests: Vec<Manifest>, live: Vec<Value>, namespace: &str) -> Result<Merged, Problem> {
    let rules = Rules::of_crd()?;
    let mut objects: BTreeMap<ResourceId, Value> =
        live.into_iter().map(|object| (id(&object, namespace), object)).collect();
    let mut locations: BTreeMap<ResourceId, Location> = BTreeMap::new();
    let (mut planned, mut refused) = (Vec::new(), Vec::new());
    for Manifest { location, object } in manifests {
        let id = id(&object, namespace);
        let old = objects.get(&id);
        let mut why = rules.refusals(&object, old);
        if let Some(other) = locations.get(&id) {
            why.push(format!("{id} is in {other} too: a resource has one manifest"));
        }
        if why.is_empty() {
            let applied = applied(&object, old, &id)?;
            objects.insert(id.clone(), applied);
            planned.push((id.clone(), location.clone()));
            locations.insert(id, location);
        } else {
            refused.push(Refused { location, resource: id, why });
        }
    }
    let objects = objects.into_values().map(|object| watched(&object)).collect::<Result<_, _>>()?;
    Ok(Merged { objects, planned, refused })
}

fn id(object: &Value, namespace: &str) -> ResourceId {
    let says = |field: &str| object.pointer(field).and_then(Value::as_str).filter(|value| !value.is_empty());
    ResourceId::new(says("/metadata/namespace").unwrap_or(namespace), says("/metadata/name").unwrap_or_default())
}

/// An object as the operator reads it.
pub fn watched(object: &Value) -> Result<Watched, Problem> {
    serde_json::from_value(object.clone()).map_err(|error| Problem::new(error.to_string()))
}

/// The object after the manifest is applied: the spec of the manifest, and everything else unchanged.
fn applied(manifest: &Value, old: Option<&Value>, id: &ResourceId) -> Result<Value, Problem> {
    let annotations = |object: &Value| {
        let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
        annotations.cloned().unwrap_or_default()
    };
    let Some(old) = old else {
        return Ok(json!({
            "metadata": {
                "name": &*id.name, "namespace": &*id.namespace, "uid": format!("planned {id}"), "generation": 1,
                "creationTimestamp": Timestamp::now().to_string(), "annotations": annotations(manifest),
            },
            "spec": manifest.get("spec"),
        }));
    };
    let is_changed = watched(manifest)?.spec != watched(old)?.spec;
    let mut object = old.clone();
    let mut together = annotations(old);
    // An annotation from an earlier manifest is removed if the new one lacks it. One that was set by hand is kept.
    let metadata = old.get("metadata").cloned().unwrap_or_default();
    let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap_or_default();
    together.retain(|annotation, _| manifest_owners(&metadata, annotation).is_empty());
    together.extend(annotations(manifest));
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let generation = metadata.get("generation").and_then(Value::as_i64).unwrap_or(1);
        metadata.insert("generation".to_owned(), (generation + i64::from(is_changed)).into());
        metadata.insert("annotations".to_owned(), together.into());
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("spec".to_owned(), manifest.get("spec").cloned().unwrap_or_default());
    }
    Ok(object)
}
