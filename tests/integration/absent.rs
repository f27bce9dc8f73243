//! Fields that AWS leaves out.

use direct_connect_simulator::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use test_support::{REGION, Resource, World, connection};

const ID: &str = "dxcon-aaaaaaaa";

fn fields(resource: &Resource) -> BTreeSet<&str> {
    resource.0["status"].as_object().into_iter().flatten().map(|(field, _)| field.as_str()).collect()
}

#[tokio::test]
async fn what_aws_leaves_out_is_not_in_status() {
    let world = World::new().await;
    let bare = Connection {
        connection_id: ID.to_owned(),
        // Means no VLAN, since the SDK also reads an absent VLAN as 0.
        vlan: Some(0),
        ..Connection::default()
    };
    world.aws.add(REGION, bare);
    world.apply(connection("line").id(ID)).await;
    let line = world.ready("line").await;
    let expected = ["conditions", "connectionId", "metGeneration", "observedGeneration", "region"];
    assert_eq!(fields(&line), BTreeSet::from(expected), "{line}");
    assert!(line.is("LinkUp", "False", "NotAvailable"), "{line}");
    assert!(line.is("Encrypted", "Unknown", "NotReported"), "{line}");
}

#[tokio::test]
async fn what_aws_no_longer_says_goes_from_status() {
    let world = World::new().await;
    let rich = Connection::new(ID, "line").with_tag("team", "net").with_key("aa");
    world.aws.add(REGION, Connection { lag_id: Some("dxlag-ffffffff".to_owned()), vlan: Some(7), ..rich });
    world.apply(connection("line").id(ID)).await;
    let line = world.ready("line").await;
    let going = ["connectionName", "lagId", "macSecKeys", "tags", "vlan"];
    assert!(going.iter().all(|field| fields(&line).contains(field)), "{line}");
    world.aws.edit(REGION, ID, |connection| {
        connection.connection_name = None;
        connection.lag_id = None;
        connection.mac_sec_keys = None;
        connection.tags = None;
        connection.vlan = None;
    });
    world.until("line", "without them", |line| going.iter().all(|field| line.status(field) == &Value::Null)).await;
    let line = world.get("line").await;
    assert!(going.iter().all(|field| !fields(&line).contains(field)), "{line}");
}
