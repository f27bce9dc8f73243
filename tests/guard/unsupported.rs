//! Connections without a mode of their own.

use crate::log::{numbered, sent};
use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{REGION, World, connection};

#[tokio::test]
async fn no_mode_is_sent_to_a_connection_that_takes_none() {
    let plain = |case| Connection::new(&numbered(case), "line");
    let lag = |case| plain(case).in_lag("dxlag-fg1234ab");
    let cases = [
        (lag(0), "must_encrypt", Some(("LagMember", "dxlag-fg1234ab"))),
        (lag(1), "no_encrypt", Some(("LagMember", "dxlag-fg1234ab"))),
        (lag(2), "should_encrypt", None),
        (plain(3).hosted(101), "must_encrypt", Some(("MacSecNotSupported", "vlan 101"))),
        (plain(4).hosted(101), "should_encrypt", Some(("MacSecNotSupported", "vlan 101"))),
        (plain(5).hosted(101), "no_encrypt", None),
        (plain(6).not_capable(), "must_encrypt", Some(("MacSecNotSupported", "not MACsec capable"))),
        (plain(7).not_capable(), "should_encrypt", Some(("MacSecNotSupported", "not MACsec capable"))),
        (plain(8).not_capable(), "no_encrypt", None),
        // The undocumented value of connections without MACsec.
        (plain(9).not_capable().with_mode("unknown"), "no_encrypt", None),
        (plain(10).not_capable().with_mode("unknown"), "should_encrypt", Some(("MacSecNotSupported", "not MACsec"))),
        (plain(11).with_mode("unknown"), "no_encrypt", None),
        (plain(12).with_mode("unknown"), "must_encrypt", Some(("MacSecNotSupported", "no encryptionMode"))),
    ];
    let world = World::new().await;
    for (case, (given, wanted, _)) in cases.iter().enumerate() {
        world.aws.add(REGION, given.clone());
        world.apply(connection(&format!("case-{case}")).id(&given.connection_id).mode(wanted).name("new")).await;
    }
    for (case, (given, wanted, held)) in cases.iter().enumerate() {
        let (name, id) = (format!("case-{case}"), &given.connection_id);
        let line = match held {
            None => world.ready(&name).await,
            Some((reason, words)) => {
                let line = world.condition(&name, "Stalled", "True", reason).await;
                let message = line.condition("Ready").expect("it is there").message;
                assert!(message.contains(words) && message.contains(id), "{name}: {message}");
                line
            }
        };
        if given.encryption_mode.as_deref().is_none_or(|mode| mode == "unknown") {
            assert_eq!(line.status("drift"), &Value::Null, "{name}: what AWS does not tell is no drift");
        }
        // The name can be changed as usual.
        assert_eq!(sent(&world, id), json!([{ "connectionName": "new" }]), "{name}: {wanted}");
    }
    world.polls(3).await;
    assert_eq!(world.updates().len(), cases.len());
}

#[tokio::test]
async fn nothing_is_sent_while_aws_shows_a_mode_that_nobody_knows() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(&numbered(0), "line").with_mode("may_encrypt"));
    world.apply(connection("line").id(&numbered(0)).mode("no_encrypt").name("new")).await;
    let line = world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains("may_encrypt"), "{message}");
    assert_eq!(line.status("encryptionMode"), "may_encrypt");
    assert_eq!(line.status("drift").as_array().map(Vec::len), Some(1), "of the name only: {line}");
    world.polls(3).await;
    assert_eq!(sent(&world, &numbered(0)), json!([]));
    world.aws.edit(REGION, &numbered(0), |line| line.encryption_mode = Some("should_encrypt".into()));
    world.ready("line").await;
    assert_eq!(sent(&world, &numbered(0)), json!([{ "connectionName": "new", "encryptionMode": "no_encrypt" }]));
}
