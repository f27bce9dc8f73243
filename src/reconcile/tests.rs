//! What a pass leaves behind that ends between its intention and the answer.

use std::sync::Arc;

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event as Watch;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::aws::{self, Aws, Pollers};
use crate::clock::Clock;
use crate::kubernetes::claims::Claims;
use crate::kubernetes::events::EventPublisher;
use crate::kubernetes::lease::Leadership;
use crate::metrics::Metrics;
use crate::state::{SECONDS, State};
use directconnect_core::desired::DefaultRegion;
use directconnect_core::history::{Observation, Source};
use directconnect_core::identity::RegionName;
use directconnect_core::observed::Connection;

/// A context with two resources, `bad` and `good`, that makes no calls.
pub(crate) async fn context(store: &mut Writer<Watched>) -> Arc<Context> {
    let (clock, metrics) = (Clock::start(), Metrics::new());
    let nowhere = kube::Config::new("http://127.0.0.1:9".parse().expect("a URL"));
    let client = kube::Client::try_from(nowhere).expect("a client can be made");
    let from = aws::defaults("test").region("eu-central-1").no_credentials();
    let state = Arc::new(State::new(SECONDS, mpsc::unbounded_channel().0));
    let region = DefaultRegion::Set(RegionName::parse("eu-central-1").expect("a region"));
    let claims = Arc::new(Claims::new(Arc::clone(&state), region, clock, metrics.clone()));
    let mut note = |event| {
        claims.note(&event, None);
        store.apply_watcher_event(&event);
    };
    note(Watch::Init);
    for name in ["bad", "good"] {
        let object = json!({
            "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
            "metadata": { "name": name, "namespace": "namespace", "uid": name, "generation": 1 },
            "spec": { "connectionId": format!("dxcon-{name:0>8}") },
        });
        note(Watch::InitApply(serde_json::from_value(object).expect("a resource")));
    }
    note(Watch::InitDone);
    let aws = Aws::load(from, metrics.clone()).await;
    Arc::new(Context {
        pollers: Pollers::new(aws, clock, Arc::clone(&state), metrics.clone()),
        events: EventPublisher::new(client.clone(), "test"),
        slots: ReconcileSlots::new(1),
        sending: tokio::sync::Semaphore::new(MAX_SENDING as usize),
        leadership: Leadership::without_lease(clock),
        state,
        claims,
        client,
        metrics,
        clock,
    })
}

/// A resource that wants `must_encrypt` at once, and its connection, which is not there yet.
fn insists() -> (Watched, Desired, Connection) {
    let object = json!({
        "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
        "metadata": { "name": "line", "namespace": "namespace", "uid": "line", "generation": 1, "resourceVersion": "1" },
        "spec": {
            "connectionId": "dxcon-aaaaaaaa", "region": "eu-central-1",
            "encryptionMode": "must_encrypt", "encryptionTransition": "Immediate",
        },
    });
    let object: Watched = serde_json::from_value(object).expect("a resource");
    let desired = object.desired(&DefaultRegion::Unset).expect("a valid spec");
    let word = |word: &str| Some(word.to_owned());
    let shown = Connection {
        connection_state: word("available").map(Into::into),
        encryption_mode: word("should_encrypt").map(Into::into),
        mac_sec_capable: Some(true),
        owner_account: word("111122223333"),
        ..Connection::default()
    };
    (object, desired, shown)
}

#[tokio::test]
async fn a_pass_that_ends_over_its_update_leaves_it_in_doubt_and_before_it_takes_it_back() {
    for is_sent in [true, false] {
        let context = context(&mut Writer::default()).await;
        let (object, desired, shown) = insists();
        context.claims.note(&Watch::Apply(object.clone()), None);
        let (now, circuit) = (context.clock.now(), desired.circuit.clone());
        let read = Observation { began: now, ended: now, source: Source::ById, connection: Some(Arc::new(shown)) };
        let step = || context.state.with_fleet(|fleet| fleet.step(&circuit));
        let pass = context.state.with_fleet(|fleet| {
            fleet.begin_reading(&circuit.region, now);
            fleet.record_read(&circuit, read);
            let mut pass = Pass::begin(fleet, object.id(), object.uid(), desired, None, now);
            let mut next = |event| pass.next(event, fleet, None, now);
            assert_eq!(next(Event::Decide), Action::AwaitPace);
            let time = "2026-03-02T09:00:00Z".to_owned();
            assert!(matches!(next(Event::PaceGranted { time }), Action::WriteIntention(..)));
            if is_sent {
                assert!(matches!(next(Event::IntentionWritten { version: 2 }), Action::Send(_)));
            }
            pass
        });
        assert_eq!(step(), Some(EncryptionMode::MustEncrypt));
        drop(Running { context: &context, pass, is_sent });
        assert_eq!(step().is_some(), is_sent);
        let fault = context.state.with_fleet(|fleet| {
            let history = &fleet.circuit(&circuit).expect("it is known").history;
            history.update_failure().map(|failure| failure.fault.effect)
        });
        assert_eq!(fault, is_sent.then_some(Effect::Unknown));
    }
}
