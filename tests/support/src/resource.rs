//! `DirectConnectConnection` resources as JSON: written by tests, and read back from the API server.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Map, Value, json};
use std::fmt::{self, Display};

pub(crate) const GROUP: &str = "directconnect-operator.dev";
const VERSION: &str = "v1alpha1";
pub(crate) const KIND: &str = "DirectConnectConnection";

/// The API for the resources of one namespace, or of all.
pub(crate) fn api(client: Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, KIND));
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    }
}

/// The manifest of a resource with an empty spec.
pub fn connection(name: &str) -> Manifest {
    Manifest { name: name.to_owned(), annotations: Map::new(), spec: Map::new() }
}

/// The manifest of a resource.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(crate) name: String,
    annotations: Map<String, Value>,
    spec: Map<String, Value>,
}

impl Manifest {
    /// Sets the name of the resource.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets `connectionId`.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        self.spec("connectionId", id)
    }

    /// Sets `region`.
    #[must_use]
    pub fn region(self, region: &str) -> Self {
        self.spec("region", region)
    }

    /// Sets `connectionName`.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.spec("connectionName", name)
    }

    /// Sets `encryptionMode`.
    #[must_use]
    pub fn mode(self, mode: &str) -> Self {
        self.spec("encryptionMode", mode)
    }

    /// Sets `encryptionTransition`.
    #[must_use]
    pub fn transition(self, transition: &str) -> Self {
        self.spec("encryptionTransition", transition)
    }

    /// Sets `managementPolicy`.
    #[must_use]
    pub fn policy(self, policy: &str) -> Self {
        self.spec("managementPolicy", policy)
    }

    /// Sets any field of the spec.
    #[must_use]
    pub fn spec(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.spec.insert(field.to_owned(), value.into());
        self
    }

    /// Sets an annotation of the operator, given by its name after the slash.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(format!("{GROUP}/{name}"), value.into());
        self
    }

    /// The manifest as JSON.
    pub fn json(&self) -> Value {
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": { "name": self.name, "annotations": self.annotations },
            "spec": self.spec,
        })
    }
}

/// A resource as read from the API server. It is displayed as YAML, without the metadata that only the API server uses.
#[derive(Clone, Debug)]
pub struct Resource(pub Value);

/// A condition of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, in one word.
    pub reason: String,
    /// The message.
    pub message: String,
    /// The observed generation.
    pub observed_generation: i64,
    /// When the status last changed.
    pub last_transition_time: String,
}

impl Resource {
    /// `metadata.generation`.
    pub fn generation(&self) -> i64 {
        self.0["metadata"]["generation"].as_i64().unwrap_or_default()
    }

    /// `metadata.resourceVersion`.
    pub fn version(&self) -> &str {
        self.0["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }

    /// A field of the status; null if absent.
    pub fn status(&self, field: &str) -> &Value {
        &self.0["status"][field]
    }

    /// Whether the status is for the newest generation.
    pub fn is_observed(&self) -> bool {
        self.status("observedGeneration").as_i64() == Some(self.generation())
    }

    /// A condition, if it is present.
    pub fn condition(&self, kind: &str) -> Option<Condition> {
        let conditions = self.status("conditions").as_array()?;
        let found = conditions.iter().find(|condition| condition["type"] == kind)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some(Condition {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            observed_generation: found["observedGeneration"].as_i64().unwrap_or_default(),
            last_transition_time: text("lastTransitionTime"),
        })
    }

    /// Whether a condition has this status and reason, for the newest generation.
    pub fn is(&self, kind: &str, status: &str, reason: &str) -> bool {
        self.is_observed()
            && self.condition(kind).is_some_and(|it| {
                it.status == status && it.reason == reason && it.observed_generation == self.generation()
            })
    }
}

impl Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = self;
        let metadata = &value["metadata"];
        let shown = json!({
            "name": metadata["name"],
            "generation": metadata["generation"],
            "annotations": metadata["annotations"],
            "spec": value["spec"],
            "status": value["status"],
        });
        let yaml = serde_saphyr::to_string(&shown).map_err(|_| fmt::Error)?;
        write!(f, "\n{yaml}")
    }
}
