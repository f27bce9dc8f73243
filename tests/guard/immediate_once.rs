//! `Immediate` sends `must_encrypt` once while it is wanted without a break. An update that was not sent does not
//! count.

use crate::log::{A, sent, updates};
use crate::pair::{insists, wants_must};
use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::json;
use test_support::{Passing, REGION, Resource, Trouble, World, wait};

fn must() -> serde_json::Value {
    json!({ "encryptionMode": "must_encrypt" })
}

/// AWS had `must_encrypt` while the new name was held back by a pause. AWS lowers the mode with the last key.
#[tokio::test]
async fn a_pause_that_ends_does_not_put_back_what_aws_took_back_meanwhile() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old").with_key("01").with_mode("must_encrypt"));
    world.apply(insists("line", A).name("new").annotation("paused", "true")).await;
    let line = world.condition("line", "Ready", "False", "Paused").await;
    assert_eq!(line.status("encryptionMode"), "must_encrypt");
    world.aws.disassociate_key(REGION, A, "01");
    let lowered =
        |line: &Resource| line.status("encryptionMode") == "should_encrypt" && line.status("macSecKeys").is_null();
    world.until("line", "lowered by AWS", lowered).await;
    world.annotate("line", "paused", None).await;
    world.until("line", "renamed", |line| line.status("connectionName") == "new").await;
    world.polls(5).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }]));
    assert_eq!(world.aws.connection(REGION, A).expect("it is there").state(), "available", "AWS kept the line up");
}

/// The same with a restart in between, so only status can know it.
#[tokio::test]
async fn a_restart_does_not_put_back_what_aws_took_back_during_a_pause() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(A, "old").with_key("01").with_mode("must_encrypt"));
    world.apply(insists("line", A).name("new").annotation("paused", "true")).await;
    world.condition("line", "Ready", "False", "Paused").await;
    world.stop_operator();
    world.aws.disassociate_key(REGION, A, "01");
    let lowered = || world.aws.connection(REGION, A).is_some_and(|line| line.mode() == "should_encrypt");
    wait::until(wait::SOON, "AWS to lower the mode", async || lowered()).await;
    world.annotate("line", "paused", None).await;
    world.start_operator();
    world.until("line", "renamed", |line| line.status("connectionName") == "new").await;
    world.polls(5).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }]));
}

/// The name is in dispute, so the generation is never matched. Then its owner follows the message and unsets the name.
#[tokio::test]
async fn unsetting_a_disputed_name_does_not_send_must_encrypt_once_more() {
    let world = World::builder().flag("--settle-window", "0s").build().await;
    world.aws.add(REGION, Connection::new(A, "old").in_state("down"));
    world.apply(insists("line", A).name("new")).await;
    for times in 1..=3 {
        wait::until(wait::SOON, "a rename", async || updates(&world, A).len() == times).await;
        world.until("line", "renamed", |line| line.status("connectionName") == "new").await;
        world.aws.edit(REGION, A, |line| line.connection_name = Some("old".to_owned()));
        let put_back = |line: &Resource| line.status("connectionName") == "old" || updates(&world, A).len() > times;
        world.until("line", "put back", put_back).await;
    }
    world.condition("line", "Stalled", "True", "Contended").await;
    // The fibre is repaired, so the mode may be sent.
    world.aws.edit(REGION, A, |line| line.connection_state = Some("available".to_owned()));
    let is_must = || updates(&world, A).last().is_some_and(|call| call.parameter("encryptionMode").is_some());
    wait::until(wait::SOON, "must_encrypt", async || is_must()).await;
    world.until("line", "at must_encrypt", |line| line.status("encryptionMode") == "must_encrypt").await;
    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".to_owned()));
    world.until("line", "lowered by hand", |line| line.status("encryptionMode") == "should_encrypt").await;
    let before = updates(&world, A).len();
    world.apply(insists("line", A)).await;
    world.until("line", "observed", Resource::is_observed).await;
    world.polls(5).await;
    assert_eq!(updates(&world, A).len(), before, "sent once more: {:#?}", updates(&world, A));
}

/// Only wanting another mode, and nothing else, makes Immediate available again.
#[tokio::test]
async fn immediate_sends_again_only_after_the_spec_wanted_another_mode() {
    let world = World::builder().flag("--settle-window", "0s").build().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(insists("line", A)).await;
    world.ready("line").await;
    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".to_owned()));
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    for again in
        [insists("line", A).name("old"), wants_must("line", A), insists("line", A), insists("line", A).name("x")]
    {
        world.apply(again).await;
        world.until("line", "observed", Resource::is_observed).await;
        world.polls(2).await;
    }
    assert_eq!(sent(&world, A), json!([must(), { "connectionName": "x" }]));
    world.apply(wants_must("line", A).mode("should_encrypt")).await;
    world.ready("line").await;
    world.apply(insists("line", A)).await;
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([must(), { "connectionName": "x" }, must()]));
}

/// AWS throttled the update, so it had no effect, and the status write of this outcome was refused.
async fn what_was_throttled_is_still_to_be_sent(refusal: (u16, &'static str)) {
    let mut world = World::builder().flag("--leader-elect", "false").without_operator().build().await;
    let front = world.front_of_api_server().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.aws.inject(Fault::new(FaultKind::Throttling).on("UpdateConnection").times(1));
    let (code, reason) = refusal;
    front.trouble_from(1, 1, Trouble::status(code, reason, "not now"), Passing::writes_status);
    world.apply(insists("line", A)).await;
    world.start_operator();
    wait::until(wait::SOON, "the update that is throttled", async || updates(&world, A).len() == 1).await;
    let at_must = |line: &Resource| line.status("encryptionMode") == "must_encrypt";
    world.until("line", "at must_encrypt", at_must).await;
    assert_eq!(sent(&world, A), json!([must(), must()]), "{refusal:?}");
}

#[tokio::test]
async fn an_immediate_that_was_throttled_is_not_taken_for_sent_when_its_status_is_refused() {
    let refusals = [(409, "Conflict"), (500, "InternalError"), (429, "TooManyRequests")];
    futures::future::join_all(refusals.map(what_was_throttled_is_still_to_be_sent)).await;
}

/// A refusal is certain: the facts from before are kept, and the intention is removed.
#[tokio::test]
async fn a_refused_rename_forgets_no_must_encrypt_of_before() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.apply(insists("line", A)).await;
    let before = world.ready("line").await;
    let refused = FaultKind::ClientException { message: "No.".to_owned() };
    world.aws.inject(Fault::new(refused).on("UpdateConnection").for_name("bad"));
    world.apply(insists("line", A).name("bad")).await;
    let after = world.condition("line", "Stalled", "True", "RequestRejected").await;
    for field in ["lastUpdate", "unprovenStep", "circuit"] {
        assert_eq!(after.status(field), before.status(field), "{field}: {after}");
    }
    assert!(after.status("mustEncryptGeneration").is_i64(), "{after}");
    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".to_owned()));
    world.start_operator();
    world.until("line", "lowered by hand", |line| line.status("encryptionMode") == "should_encrypt").await;
    // The refused name is tried again much later, the mode never.
    let began = updates(&world, A).len();
    world.polls(10).await;
    let modes = updates(&world, A).into_iter().skip(began).filter(|call| call.parameter("encryptionMode").is_some());
    assert_eq!(modes.count(), 0);
}
