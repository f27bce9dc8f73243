//! Status: how a decision reads, and how it is written.

use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as MetaCondition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Watched;
use crate::api::{DirectConnectConnection, DirectConnectConnectionStatus, DriftStatus};
use directconnect_core::conditions::{Condition, ConditionType};
use directconnect_core::decide::Drift;
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::observed::Connection;

/// How long the API server may take to write a status.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Conditions as Kubernetes wants them. `lastTransitionTime` moves only when `status` changes.
pub fn conditions(
    wanted: Vec<Condition>,
    before: &[MetaCondition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<MetaCondition> {
    let as_meta = |condition: Condition| {
        let (kind, status) = (condition.condition_type.as_str(), condition.status.as_str());
        let same = before.iter().find(|earlier| earlier.type_ == kind && earlier.status == status);
        MetaCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: condition.reason.as_str().to_owned(),
            message: condition.message,
            observed_generation: generation,
            // Whole seconds are all that a `metav1.Time` keeps.
            last_transition_time: same
                .map_or_else(|| Time(whole_seconds(now)), |same| same.last_transition_time.clone()),
        }
    };
    wanted.into_iter().map(as_meta).collect()
}

/// A time as status shows it.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `status` of one condition.
pub fn condition_status(status: &DirectConnectConnectionStatus, kind: ConditionType) -> Option<&str> {
    condition(status, kind).map(|condition| condition.status.as_str())
}

/// One condition.
pub fn condition(status: &DirectConnectConnectionStatus, kind: ConditionType) -> Option<&MetaCondition> {
    status.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// What differs, as status shows it.
pub fn drift(drift: &[Drift]) -> Vec<DriftStatus> {
    let shown = |Drift { field, desired, observed }: &Drift| DriftStatus {
        field: (*field).to_owned(),
        desired: desired.clone(),
        observed: observed.clone(),
    };
    drift.iter().map(shown).collect()
}

/// ARN of a connection, where AWS showed whose it is (service authorization reference of Direct Connect).
pub fn arn(circuit: &CircuitId, connection: &Connection) -> Option<String> {
    let account = connection.owner_account.as_deref()?;
    let CircuitId { region, id } = circuit;
    Some(format!("arn:{}:directconnect:{region}:{account}:dxcon/{id}", partition(region.as_str())))
}

/// Partition that a region belongs to.
fn partition(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    let found = BY_PREFIX.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has changed, or is gone: what was decided is about an older one.
    #[error("the object has changed since it was read")]
    Outdated,
    /// The API server refused.
    #[error("the API server refused the status: {}", super::words(.0))]
    Refused(kube::Error),
    /// The API server did not answer.
    #[error("the API server did not answer within {} s", WRITE_TIMEOUT.as_secs())]
    Silent,
}

/// Writes a whole status of the object that was read at `version`, and nothing else of it.
///
/// The API server refuses it when the object has changed since: what was decided about an older spec is neither claimed
/// nor acted on. Returns the resource version after it.
pub async fn write(
    client: &Client,
    resource: &ResourceId,
    version: u64,
    status: &DirectConnectConnectionStatus,
) -> Result<u64, WriteError> {
    // Only metadata of the answer is read: a malformed object can have a status too.
    let api: Api<PartialObjectMeta<DirectConnectConnection>> = Api::namespaced(client.clone(), &resource.namespace);
    let patch = json!({
        "metadata": { "resourceVersion": version.to_string() },
        "status": whole(status),
    });
    // Else `kubectl get --show-managed-fields` would tell who wrote it as "unknown".
    let params = PatchParams { field_manager: Some(env!("CARGO_PKG_NAME").to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(&patch);
    let request = api.patch_subresource("status", &resource.name, &params, &patch);
    match tokio::time::timeout(WRITE_TIMEOUT, request).await {
        Ok(Ok(written)) => {
            let version = written.metadata.resource_version.and_then(|version| version.parse().ok());
            version.ok_or(WriteError::Outdated)
        }
        Ok(Err(kube::Error::Api(refusal))) if matches!(refusal.code, 404 | 409) => Err(WriteError::Outdated),
        Ok(Err(error)) => Err(WriteError::Refused(error)),
        Err(_) => Err(WriteError::Silent),
    }
}

/// Reads an object as it is now; `None` if it cannot be had. By a list, since that is what the operator may do.
pub async fn read(client: &Client, resource: &ResourceId) -> Option<Watched> {
    let api: Api<Watched> = Api::namespaced(client.clone(), &resource.namespace);
    let only = ListParams::default().fields(&format!("metadata.name={}", resource.name));
    tokio::time::timeout(WRITE_TIMEOUT, api.list(&only)).await.ok()?.ok()?.items.pop()
}

/// Status as a merge patch that leaves nothing behind: what is absent is `null`, at every depth, since a merge patch
/// merges objects within objects too.
fn whole(status: &DirectConnectConnectionStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    complete(&SCHEMA, &mut value);
    value
}

/// Gives an object every field that its schema has.
fn complete(schema: &Value, value: &mut Value) {
    let Value::Object(fields) = value else { return };
    // What may be absent is any of itself and null.
    let variants = schema["anyOf"].as_array().into_iter().flatten().chain([schema]);
    for (name, schema) in variants.filter_map(|variant| variant["properties"].as_object()).flatten() {
        complete(schema, fields.entry(name.clone()).or_insert(Value::Null));
    }
}

/// The schema of status, as the CRD has it.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let inline = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    inline.into_generator().into_root_schema_for::<DirectConnectConnectionStatus>().to_value()
});
