//! Random objects, as an API server with another or no schema may return them.

use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;
use directconnect_core::settings::Settings;
use directconnect_operator::clock::Clock;
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::claims::Claims;
use directconnect_operator::kubernetes::watch::usable;
use directconnect_operator::metrics::Metrics;
use directconnect_operator::state::State;
use kube::Resource as _;
use kube::runtime::watcher::Event;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{MAX_TEXT_BYTES, any_damage, any_value, any_words, cases, damaged, shown};

/// A resource with a status that the operator has written.
fn whole() -> Value {
    let mut status = shown();
    let own = json!({
        "observedGeneration": 2, "metGeneration": 1, "mustEncryptGeneration": 1, "lastHandledReconcileAt": "then",
        "arn": "arn", "drift": [{"field": "connectionName", "desired": "a", "observed": "b"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "InSync", "message": "it is so",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 2}],
        "lastUpdate": {"time": "2026-01-01T00:00:00Z", "generation": 2, "requestId": "id", "connectionName": "a",
            "encryptionMode": "must_encrypt"},
        "loaIssueTime": "2026-01-01T00:00:00Z",
    });
    status.as_object_mut().expect("an object").extend(own.as_object().expect("an object").clone());
    json!({
        "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
        "metadata": {"name": "line", "namespace": "net", "uid": "uid", "generation": 2, "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"directconnect-operator.dev/paused": "true",
                "directconnect-operator.dev/reconcile-requested-at": "now"}},
        "spec": {"connectionId": "dxcon-fg1234ab", "region": "eu-central-1", "connectionName": "fra-1",
            "encryptionMode": "must_encrypt", "encryptionTransition": "Guarded", "managementPolicy": "Manage"},
        "status": status,
    })
}

/// Empty claims, whose wakeups nobody receives.
fn claims() -> Claims {
    let minute = std::time::Duration::from_mins(1);
    let settings =
        Settings { poll_interval: minute, encryption_soak: minute, settle_window: minute, progress_deadline: minute };
    let state = std::sync::Arc::new(State::new(settings, tokio::sync::mpsc::unbounded_channel().0));
    let region = RegionName::parse("eu-central-1").expect("a region");
    Claims::new(state, DefaultRegion::Set(region), Clock::start(), Metrics::new())
}

#[test]
fn an_object_without_damage_is_read() {
    let watched: Watched = serde_json::from_value(whole()).expect("it is an object");
    assert!(watched.spec.is_ok(), "{:?}", watched.spec.err());
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_an_object_holds_it_is_taken_in_or_told_what_is_wrong(damage in any_damage(), again in any_damage()) {
        let claims = claims();
        for object in [damaged(whole(), damage), damaged(whole(), again)] {
            // The watch drops objects without usable metadata.
            let Ok(watched) = serde_json::from_value::<Watched>(object) else { continue };
            let Some(event) = usable(Event::Apply(watched.clone())) else { continue };
            let resource = watched.id();
            prop_assert!(claims.note(&event, None).contains(&resource), "nobody is told of {resource}");
            match claims.desired(&watched) {
                Ok(desired) => {
                    let circuit = desired.circuit;
                    prop_assert!(circuit.id.as_str().len() <= 64 && circuit.region.as_str().len() <= 32);
                    prop_assert!(desired.name.is_none_or(|name| (1..=200).contains(&name.chars().count())));
                }
                Err(message) => {
                    prop_assert!(!message.is_empty());
                    prop_assert_eq!(claims.circuit_of(&resource), None, "nothing is read for it");
                    if watched.spec.is_ok() {
                        prop_assert!(message.len() <= MAX_TEXT_BYTES && !message.chars().any(char::is_control), "{message:?}");
                    }
                }
            }
            claims.note(&Event::Delete(watched), None);
            prop_assert!(claims.regions().borrow().is_empty(), "nothing is left of it");
        }
    }

    #[test]
    fn what_others_put_into_metadata_never_gets_beyond_the_watch(fields in any_value(), words in any_words()) {
        let mut object = whole();
        object["metadata"]["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": fields}}]);
        object["metadata"]["labels"] = json!({ words.clone(): words });
        object["metadata"]["finalizers"] = json!([words]);
        object["metadata"]["annotations"][words.clone()] = words.clone().into();
        let watched: Watched = serde_json::from_value(object).expect("it is an object");
        let Some(Event::Apply(kept)) = usable(Event::Apply(watched)) else { panic!("it has a name") };
        prop_assert_eq!(&serde_json::to_value(kept.meta()).expect("it is JSON"), &whole()["metadata"]);
    }

    #[test]
    fn no_more_of_an_annotation_than_fits_goes_into_status(value in any_words()) {
        let mut object = whole();
        object["metadata"]["annotations"]["directconnect-operator.dev/reconcile-requested-at"] = value.clone().into();
        let watched: Watched = serde_json::from_value(object).expect("it is an object");
        let requested = watched.requested_at().expect("it is annotated");
        prop_assert!(requested.len() <= MAX_TEXT_BYTES && value.starts_with(requested));
        prop_assert!(requested.len() == value.len() || requested.len() > MAX_TEXT_BYTES - 4);
    }
}
