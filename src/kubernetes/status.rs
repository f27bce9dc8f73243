//! Builds status from decisions, and writes it.

use std::sync::{LazyLock, Once};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as MetaCondition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use tracing::error;

use super::Watched;
use crate::api::DirectConnectConnectionStatus;
use directconnect_core::conditions::{Condition, ConditionType};
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;

/// Time limit of a status write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The conditions in the Kubernetes form. `lastTransitionTime` changes only when `status` changes.
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
            // A `metav1.Time` has whole seconds only.
            last_transition_time: same
                .map_or_else(|| Time(whole_seconds(now)), |same| same.last_transition_time.clone()),
        }
    };
    wanted.into_iter().map(as_meta).collect()
}

/// A time with the precision of status.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The `status` of one condition.
pub fn condition_status(status: &DirectConnectConnectionStatus, kind: ConditionType) -> Option<&str> {
    condition(status, kind).map(|condition| condition.status.as_str())
}

/// One condition.
pub fn condition(status: &DirectConnectConnectionStatus, kind: ConditionType) -> Option<&MetaCondition> {
    status.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// The ARN of a connection, if AWS showed its owner (service authorization reference of Direct Connect).
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

/// Set once the log has told that a proof cannot be stored. It is no [`WriteError`]: nothing that is sent depends on it.
static PROOF_DROPPED: Once = Once::new();

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has changed or is gone, so the decision is outdated.
    #[error("the object has changed since it was read")]
    Outdated,
    /// The API server refused the write.
    #[error("the API server refused the status: {}", super::words(.0))]
    Refused(kube::Error),
    /// The API server stored the status, with this resource version, but without a field that decisions depend on.
    #[error(
        "the API server dropped status.{0}: the CRD is older than this operator. Apply the CRD of this release (`directconnect-operator crd`); until then, what needs that field is not sent"
    )]
    Dropped(&'static str, u64),
    /// The API server did not answer.
    #[error("the API server did not answer within {} s", WRITE_TIMEOUT.as_secs())]
    Silent,
}

/// Writes the whole status of the object that was read at `version`, and nothing else of the object.
///
/// The API server refuses the write if the object has changed since, so a decision about an outdated spec is neither
/// shown nor carried out. Returns the new resource version.
pub async fn write(
    client: &Client,
    resource: &ResourceId,
    version: u64,
    status: &DirectConnectConnectionStatus,
) -> Result<u64, WriteError> {
    let api: Api<Watched> = Api::namespaced(client.clone(), &resource.namespace);
    let patch = json!({
        "metadata": { "resourceVersion": version.to_string() },
        "status": whole(status),
    });
    // Without this, `kubectl get --show-managed-fields` would show the manager as "unknown".
    let params = PatchParams { field_manager: Some(env!("CARGO_PKG_NAME").to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(&patch);
    let request = api.patch_subresource("status", &resource.name, &params, &patch);
    match tokio::time::timeout(WRITE_TIMEOUT, request).await {
        Ok(Ok(stored)) => {
            if status.ledger.proven && !stored.status.ledger.proven {
                PROOF_DROPPED.call_once(|| {
                    error!(
                        "the API server dropped status.proven: the CRD is older than this operator. Apply the CRD of this release (`directconnect-operator crd`); until then, every connection at must_encrypt has to be proven anew after a restart"
                    );
                });
            }
            dropped(&status.ledger, &stored.status.ledger)
                .map_or_else(|| Ok(stored.version()), |field| Err(WriteError::Dropped(field, stored.version())))
        }
        Ok(Err(kube::Error::Api(refusal))) if matches!(refusal.code, 404 | 409) => Err(WriteError::Outdated),
        Ok(Err(error)) => Err(WriteError::Refused(error)),
        Err(_) => Err(WriteError::Silent),
    }
}

/// The field of a ledger that an interrupting update depends on and that was not stored. An older CRD lacks it.
fn dropped(sent: &Ledger, stored: &Ledger) -> Option<&'static str> {
    if sent.unproven_step != stored.unproven_step {
        Some("unprovenStep")
    } else if sent.must_encrypt_generation != stored.must_encrypt_generation {
        Some("mustEncryptGeneration")
    } else {
        None
    }
}

/// Reads the current object; `None` if that fails. It uses a list, since the operator has no permission to get objects.
pub async fn read(client: &Client, resource: &ResourceId) -> Option<Watched> {
    let api: Api<Watched> = Api::namespaced(client.clone(), &resource.namespace);
    let only = ListParams::default().fields(&format!("metadata.name={}", resource.name));
    tokio::time::timeout(WRITE_TIMEOUT, api.list(&only)).await.ok()?.ok()?.items.pop()
}

/// The status as a merge patch that replaces the old status completely. Absent fields are set to `null` at every depth,
/// since a merge patch also merges nested objects.
fn whole(status: &DirectConnectConnectionStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    complete(&SCHEMA, &mut value);
    value
}

/// Adds every field of the schema that is missing, as `null`.
fn complete(schema: &Value, value: &mut Value) {
    let Value::Object(fields) = value else { return };
    // The schema of an optional object is an `anyOf` of the object and null.
    let variants = schema["anyOf"].as_array().into_iter().flatten().chain([schema]);
    for (name, schema) in variants.filter_map(|variant| variant["properties"].as_object()).flatten() {
        complete(schema, fields.entry(name.clone()).or_insert(Value::Null));
    }
}

/// The schema of status in the CRD.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let inline = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    inline.into_generator().into_root_schema_for::<DirectConnectConnectionStatus>().to_value()
});

#[cfg(test)]
mod tests {
    use super::*;
    use directconnect_core::conditions::ConditionStatus;
    use directconnect_core::reason::Reason;

    #[test]
    fn a_condition_has_the_whole_second_at_which_its_status_changed() {
        let wanted = |ready, link_up, message: &str| {
            let condition = |condition_type, status| Condition {
                condition_type,
                status,
                reason: Reason::InSync,
                message: message.to_owned(),
            };
            vec![condition(ConditionType::Ready, ready), condition(ConditionType::LinkUp, link_up)]
        };
        let at = |second, nanosecond| Timestamp::new(second, nanosecond).expect("a time");
        let times = |conditions: &[MetaCondition]| {
            conditions.iter().map(|condition| condition.last_transition_time.0).collect::<Vec<_>>()
        };
        let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
        let mut last = Vec::new();
        let steps = [
            (wanted(yes, yes, ""), at(1000, 7), [1000, 1000]),
            (wanted(yes, yes, "other words"), at(2000, 0), [1000, 1000]),
            (wanted(yes, no, ""), at(3000, 0), [1000, 3000]),
            (wanted(no, no, ""), at(4000, 0), [4000, 3000]),
        ];
        for (wanted, now, changed) in steps {
            last = conditions(wanted, &last, Some(1), now);
            assert_eq!(times(&last), changed.map(|second| at(second, 0)));
        }
    }
}
