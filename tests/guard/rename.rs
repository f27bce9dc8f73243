//! A name and a mode that differ at the same time.

use crate::log::{assert_each_update_has_its_read, numbered, sent};
use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{REGION, World, connection};

#[tokio::test]
async fn a_name_goes_with_a_mode_that_may_go_and_alone_when_the_mode_may_not() {
    let line = |case| Connection::new(&numbered(case), "old");
    let (name, both) =
        (json!({ "connectionName": "new" }), |mode| json!({ "connectionName": "new", "encryptionMode": mode }));
    let cases = [
        (line(0), "no_encrypt", "InSync", json!([both("no_encrypt")])),
        (line(1).with_mode("no_encrypt"), "should_encrypt", "InSync", json!([both("should_encrypt")])),
        (line(2).in_state("down"), "no_encrypt", "InSync", json!([both("no_encrypt")])),
        (line(3).with_mode("no_encrypt"), "must_encrypt", "NoMacSecKey", json!([both("should_encrypt")])),
        (line(4), "must_encrypt", "NoMacSecKey", json!([name])),
        (line(5).with_key("01").with_encryption_down(), "must_encrypt", "WaitingForEncryptionUp", json!([name])),
        (line(6).in_lag("dxlag-fg1234ab"), "no_encrypt", "LagMember", json!([name])),
        (line(7).in_state("requested"), "no_encrypt", "WaitingForAvailable", json!([name])),
        (line(8).in_state("pending"), "no_encrypt", "WaitingForAvailable", json!([name])),
        (line(9).in_state("ordering"), "no_encrypt", "WaitingForAvailable", json!([])),
        (line(10).in_state("unknown"), "no_encrypt", "WaitingForAvailable", json!([])),
        (line(11).in_state("hibernating"), "no_encrypt", "WaitingForAvailable", json!([])),
        (line(12).in_state("deleting"), "no_encrypt", "ConnectionGone", json!([])),
        (line(13).in_state("deleted"), "no_encrypt", "ConnectionGone", json!([])),
        (line(14).in_state("rejected"), "no_encrypt", "ConnectionGone", json!([])),
    ];
    let world = World::new().await;
    for (case, (given, mode, ..)) in cases.iter().enumerate() {
        world.aws.add(REGION, given.clone());
        world.apply(connection(&format!("case-{case}")).id(&given.connection_id).name("new").mode(mode)).await;
    }
    for (case, (given, _, reason, calls)) in cases.iter().enumerate() {
        let name = format!("case-{case}");
        let status = if *reason == "InSync" { "True" } else { "False" };
        let line = world.condition(&name, "Ready", status, reason).await;
        if given.state() == "hibernating" {
            let message = line.condition("Ready").expect("it is there").message;
            assert!(message.contains("hibernating"), "an unknown state is quoted: {message}");
        }
        assert_eq!(&sent(&world, &given.connection_id), calls, "{name}: {given:?}");
        assert_each_update_has_its_read(&world, &given.connection_id);
    }
    let updates = world.updates().len();
    world.polls(3).await;
    assert_eq!(world.updates().len(), updates);
}
