//! Several regions, and none.

use direct_connect_simulator::Connection;
use std::collections::BTreeSet;
use test_support::{REGION, World, connection};

use crate::log::assert_updates;

const ELSEWHERE: &str = "us-west-2";

#[tokio::test]
async fn each_region_is_read_and_updated_by_itself() {
    let (here, there) = ("dxcon-here0000", "dxcon-there000");
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(here, "old"));
    world.aws.add(ELSEWHERE, Connection::new(there, "old"));
    world.apply(connection("here").id(here).name("new")).await;
    world.apply(connection("there").id(there).region(ELSEWHERE).name("new")).await;
    for (name, id, region) in [("here", here, REGION), ("there", there, ELSEWHERE)] {
        let line = world.ready(name).await;
        assert_eq!(line.status("region"), region);
        assert_eq!(line.status("arn"), &format!("arn:aws:directconnect:{region}:123456789012:dxcon/{id}"));
        assert_updates(&world, id, &[&[("connectionName", "new")]]);
    }
    for call in world.aws.calls() {
        let expected = match call.parameter("connectionId") {
            Some(id) if id == here => REGION,
            Some(id) if id == there => ELSEWHERE,
            _ => continue,
        };
        assert_eq!(call.region, expected, "{call}");
    }
    let polled: BTreeSet<String> = world.aws.calls().into_iter().map(|call| call.region).collect();
    assert_eq!(polled, BTreeSet::from([REGION.to_owned(), ELSEWHERE.to_owned()]), "and no others");
}

#[tokio::test]
async fn the_same_id_in_two_regions_is_two_connections() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    for (region, name) in [(REGION, "here"), (ELSEWHERE, "there")] {
        world.aws.add(region, Connection::new(id, "old"));
        world.apply(connection(name).id(id).region(region).name(name)).await;
    }
    for (region, name) in [(REGION, "here"), (ELSEWHERE, "there")] {
        world.condition(name, "Ready", "True", "InSync").await;
        assert_eq!(world.aws.connection(region, id).expect("it is there").name(), name);
    }
    assert_eq!(world.updates().len(), 2);
}

#[tokio::test]
async fn an_operator_without_a_region_serves_the_resources_that_name_one_and_says_what_the_others_lack() {
    let id = "dxcon-aaaaaaaa";
    let world = World::builder().operator(|operator| operator.without_env("AWS_REGION")).build().await;
    world.aws.add(ELSEWHERE, Connection::new(id, "old"));
    world.apply(connection("without").id("dxcon-bbbbbbbb").name("new")).await;
    world.apply(connection("with").id(id).region(ELSEWHERE).name("new")).await;
    world.condition("with", "Ready", "True", "InSync").await;
    let without = world.condition("without", "Stalled", "True", "InvalidSpec").await;
    let ready = without.condition("Ready").expect("it is there");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "InvalidSpec"));
    for word in ["spec.region", "AWS_REGION"] {
        assert!(ready.message.contains(word), "{}", ready.message);
    }
    world.polls(3).await;
    assert_eq!(world.get("without").await.version(), without.version(), "said once");
    assert!(world.aws.calls().iter().all(|call| call.region == ELSEWHERE));
    assert_updates(&world, id, &[&[("connectionName", "new")]]);
    let said = world.operator().logs().iter().filter(|line| line.contains("no AWS region of its own")).count();
    assert_eq!(said, 1, "one clear line");
    assert_eq!(world.http_get("/readyz").await.status, 200);
}
