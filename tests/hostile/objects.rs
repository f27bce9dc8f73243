//! Objects as an API server may hand them out that does not hold them to this CRD, or to an older one.

use directconnect_operator::kubernetes::index::{Index, requested_at, shown as named};
use directconnect_operator::kubernetes::watch::usable;
use directconnect_operator::kubernetes::{Reference, Watched};
use directconnect_operator::metrics::Metrics;
use kube::Resource as _;
use kube::runtime::watcher::Event;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{LONGEST_WORD, any_damage, any_value, any_words, cases, damaged, shown};

/// A resource as the operator itself leaves it.
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

#[test]
fn an_object_without_damage_is_read() {
    let watched: Watched = serde_json::from_value(whole()).expect("it is an object");
    assert!(watched.0.is_ok(), "{:?}", watched.0.err());
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_an_object_holds_it_is_taken_in_or_told_what_is_wrong(damage in any_damage(), again in any_damage()) {
        let index = Index::new(Some("eu-central-1".into()), Metrics::new());
        for object in [damaged(whole(), damage), damaged(whole(), again)] {
            // What has no usable metadata never leaves the watch.
            let Ok(watched) = serde_json::from_value::<Watched>(object) else { continue };
            let Some(event) = usable(Event::Apply(watched.clone())) else { continue };
            let reference = Reference::from_obj(&watched);
            prop_assert!(index.note(&event).contains(&reference), "nobody is told of {}", named(&reference));
            match &watched.0 {
                Err(malformed) => prop_assert!(!malformed.error.is_empty()),
                Ok(valid) => match index.desired(valid) {
                    Ok(desired) => {
                        prop_assert!(desired.key.id.len() <= 64 && desired.key.region.len() <= 32);
                        prop_assert!(desired.name.is_none_or(|name| (1..=200).contains(&name.chars().count())));
                    }
                    Err(invalid) => {
                        let message = invalid.to_string();
                        prop_assert!(message.len() <= LONGEST_WORD && !message.chars().any(char::is_control), "{message:?}");
                        prop_assert_eq!(index.region_of(&reference), None, "nothing is read for it");
                    }
                },
            }
            index.note(&Event::Delete(watched));
            prop_assert!(index.regions().borrow().is_empty(), "nothing is left of it");
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
        let requested = requested_at(&watched).expect("it is annotated");
        prop_assert!(requested.len() <= LONGEST_WORD && value.starts_with(requested));
        prop_assert!(requested.len() == value.len() || requested.len() > LONGEST_WORD - 4);
    }
}
