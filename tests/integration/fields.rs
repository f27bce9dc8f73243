//! Every field of AWS's answers. The test compares SDK, simulator and status, so it fails if a new SDK adds a field.

use aws_sdk_directconnect::types;
use direct_connect_simulator::{Connection, RateLimiterStatus, Tag};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Debug;
use test_support::{REGION, World, connection, repository};

/// The names of a struct's fields, from its `Debug` output, normalized by [`spelling`].
fn fields(of: &impl Debug) -> BTreeSet<String> {
    let shown = format!("{of:#?}");
    let own =
        shown.lines().filter_map(|line| line.strip_prefix("    ").filter(|rest| !rest.starts_with([' ', '}', ']'])));
    own.filter_map(|line| line.split_once(':')).map(|(name, _)| spelling(name)).collect()
}

/// Rust writes `secret_arn`, and AWS writes `secretARN`.
fn spelling(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

fn keys(of: &Value) -> BTreeSet<String> {
    of.as_object().into_iter().flatten().map(|(key, _)| spelling(key)).collect()
}

/// A connection with every field set.
fn everything() -> Connection {
    let ordinary = Connection::new("dxcon-aaaaaaaa", "line").with_key("bb").with_key("aa");
    Connection {
        vlan: Some(101),
        partner_name: Some("A partner".to_owned()),
        provider_name: Some("A provider".to_owned()),
        loa_issue_time: Some(1_700_000_000.0),
        lag_id: Some("dxlag-ffffffff".to_owned()),
        tags: Some(vec![
            Tag { key: "b".to_owned(), value: Some("2".to_owned()) },
            Tag { key: "a".to_owned(), value: None },
        ]),
        rate_limiter_status: Some(RateLimiterStatus {
            max_allowed: Some(4),
            in_use: Some(3),
            remaining: Some(1),
            total_bandwidth: Some("30Gbps".to_owned()),
        }),
        partner_interconnect_mac_sec_capable: Some(true),
        prefix_pool_size_ipv4: Some(100),
        prefix_pool_size_ipv6: Some(101),
        prefix_pool_unallocated_count_ipv4: Some(102),
        prefix_pool_unallocated_count_ipv6: Some(103),
        billing_mode: Some("standard".to_owned()),
        ..ordinary
    }
}

#[test]
fn the_simulator_can_say_everything_that_the_sdk_understands() {
    let shown = serde_json::to_value(everything()).expect("it is plain data");
    assert_eq!(keys(&shown), fields(&types::Connection::builder().build()));
    assert_eq!(keys(&shown["macSecKeys"][0]), fields(&types::MacSecKey::builder().build()));
    assert_eq!(keys(&shown["rateLimiterStatus"]), fields(&types::RateLimiterStatus::builder().build()));
    assert_eq!(
        keys(&shown["tags"][0]),
        fields(&types::Tag::builder().key("key").value("value").build().expect("whole"))
    );
}

#[test]
fn the_definition_has_a_place_for_everything_that_the_sdk_understands() {
    let path = repository("crds/directconnectconnections.directconnect-operator.dev.yaml");
    let crd = std::fs::read_to_string(path).expect("crds/ holds the definition");
    let crd: Value = serde_saphyr::from_str(&crd).expect("it is YAML");
    let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    let tag = types::Tag::builder().key("key").build().expect("whole");
    let pairs = [
        (status, fields(&types::Connection::builder().build())),
        (&status["macSecKeys"]["items"]["properties"], fields(&types::MacSecKey::builder().build())),
        (&status["rateLimiterStatus"]["properties"], fields(&types::RateLimiterStatus::builder().build())),
        (&status["tags"]["items"]["properties"], fields(&tag)),
    ];
    for (schema, sdk) in pairs {
        let has = keys(schema);
        let missing: Vec<&String> = sdk.difference(&has).collect();
        assert!(missing.is_empty(), "status lacks {missing:?}");
    }
}

#[tokio::test]
async fn everything_that_aws_says_is_in_status_with_lists_in_order() {
    let everything = everything();
    let world = World::new().await;
    world.aws.add(REGION, everything.clone());
    world.apply(connection("line").id(&everything.connection_id)).await;
    let line = world.ready("line").await;

    let mut expected = serde_json::to_value(&everything).expect("it is plain data");
    expected["loaIssueTime"] = json!("2023-11-14T22:13:20Z");
    for list in ["macSecKeys", "tags"] {
        expected[list].as_array_mut().expect("a list").reverse();
    }
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(line.status(field), value, "{field}");
    }
    assert_eq!(line.status("arn"), "arn:aws:directconnect:eu-central-1:123456789012:dxcon/dxcon-aaaaaaaa");
    assert_eq!(line.status("tags")[0]["key"], "a");
    assert_eq!(line.status("macSecKeys")[0]["ckn"], "aa");
    assert_eq!(everything.keys().len(), 2, "lists of one have no order");
}

#[tokio::test]
async fn status_is_written_in_the_name_of_the_operator_and_nothing_else_is() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    world.apply(connection("line").id("dxcon-aaaaaaaa")).await;
    let line = world.ready("line").await;

    let managers = line.0["metadata"]["managedFields"].as_array().into_iter().flatten();
    let of_operator: Vec<_> = managers.filter(|it| it["manager"] == "directconnect-operator").collect();
    assert_eq!(of_operator.len(), 1, "{:#}", line.0["metadata"]["managedFields"]);
    assert_eq!(of_operator[0]["subresource"], "status");
    let fields = of_operator[0]["fieldsV1"].as_object().expect("fields");
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["f:status"]);
}
