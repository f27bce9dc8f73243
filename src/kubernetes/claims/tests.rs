//! What the watch brings: whose status it is, and what it says of the circuit.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Watched;
use super::Claims;
use crate::api::DirectConnectConnectionStatus;
use crate::clock::Clock;
use crate::metrics::{Health, Metrics};
use crate::state::{SECONDS, State};
use directconnect_core::desired::{DefaultRegion, EncryptionMode};
use directconnect_core::identity::RegionName;
use directconnect_core::ledger::Ledger;

impl Claims {
    /// The claims of a process that does not lead yet.
    pub(in super::super) fn for_tests() -> Self {
        let state = Arc::new(State::new(SECONDS, tokio::sync::mpsc::unbounded_channel().0));
        let region = DefaultRegion::Set(RegionName::parse("eu-central-1").expect("a region"));
        Self::new(state, region, Clock::start(), Metrics::new())
    }
}

/// The claims of a process that leads.
fn claims() -> Claims {
    let claims = Claims::for_tests();
    drop(claims.attach());
    claims
}

fn line(uid: &str, version: u64, status: &Value) -> Watched {
    watched(&object(uid, version, status))
}

fn watched(object: &Value) -> Watched {
    Watched::deserialize(object).expect("a resource")
}

fn object(uid: &str, version: u64, status: &Value) -> Value {
    json!({
        "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
        "metadata": {
            "name": "line", "namespace": "net", "uid": uid, "generation": 1, "resourceVersion": version.to_string(),
        },
        "spec": { "connectionId": "dxcon-fg1234ab" },
        "status": status,
    })
}

/// What a status says of a line with nothing on its way.
fn at_rest(reason: &str) -> Value {
    let condition = |kind: &str, reason: &str| {
        let time = "2026-01-01T00:00:00Z";
        json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": time })
    };
    json!({
        "observedGeneration": 1, "region": "eu-central-1",
        "conditions": [condition("Ready", reason), condition("LinkUp", "Available")],
    })
}

fn status(met_generation: i64) -> DirectConnectConnectionStatus {
    serde_json::from_value(json!({ "metGeneration": met_generation })).expect("a status")
}

fn ledger(claims: &Claims, line: &Watched) -> Ledger {
    let circuit = claims.circuit_of(&line.id()).expect("its spec is valid");
    claims.state.with_fleet(|fleet| fleet.ledger(&circuit, &line.id()))
}

/// A list after a gap of the watch shows the new object, and no deletion of the old one.
#[test]
fn an_object_that_was_made_anew_under_its_name_inherits_nothing() {
    let claims = claims();
    let circuit = json!({ "region": "eu-central-1", "connectionId": "dxcon-fg1234ab" });
    let proven = json!({ "metGeneration": 1, "proven": true, "mustEncryptGeneration": 1, "circuit": circuit });
    let old = line("old", 1, &proven);
    claims.note(&Event::Apply(old.clone()), None);
    assert!(ledger(&claims, &old).proven);
    let new = line("new", 2, &json!({}));
    assert_eq!(claims.note(&Event::Apply(new.clone()), None), [new.id()]);
    assert_eq!(ledger(&claims, &new), Ledger::default());
}

#[test]
fn a_status_of_this_process_is_its_own_even_if_it_comes_when_the_next_is_on_its_way() {
    let claims = claims();
    let before = line("uid", 1, &json!({}));
    claims.note(&Event::Apply(before.clone()), None);
    let first = Arc::new(status(1));
    claims.will_write(&before.id(), &first);
    claims.note_written(&before, 2, Arc::clone(&first));
    claims.will_write(&before.id(), &status(2));
    assert_eq!(claims.note(&Event::Apply(line("uid", 2, &json!({ "metGeneration": 1 }))), None), []);
    // One that nobody of this process wrote wakes the resource.
    assert_eq!(claims.note(&Event::Apply(line("uid", 3, &json!({ "metGeneration": 7 }))), None), [before.id()]);
}

#[test]
fn a_status_of_someone_else_is_not_believed_either_when_something_else_of_the_object_changes() {
    let claims = claims();
    let circuit = json!({ "region": "eu-central-1", "connectionId": "dxcon-fg1234ab" });
    let unproven = json!({ "unprovenStep": "should_encrypt", "circuit": circuit });
    let before = line("uid", 1, &unproven);
    claims.note(&Event::Apply(before.clone()), None);
    for version in [2, 3, 4] {
        // The later events are of an annotation, before any pass has written.
        claims.note(&Event::Apply(line("uid", version, &json!({}))), None);
        assert!(ledger(&claims, &before).unproven_step.is_some(), "version {version}");
    }
    // What this process writes over it is believed.
    let written = json!({ "metGeneration": 1 });
    claims.will_write(&before.id(), &status(1));
    claims.note(&Event::Apply(line("uid", 5, &written)), None);
    assert_eq!(ledger(&claims, &before).met_generation, Some(1));
}

/// An earlier release recorded no proof. What its status says of that time proves the circuit for as long as nothing else is
/// said.
#[test]
fn a_proof_from_an_earlier_release_ends_with_another_update_a_lower_mode_or_a_ledger_of_this_release() {
    type Change = fn(&mut Value);
    let time = "2026-01-01T00:00:00Z";
    let encrypted = json!({ "type": "Encrypted", "status": "True", "reason": "EncryptionUp", "message": "", "lastTransitionTime": time });
    let earlier = json!({
        "encryptionMode": "must_encrypt", "metGeneration": 1, "mustEncryptGeneration": 1, "conditions": [encrypted],
        "lastUpdate": { "time": time, "generation": 1, "encryptionMode": "must_encrypt", "requestId": "1" },
    });
    let table: [(&str, Change, bool); 5] = [
        ("the same", |_| {}, true),
        ("encryption that is down", |status| status["conditions"] = json!([]), true),
        ("another update", |status| status["lastUpdate"]["time"] = "2026-02-01T00:00:00Z".into(), false),
        ("a lower mode", |status| status["encryptionMode"] = "should_encrypt".into(), false),
        (
            "a ledger of this release",
            |status| status["circuit"] = json!({ "region": "eu-central-1", "connectionId": "dxcon-fg1234ab" }),
            false,
        ),
    ];
    for (shown, change, holds) in table {
        let claims = Claims::for_tests();
        let before = line("uid", 1, &earlier);
        claims.note(&Event::Apply(before.clone()), None);
        assert!(ledger(&claims, &before).proven);
        let mut status = earlier.clone();
        change(&mut status);
        claims.note(&Event::Apply(line("uid", 2, &status)), None);
        assert_eq!(ledger(&claims, &before).proven, holds, "{shown}");
        claims.note(&Event::Apply(line("uid", 3, &earlier)), None);
        assert_eq!(ledger(&claims, &before).proven, holds, "it is derived once: {shown}");
    }
}

/// Such a status stays as it is until AWS has been read, even if that takes long.
#[test]
fn a_status_at_rest_is_reported_unless_what_it_says_may_be_over() {
    type Change = fn(&mut Value);
    let is_reported = |change: Change, reason: &str| {
        let mut object = object("uid", 1, &at_rest(reason));
        change(&mut object);
        let desired = claims().desired(&watched(&object)).expect("its spec is valid");
        super::claim(&watched(&object), &desired).is_reported
    };
    let table: [(&str, Change, bool); 9] = [
        ("InSync", |_| {}, true),
        ("Blocked", |_| {}, true),
        ("InvalidSpec", |_| {}, false),
        ("Conflict", |_| {}, false),
        ("Paused", |_| {}, false),
        ("Paused", |line| line["metadata"]["annotations"] = json!({ "directconnect-operator.dev/paused": "" }), true),
        ("InSync", |line| line["metadata"]["generation"] = 2.into(), false),
        ("InSync", |line| line["status"]["region"] = "eu-west-1".into(), false),
        ("InSync", |line| line["status"]["conditions"][1]["status"] = "Unknown".into(), false),
    ];
    for (at, (reason, change, reported)) in table.into_iter().enumerate() {
        assert_eq!(is_reported(change, reason), reported, "row {at}: {reason}");
    }
    let on_its_way = |line: &mut Value| line["status"]["conditions"][0]["type"] = "Reconciling".into();
    assert!(!is_reported(on_its_way, "InSync"));
}

#[test]
fn of_a_resource_whose_spec_is_invalid_status_says_what_was_wanted() {
    let (must, should) = (Some(EncryptionMode::MustEncrypt), Some(EncryptionMode::ShouldEncrypt));
    let circuit = json!({ "region": "eu-west-1", "connectionId": "dxcon-fg1234ab" });
    let table = [
        (json!({ "proven": true }), must),
        (json!({ "mustEncryptGeneration": 1 }), must),
        (json!({ "unprovenStep": "should_encrypt", "mustEncryptGeneration": 1 }), should),
        (json!({}), None),
    ];
    for (mut ledger, wanted) in table {
        ledger["circuit"] = circuit.clone();
        let mut object = object("uid", 1, &ledger);
        object["spec"]["encryptionMode"] = "no_encrypt".into();
        let known = super::without_valid_spec(&watched(&object)).expect("status names the circuit");
        assert_eq!((known.mode, known.observes_only()), (Some(EncryptionMode::NoEncrypt), true), "it can be read");
        object["spec"] = 7.into();
        let known = super::without_valid_spec(&watched(&object)).expect("status names the circuit");
        assert_eq!((known.mode, known.observes_only(), known.circuit.region.as_str()), (wanted, true, "eu-west-1"));
    }
    assert!(super::without_valid_spec(&line("uid", 1, &json!({ "proven": true }))).is_none());
}

/// The clock of the process that wrote the time may have been ahead.
#[test]
fn a_time_in_the_next_hour_counts_as_now_and_a_later_one_as_none() {
    let minutes = |minutes: i64| (Timestamp::now() + SignedDuration::from_mins(minutes)).to_string();
    let age = super::age_of(&minutes(-10)).expect("it is past").as_secs();
    assert!((600..660).contains(&age), "{age} s");
    assert_eq!(super::age_of(&minutes(50)), Some(Duration::ZERO));
    assert_eq!(super::age_of(&minutes(70)), None);
    assert_eq!(super::age_of("yesterday"), None);
}

/// They would be missing from each write of status to the next pass.
#[test]
fn gauges_stay_when_only_the_status_changes() {
    let claims = claims();
    let before = line("uid", 1, &json!({}));
    claims.note(&Event::Apply(before.clone()), None);
    let health = Health {
        ready: true,
        link_up: Some(true),
        encrypted: None,
        must_encrypt: false,
        drifted: false,
        paused: false,
    };
    claims.metrics.health(&super::labels(&before, &before.id()), health);
    claims.note(&Event::Apply(line("uid", 2, &json!({ "metGeneration": 1 }))), None);
    let metrics = claims.metrics.encode().expect("metrics");
    assert!(metrics.contains("directconnect_connection_link_up{"), "{metrics}");
}

#[test]
fn the_last_update_of_a_status_lies_in_the_past() {
    let claims = claims();
    let last = json!({ "time": "2026-01-01T00:00:00Z", "generation": 1, "connectionName": "line", "requestId": "1" });
    let line = line("uid", 1, &json!({ "lastUpdate": last }));
    claims.note(&Event::Apply(line.clone()), None);
    let circuit = claims.circuit_of(&line.id()).expect("its spec is valid");
    let updated_at =
        claims.state.with_fleet(|fleet| fleet.circuit(&circuit).expect("it is claimed").claims()[0].updated_at);
    assert!(updated_at.expect("there was one") <= claims.clock.now());
}

#[test]
fn what_this_process_wrote_is_known_until_the_watch_has_delivered_it() {
    let claims = claims();
    let before = line("uid", 1, &json!({}));
    claims.note(&Event::Apply(before.clone()), None);
    claims.will_write(&before.id(), &status(1));
    claims.note_written(&before, 3, Arc::new(status(1)));
    let latest = |object: &Watched| claims.latest_status(object).map(|(version, _)| version);
    // Somebody else's change of a label came first.
    let labelled = line("uid", 2, &json!({}));
    claims.note(&Event::Apply(labelled.clone()), None);
    assert_eq!(latest(&labelled), Some(3));
    let written = line("uid", 3, &json!({ "metGeneration": 1 }));
    claims.note(&Event::Apply(written.clone()), None);
    assert_eq!(latest(&written), None);
}

#[test]
fn what_a_status_shows_of_its_line_is_known_before_the_first_read() {
    let claims = claims();
    let line = line("uid", 1, &json!({ "encryptionMode": "must_encrypt" }));
    claims.note(&Event::Apply(line.clone()), None);
    let circuit = claims.circuit_of(&line.id()).expect("its spec is valid");
    let shown = claims.state.with_fleet(|fleet| fleet.shown(&circuit, &line.id()));
    assert_eq!(shown.mode, Some(EncryptionMode::MustEncrypt));
}
