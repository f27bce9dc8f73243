//! The custom resource `DirectConnectConnection`.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use directconnect_core::decide::Drift;
pub use directconnect_core::desired::{EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;

/// API group of the resource and prefix of its annotations.
pub const GROUP: &str = "directconnect-operator.dev";

/// Annotation: with any value but `false`, nothing is sent to AWS for this resource.
pub const PAUSED: &str = "directconnect-operator.dev/paused";

/// Annotation: a change of its value reads AWS afresh and reconciles at once.
pub const RECONCILE_REQUESTED_AT: &str = "directconnect-operator.dev/reconcile-requested-at";

/// An existing AWS Direct Connect connection whose name and MACsec encryption mode are to be as the spec says.
///
/// Creating the resource creates no connection, and deleting it deletes none.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "directconnect-operator.dev",
    version = "v1alpha1",
    kind = "DirectConnectConnection",
    plural = "directconnectconnections",
    singular = "directconnectconnection",
    shortname = "dxcon",
    category = "aws",
    namespaced,
    status = "DirectConnectConnectionStatus",
    derive = "PartialEq",
    doc = "An existing AWS Direct Connect connection whose name and MACsec encryption mode are to be as the spec says. Creating the resource creates no connection, and deleting it deletes none.",
    printcolumn = r#"{"name":"Connection","type":"string","jsonPath":".spec.connectionId","description":"Id of the connection"}"#,
    printcolumn = r#"{"name":"Connection Name","type":"string","jsonPath":".status.connectionName","description":"Name of the connection in AWS"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.connectionState","description":"State of the connection"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".status.encryptionMode","description":"MACsec encryption mode in AWS"}"#,
    printcolumn = r#"{"name":"Encryption","type":"string","jsonPath":".status.portEncryptionStatus","description":"Whether the MACsec session is up"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","description":"Whether AWS has what the spec asks for"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".status.region","priority":1,"description":"AWS region of the connection"}"#,
    printcolumn = r#"{"name":"Location","type":"string","jsonPath":".status.location","priority":1,"description":"Direct Connect location"}"#,
    printcolumn = r#"{"name":"Bandwidth","type":"string","jsonPath":".status.bandwidth","priority":1,"description":"Bandwidth of the connection"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason","priority":1,"description":"Why it is ready or not"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1,"description":"Why it is ready or not, and what to do next"}"#
)]
#[x_kube(
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)")
        .message("spec.region cannot be changed, added or removed: delete this resource (AWS is not touched) and create one with the region you mean")
)]
pub struct DirectConnectConnectionSpec {
    /// Id of the connection in AWS, such as `dxcon-fg1234ab`. Cannot be changed.
    #[schemars(length(max = 64))]
    #[x_kube(
        validation = Rule::new("self.matches('^dxcon-[a-z0-9]{8,}$')")
            .message("spec.connectionId must be the id of a Direct Connect connection: dxcon- and eight or more lower-case letters or digits, such as dxcon-fg1234ab; `aws directconnect describe-connections` lists them"),
        validation = Rule::new("self == oldSelf")
            .message("spec.connectionId cannot be changed: delete this resource (AWS is not touched) and create one for the other connection")
    )]
    pub connection_id: String,

    /// AWS region of the connection, such as `eu-central-1`. Default: the region of the operator. Cannot be changed, nor
    /// added or removed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$')")
            .message("spec.region must be an AWS region, such as eu-central-1")
    )]
    pub region: Option<String>,

    /// Name that the connection is to have in AWS, 1 to 200 characters, no blank at either end. Unset: the name is not managed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    #[x_kube(
        validation = Rule::new("size(self) >= 1")
            .message("spec.connectionName must have 1 to 200 characters; leave it out to keep the name that the connection has"),
        validation = Rule::new("!self.matches('[[:cntrl:]\\u0080-\\u009f]')")
            .message("spec.connectionName must not contain control characters such as line breaks or tabs"),
        // Unicode white space is `Z` and some control characters. If AWS trimmed it, spec and AWS would differ for
        // ever.
        validation = Rule::new("!self.matches(r'^\\p{Z}|\\p{Z}$')")
            .message("spec.connectionName must not begin or end with a blank: take the blanks at its ends away")
    )]
    pub connection_name: Option<String>,

    /// MACsec encryption mode that the connection is to have in AWS. Unset: the mode is not managed.
    ///
    /// `must_encrypt` stops all traffic while MACsec is not up, so under `Guarded` it is sent only after MACsec has
    /// been seen working. `no_encrypt` stops all traffic too if the far end insists on MACsec, which AWS cannot show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_mode: Option<EncryptionMode>,

    /// How a change of the encryption mode is made on a live link. `Guarded`: `must_encrypt` only after MACsec has been
    /// seen working for a while. `Immediate`: without waiting for MACsec, whatever it does to the link, in the turn of the
    /// account, and once while the spec asks for `must_encrypt`.
    #[serde(default)]
    pub encryption_transition: EncryptionTransition,

    /// `Manage`: make AWS match the spec. `Observe`: never change AWS, only report what differs.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
}

/// What AWS shows about the connection, and what the operator does about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectConnectConnectionStatus {
    /// Generation of the spec that this status describes; -1 until the operator has reconciled the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Last value of the annotation `directconnect-operator.dev/reconcile-requested-at` for which AWS was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// `Ready`, `LinkUp` and `Encrypted`; also `Reconciling` or `Stalled`, but only while it is true.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Id of the connection in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// ARN of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// What AWS shows; shared with who else remembers the same.
    #[serde(flatten)]
    pub connection: Arc<Connection>,
    /// What differs between spec and AWS now. Absent when nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub drift: Vec<Drift>,
    /// What the operator must still know after a restart.
    #[serde(flatten)]
    pub ledger: Ledger,
}

fn conditions_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "A condition: one aspect of the current state.",
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "description": "Type of the condition.", "type": "string", "maxLength": 316 },
                "status": { "description": "Whether the condition is met.", "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": { "description": "Generation of the spec that the condition was set for.", "type": "integer", "format": "int64", "minimum": 0 },
                "lastTransitionTime": { "description": "When the status of the condition last changed.", "type": "string", "format": "date-time" },
                "reason": { "description": "Reason for the status, in one word.", "type": "string", "minLength": 1, "maxLength": 1024 },
                "message": { "description": "Reason for the status, and what to do next.", "type": "string", "maxLength": 32768 }
            }
        }
    })
}

/// The custom resource definition, identical to the file in `crds/`.
///
/// It is generated from the types above, with changes that their derive cannot express. The whole status has a default, so
/// that tools do not take an empty status for a healthy one, and nothing in it has its own. And nothing is nullable.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = DirectConnectConnection::crd();
    let validations = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for schema in validations.filter_map(|validation| validation.open_api_v3_schema.as_mut()) {
        for_each(schema, &|schema| schema.nullable = None);
        if let Some(status) = schema.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            for_each(status, &|schema| schema.default = None);
            status.default = serde_json::from_value(serde_json::json!({ "observedGeneration": -1 })).ok();
        }
    }
    crd
}

/// Changes a schema and all schemas in it.
fn for_each(schema: &mut JSONSchemaProps, change: &dyn Fn(&mut JSONSchemaProps)) {
    change(schema);
    for child in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        for_each(child, change);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        for_each(items, change);
    }
}
