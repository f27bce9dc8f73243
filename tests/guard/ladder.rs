//! The ladder from clear text to `must_encrypt`, and down again.

use crate::log::{
    A, assert_apart, assert_each_update_has_its_read, assert_one_event, now, numbered, reads, sent, updates,
};
use crate::witness::Witness;
use direct_connect_simulator::{Connection, ENCRYPTION_DOWN, ENCRYPTION_UP};
use serde_json::json;
use test_support::{REGION, World, connection};

/// The simulator's default time from when a session can come up until it is up, in milliseconds.
const UP_AFTER: f64 = 500.0;

#[tokio::test]
async fn what_keeps_the_link_up_goes_at_once_and_in_one_call() {
    let connection_at = |id: &str, mode: &str| Connection::new(id, "line").with_mode(mode);
    let cases = [
        ("must to should", connection_at(&numbered(0), "must_encrypt").with_key("01"), "should_encrypt"),
        ("must to no", connection_at(&numbered(1), "must_encrypt").with_key("01"), "no_encrypt"),
        ("should to no", connection_at(&numbered(2), "should_encrypt"), "no_encrypt"),
        ("no to should", connection_at(&numbered(3), "no_encrypt"), "should_encrypt"),
        // Without a session, `must_encrypt` takes the link down.
        ("must to should while down", connection_at(&numbered(4), "must_encrypt"), "should_encrypt"),
        ("must to no while down", connection_at(&numbered(5), "must_encrypt"), "no_encrypt"),
        ("should to no while down", connection_at(&numbered(6), "should_encrypt").in_state("down"), "no_encrypt"),
    ];
    let world = World::new().await;
    for (case, (_, given, wanted)) in cases.iter().enumerate() {
        world.aws.add(REGION, given.clone());
        world.apply(connection(&format!("case-{case}")).id(&given.connection_id).mode(wanted)).await;
    }
    for (case, (what, _, wanted)) in cases.iter().enumerate() {
        let line = world.ready(&format!("case-{case}")).await;
        assert_eq!(line.status("lastUpdate")["encryptionMode"], *wanted, "{what}");
    }
    world.polls(3).await;
    for (what, given, wanted) in &cases {
        assert_eq!(sent(&world, &given.connection_id), json!([{ "encryptionMode": wanted }]), "{what}");
        assert_each_update_has_its_read(&world, &given.connection_id);
    }
}

#[tokio::test]
async fn up_the_ladder_waits_for_the_link() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line").with_mode("no_encrypt").in_state("down"));
    world.apply(connection("line").id(A).mode("should_encrypt")).await;
    let line = world.condition("line", "Reconciling", "True", "WaitingForAvailable").await;
    assert!(line.is("LinkUp", "False", "NotAvailable"), "{line}");
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([]), "AWS takes a mode only when available");
    world.aws.edit(REGION, A, |line| line.connection_state = Some("available".into()));
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "should_encrypt" }]));
}

#[tokio::test]
async fn must_encrypt_comes_after_should_encrypt_and_a_whole_soak() {
    let world = World::builder().flag("--encryption-soak", "4s").flag("--poll-interval", "500ms").build().await;
    let witness = Witness::of(&world).await;
    world.aws.add(REGION, Connection::new(A, "line").with_mode("no_encrypt").with_key("01"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    let line = world.ready("line").await;

    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "should_encrypt" }, { "encryptionMode": "must_encrypt" }]));
    assert_each_update_has_its_read(&world, A);
    let updates = updates(&world, A);
    let [should, must] = updates.as_slice() else { unreachable!("counted above") };
    let up = should.time.millis + UP_AFTER;
    let of_soak: Vec<_> = reads(&world, A)
        .into_iter()
        .filter(|read| read.time.millis >= up && read.time.millis <= must.time.millis)
        .collect();
    assert_apart(of_soak[0].time.millis, must.time.millis, 4000.0);
    // Eight reads are due; a busy machine misses some, but never two in a row.
    assert!(of_soak.len() >= 4, "a soak is made of reads: {of_soak:#?}");

    let reasons = witness.reasons(&line).await;
    let waits = reasons.iter().position(|reason| reason == "WaitingForEncryptionUp");
    let done = reasons.iter().position(|reason| reason == "InSync");
    assert!(waits.is_some() && waits < done, "{reasons:?}");
    assert_eq!(world.aws.connection(REGION, A).expect("it is there").state(), "available", "no packet was lost");
}

#[tokio::test]
async fn a_flap_during_the_soak_starts_it_anew() {
    let world = World::builder().flag("--encryption-soak", "3s").flag("--poll-interval", "500ms").build().await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("01"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.condition("line", "Encrypted", "True", "EncryptionUp").await;
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_DOWN.into()));
    world.condition("line", "Encrypted", "False", "EncryptionDown").await;
    assert_eq!(sent(&world, A), json!([]));
    let down = now(&world);
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_UP.into()));
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
    assert_apart(down, updates(&world, A)[0].time.millis, 3000.0);
}

#[tokio::test]
async fn a_rename_during_the_soak_goes_at_once_and_starts_it_anew() {
    let world = World::builder().flag("--encryption-soak", "3s").flag("--poll-interval", "500ms").build().await;
    world.aws.add(REGION, Connection::new(A, "old").with_key("01"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.condition("line", "Reconciling", "True", "WaitingForEncryptionUp").await;
    world.apply(connection("line").id(A).mode("must_encrypt").name("new")).await;
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }, { "encryptionMode": "must_encrypt" }]));
    let updates = updates(&world, A);
    assert_apart(updates[0].time.millis, updates[1].time.millis, 3000.0);
    assert_each_update_has_its_read(&world, A);
}

#[tokio::test]
async fn a_restart_during_the_soak_starts_it_anew() {
    let world = World::builder().flag("--encryption-soak", "3s").flag("--poll-interval", "500ms");
    let mut world = world.flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("01"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.condition("line", "Reconciling", "True", "WaitingForEncryptionUp").await;
    world.stop_operator();
    let killed = now(&world);
    assert_eq!(sent(&world, A), json!([]));
    world.start_operator();
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
    assert_apart(killed, updates(&world, A)[0].time.millis, 3000.0);
}

#[tokio::test]
async fn without_a_key_it_says_what_to_do_and_then_goes_on_by_itself() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line").with_mode("no_encrypt"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    let line = world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains("associate a MACsec key with dxcon-aaaaaaaa, then nothing else is needed"), "{message}");
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "should_encrypt" }]), "should_encrypt stops no packet");
    world.aws.associate_key(REGION, A, "01");
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "should_encrypt" }, { "encryptionMode": "must_encrypt" }]));
    assert_each_update_has_its_read(&world, A);
}

#[tokio::test]
async fn macsec_that_does_not_come_up_is_told_and_goes_on_by_itself_once_it_does() {
    let world = World::builder().flag("--progress-deadline", "2s").build().await;
    let witness = Witness::of(&world).await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("01").with_encryption_down());
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    let line = world.condition("line", "Stalled", "True", "EncryptionNotUp").await;
    assert_eq!(witness.reasons(&line).await, ["WaitingForEncryptionUp", "EncryptionNotUp"]);
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("CKN") && message.contains("by itself"), "it says what to check: {message}");
    assert_eq!(sent(&world, A), json!([]));
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_UP.into()));
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
}

#[tokio::test]
async fn what_aws_lowered_for_want_of_a_key_is_not_raised_before_a_key_works() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("0"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.ready("line").await;
    // However often AWS lowers the mode, this is not contention.
    for round in 1..=3 {
        world.aws.disassociate_key(REGION, A, &(round - 1).to_string());
        let line = world.condition("line", "Stalled", "True", "NoMacSecKey").await;
        assert_eq!(line.status("encryptionMode"), "should_encrypt");
        world.polls(3).await;
        assert_eq!(updates(&world, A).len(), round, "nothing is sent without a key");
        world.aws.associate_key(REGION, A, &round.to_string());
        world.ready("line").await;
    }
    assert_eq!(sent(&world, A), json!(vec![json!({ "encryptionMode": "must_encrypt" }); 4]));
    assert_each_update_has_its_read(&world, A);
}

#[tokio::test]
async fn must_encrypt_that_fails_closed_is_told_and_left_alone() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line").with_mode("must_encrypt").with_key("01"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.ready("line").await;
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_DOWN.into()));
    let line = world.condition("line", "Encrypted", "False", "EncryptionDown").await;
    assert!(line.is("LinkUp", "False", "NotAvailable"), "{line}");
    let ready = line.condition("Ready").expect("it is there");
    assert_eq!(ready.status, "True", "it is what the user asked for: {line}");
    assert!(ready.message.contains("no traffic"), "{}", ready.message);
    world.polls(5).await;
    assert_eq!(sent(&world, A), json!([]));
    for warning in ["EncryptionDown", "LinkDown"] {
        assert_one_event(&world, "line", warning).await;
    }
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_UP.into()));
    world.condition("line", "Encrypted", "True", "EncryptionUp").await;
    assert_eq!(sent(&world, A), json!([]));
}
