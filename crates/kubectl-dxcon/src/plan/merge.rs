//! Determines the resources that the cluster would have after the manifests are applied.

use std::collections::BTreeMap;

use directconnect_core::identity::ResourceId;
use directconnect_operator::kubernetes::Watched;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::report::{Planned, Refused};
use crate::annotate::{ANNOTATIONS, SPEC, manifest_owners};
use crate::manifests::{Location, Manifest, Rules};
use crate::problem::Problem;

/// The resources after the manifests are applied.
pub struct Merged {
    /// All resources, by namespace and name.
    pub objects: Vec<Watched>,
    /// The resources of the manifests, in their order.
    pub planned: Vec<Planned>,
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
    for Manifest { location, mut object } in manifests {
        let id = id(&object, namespace);
        let old = objects.get(&id);
        let kept = old.map(|old| keep_fields(&mut object, old, &rules)).unwrap_or_default();
        let mut why = rules.refusals(&object, old);
        if let Some(other) = locations.get(&id) {
            why.push(format!("{id} is in {other} too: a resource has one manifest"));
        }
        if why.is_empty() {
            let applied = applied(&object, old, &id)?;
            objects.insert(id.clone(), applied);
            let stays = |field| format!("{field} is in the cluster, and not in this manifest; it stays");
            let notes = kept.into_iter().map(stays).collect();
            planned.push(Planned { resource: id.clone(), location: location.clone(), notes });
            locations.insert(id, location);
        } else {
            refused.push(Refused { location, resource: id, why });
        }
    }
    let objects = objects.into_values().map(|object| watched(&object)).collect::<Result<_, _>>()?;
    Ok(Merged { objects, planned, refused })
}

/// The namespace and name of an object; one without a namespace is in `namespace`.
pub fn id(object: &Value, namespace: &str) -> ResourceId {
    let says = |field: &str| object.pointer(field).and_then(Value::as_str).filter(|value| !value.is_empty());
    ResourceId::new(says("/metadata/namespace").unwrap_or(namespace), says("/metadata/name").unwrap_or_default())
}

/// An object as the operator reads it.
pub fn watched(object: &Value) -> Result<Watched, Problem> {
    serde_json::from_value(object.clone()).map_err(|error| Problem::new(error.to_string()))
}

/// Adds to a manifest the fields of the spec that somebody else has set in the cluster: the manifest lacks them, and
/// applying it leaves them alone. Fields of an earlier manifest are removed when it is applied, so they are not added.
/// Returns the names of the added fields.
fn keep_fields(manifest: &mut Value, old: &Value, rules: &Rules) -> Vec<String> {
    let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) else { return Vec::new() };
    let metadata = metadata(old);
    let is_kept = |(field, value): &(&String, &Value)| {
        rules.says_something(field, value) && manifest_owners(&metadata, SPEC, field).is_empty()
    };
    let live = old.get("spec").and_then(Value::as_object).into_iter().flatten();
    let kept: Vec<_> = live.filter(|(field, _)| !spec.contains_key(*field)).filter(is_kept).collect();
    spec.extend(kept.iter().map(|(field, value)| ((*field).clone(), (*value).clone())));
    kept.into_iter().map(|(field, _)| field.clone()).collect()
}

fn metadata(object: &Value) -> ObjectMeta {
    serde_json::from_value(object.get("metadata").cloned().unwrap_or_default()).unwrap_or_default()
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
    let metadata = metadata(old);
    together.retain(|annotation, _| manifest_owners(&metadata, ANNOTATIONS, annotation).is_empty());
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
