//! Every verdict of `Ready` as a complete resource, with the result of kstatus. `GOLDEN=write cargo test --test golden`
//! writes the files again.

#[path = "../../crates/core/tests/core/given/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the words are those of the tests of the core, which use them all")]
mod given;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use directconnect_core::conditions::{ConditionType, Verdict, conditions};
use directconnect_core::decide::Plan;
use directconnect_core::desired::Desired;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::history::Observation;
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::{Phase, Reason};
use directconnect_operator::api::{
    DirectConnectConnection, DirectConnectConnectionSpec, DirectConnectConnectionStatus,
};
use directconnect_operator::kubernetes::status;
use given::{
    Asks, ConnectionExt, ID, Must, No, REGION, Should, Story, connection, encrypted_connection, fault, given, renames,
    sets, spec,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use strum::VariantArray as _;

/// The result of kstatus for a resource (sigs.k8s.io/cli-utils, `pkg/kstatus/status`, generic resources).
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kstatus {
    InProgress,
    Failed,
    Current,
}

/// The rules of kstatus for generic resources, in its order.
fn kstatus(resource: &Value) -> Kstatus {
    let observed = &resource["status"]["observedGeneration"];
    let condition = |kind: &str| {
        let all = resource["status"]["conditions"].as_array();
        let found = all.into_iter().flatten().find(|condition| condition["type"] == kind);
        found.and_then(|condition| condition["status"].as_str())
    };
    if !observed.is_null() && *observed != resource["metadata"]["generation"] {
        return Kstatus::InProgress;
    }
    if condition("Reconciling") == Some("True") {
        return Kstatus::InProgress;
    }
    if condition("Stalled") == Some("True") {
        return Kstatus::Failed;
    }
    match condition("Ready") {
        Some("False" | "Unknown") => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

/// A resource in the situation that its name describes.
struct Golden {
    name: &'static str,
    reason: Reason,
    kstatus: Kstatus,
    resource: Value,
}

fn golden(name: &'static str, reason: Reason, kstatus: Kstatus, story: &Story) -> Golden {
    let plan = story.plan();
    let verdict = plan.verdict.clone().expect("there is something to say");
    let resource = resource(&story.spec, Some(&plan), &verdict, plan.observation.as_ref());
    Golden { name, reason, kstatus, resource }
}

fn resource(desired: &Desired, plan: Option<&Plan>, verdict: &Verdict, observation: Option<&Observation>) -> Value {
    let spec = DirectConnectConnectionSpec {
        connection_id: desired.circuit.id.to_string(),
        region: Some(REGION.into()),
        connection_name: desired.name.clone(),
        encryption_mode: desired.mode,
        encryption_transition: desired.transition,
        management_policy: desired.policy,
    };
    let seen = observation.and_then(|read| read.connection.as_deref().cloned()).unwrap_or_default();
    let now = Timestamp::from_second(1_772_442_000).expect("it is a time");
    let status = DirectConnectConnectionStatus {
        observed_generation: Some(desired.generation),
        ledger: Ledger {
            met_generation: plan.filter(|plan| plan.is_met).map(|_| desired.generation),
            ..Ledger::default()
        },
        conditions: status::conditions(conditions(verdict, observation), &[], Some(desired.generation), now),
        connection_id: plan.map(|_| ID.into()),
        arn: plan.and_then(|_| status::arn(&desired.circuit, &seen)),
        connection: seen.into(),
        drift: plan.map(|plan| plan.drift.clone()).unwrap_or_default(),
        ..DirectConnectConnectionStatus::default()
    };
    let mut resource = DirectConnectConnection::new("frankfurt-primary", spec);
    resource.metadata.namespace = Some("network".into());
    resource.metadata.generation = Some(desired.generation);
    if desired.paused {
        let paused = ("directconnect-operator.dev/paused".to_owned(), "true".to_owned());
        resource.metadata.annotations = Some([paused].into());
    }
    resource.status = Some(status);
    serde_json::to_value(resource).expect("a resource is JSON")
}

fn all() -> Vec<Golden> {
    use Kstatus::{Current, Failed, InProgress};
    let should = || spec().to(Should);
    let must = || spec().to(Must);
    let keyed = || connection().key("associated");
    let denied = || Fault { operation: "DescribeConnections", ..fault(FaultKind::AccessDenied) };
    let mut disputed = given(spec().name("fra-2")).sees(connection());
    for _ in 0..3 {
        disputed = disputed.gets_answer(&renames("fra-2"), &connection().named("fra-2")).after(61).sees(connection());
    }
    let invalid = Verdict::new(Reason::InvalidSpec, "spec.region is not set and the operator has no region of its own");
    let unread = || given(spec().name("fra-2"));
    let cut = keyed().mode("must_encrypt").state("down");
    let refused = |class| unread().sees(connection()).after(1).gets_refusal(&renames("fra-2"), fault(class));
    let stale = |class| given(should()).sees(connection()).was_met(1).polls_fail(class).after(180);
    let goldens = vec![
        golden("in_sync", Reason::InSync, Current, &given(should()).sees(connection())),
        golden("in_sync_paused", Reason::InSync, Current, &given(should().paused()).sees(connection())),
        golden("in_sync_encryption_down", Reason::InSync, Current, &given(must()).sees(cut)),
        golden("observed", Reason::Observed, Current, &given(should().observing()).sees(connection())),
        golden("updating", Reason::Updating, InProgress, &unread().sees(connection())),
        golden("settling", Reason::Settling, InProgress, &unread().has_sent(renames("fra-2"), 1).sees(connection())),
        golden(
            "waiting_for_available",
            Reason::WaitingForAvailable,
            InProgress,
            &given(must()).sees(connection().state("pending")),
        ),
        golden("waiting_for_encryption_up", Reason::WaitingForEncryptionUp, InProgress, &given(must()).sees(keyed())),
        golden(
            "waiting_for_soak",
            Reason::WaitingForEncryptionUp,
            InProgress,
            &given(must()).sees(encrypted_connection()),
        ),
        golden(
            "waiting_for_turn",
            Reason::WaitingForTurn,
            InProgress,
            &given(must()).waits_for("network/frankfurt-backup").soaks(&encrypted_connection()),
        ),
        golden("throttled", Reason::Throttled, InProgress, &refused(FaultKind::Throttled)),
        golden("aws_unavailable", Reason::AwsUnavailable, InProgress, &refused(FaultKind::Unavailable)),
        golden(
            "unknown_mode",
            Reason::AwsUnavailable,
            InProgress,
            &given(must()).sees(connection().mode("quantum_encrypt")),
        ),
        golden("no_macsec_key", Reason::NoMacSecKey, Failed, &given(must()).sees(connection())),
        golden(
            "macsec_not_supported",
            Reason::MacSecNotSupported,
            Failed,
            &given(must()).sees(connection().hosted(101).without_mode()),
        ),
        golden("lag_member", Reason::LagMember, Failed, &given(must()).sees(connection().in_lag("dxlag-fg5678cd"))),
        golden(
            "encryption_not_up",
            Reason::EncryptionNotUp,
            Failed,
            &given(must()).sees(keyed()).after(600).sees(keyed()),
        ),
        golden("not_found", Reason::NotFound, Failed, &unread().misses()),
        golden("connection_gone", Reason::ConnectionGone, Failed, &unread().sees(connection().state("deleted"))),
        golden(
            "access_denied",
            Reason::AccessDenied,
            Failed,
            &unread().sees(connection()).after(1).read_fails(denied()).after(40),
        ),
        golden("access_denied_unread", Reason::AccessDenied, Failed, &unread().polls_fail(FaultKind::AccessDenied)),
        golden(
            "credentials_invalid",
            Reason::CredentialsInvalid,
            Failed,
            &unread().polls_fail(FaultKind::CredentialsInvalid),
        ),
        golden("request_rejected", Reason::RequestRejected, Failed, &refused(FaultKind::Rejected)),
        Golden {
            name: "invalid_spec",
            reason: Reason::InvalidSpec,
            kstatus: Failed,
            resource: resource(&spec(), None, &invalid, None),
        },
        golden("conflict", Reason::Conflict, Failed, &unread().has_older_claim("network/elder").sees(connection())),
        golden("contended", Reason::Contended, Failed, &disputed),
        golden("paused", Reason::Paused, InProgress, &given(spec().to(No).paused()).sees(connection())),
        golden("drifted", Reason::Drifted, InProgress, &given(spec().to(No).observing()).sees(connection())),
        golden("stale_reconciling", Reason::ObservationStale, InProgress, &stale(FaultKind::Unavailable)),
        golden("stale_stalled", Reason::ObservationStale, Failed, &stale(FaultKind::AccessDenied)),
    ];
    let sent = given(must()).soaks(&encrypted_connection()).sends(&sets(Must));
    assert_eq!(sent.plan().verdict.map(|verdict| verdict.reason), Some(Reason::Updating));
    goldens
}

fn ready(resource: &Value) -> &Value {
    let all = resource["status"]["conditions"].as_array().expect("there are conditions");
    all.iter().find(|condition| condition["type"] == ConditionType::Ready.as_str()).expect("Ready is among them")
}

#[test]
fn kstatus_reads_the_verdict() {
    for golden in all() {
        assert_eq!(ready(&golden.resource)["reason"], golden.reason.as_str(), "{}", golden.name);
        assert_eq!(kstatus(&golden.resource), golden.kstatus, "{}", golden.name);
    }
}

#[test]
fn every_reason_of_ready_is_among_them() {
    let shown: BTreeSet<&str> = all().iter().map(|golden| golden.reason.as_str()).collect();
    let of_ready = |reason: &Reason| reason.phase() != Phase::Unknown || *reason == Reason::ObservationStale;
    let expected: BTreeSet<&str> =
        Reason::VARIANTS.iter().filter(|reason| of_ready(reason)).map(|reason| reason.as_str()).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_new_spec_is_in_progress_until_it_is_observed() {
    for mut golden in all() {
        golden.resource["metadata"]["generation"] = json!(99);
        assert_eq!(kstatus(&golden.resource), Kstatus::InProgress, "{}", golden.name);
    }
    // With the default of the CRD, an empty status is not taken for a healthy one.
    let new = json!({ "metadata": { "generation": 1 }, "status": { "observedGeneration": -1 } });
    assert_eq!(kstatus(&new), Kstatus::InProgress);
}

#[test]
fn resources_read_as_they_are_stored() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/status");
    let write = std::env::var_os("GOLDEN").is_some_and(|word| word == "write");
    let mut names = BTreeSet::new();
    for Golden { name, kstatus, resource, .. } in all() {
        let path = folder.join(format!("{name}.yaml"));
        let yaml = serde_saphyr::to_string(&resource).expect("a resource is YAML");
        let expected = format!("# kstatus: {kstatus:?}\n{yaml}");
        if write {
            fs::write(&path, &expected).expect("it can be written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(stored, expected, "{} differs: GOLDEN=write cargo test --test golden", path.display());
        names.insert(format!("{name}.yaml"));
    }
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let name = entry.expect("it can be read").file_name();
        assert!(names.contains(&*name.to_string_lossy()), "{} is of no verdict any more", name.display());
    }
}
