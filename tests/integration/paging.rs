//! More connections than fit on a page.

use direct_connect_simulator::{Call, Connection};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::collections::BTreeMap;
use test_support::{REGION, Resource, World, connection, wait};

const COUNT: usize = 250;
const PAGES: usize = 3;
const ROUNDS: usize = 5;

/// All resources of the namespace.
async fn all(world: &World) -> Vec<Resource> {
    let get = ["get", "dxcon", "--namespace", &world.namespace, "--output", "json"];
    let listed = world.control_plane.kubectl(&get, "").await.text();
    let listed: Value = serde_json::from_str(&listed).expect("kubectl prints JSON");
    listed["items"].as_array().expect("a list").iter().cloned().map(Resource).collect()
}

/// The resource versions of all resources of the namespace, by name.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let name = |resource: &Resource| resource.0["metadata"]["name"].to_string();
    all(world).await.iter().map(|resource| (name(resource), resource.version().to_owned())).collect()
}

#[tokio::test]
async fn a_round_is_as_many_reads_as_there_are_pages_and_a_steady_one_writes_nothing() {
    let world = World::builder().flag("--poll-interval", "500ms").build().await;
    for number in 0..COUNT {
        world.aws.add(REGION, Connection::new(&id(number), "line"));
    }
    let apply = |number| world.apply(connection(&id(number)).id(&id(number)).name("line").mode("should_encrypt"));
    stream::iter(0..COUNT).map(apply).buffer_unordered(16).for_each(async |_| ()).await;
    wait::until(wait::SOON, "all to be ready", async || {
        let ready = all(&world).await.iter().filter(|resource| resource.is("Ready", "True", "InSync")).count();
        if ready == COUNT { Ok(()) } else { Err(ready) }
    })
    .await;
    let before = versions(&world).await;
    assert_eq!(before.len(), COUNT);
    assert_eq!(world.operator().metric("directconnect_operator_status_writes_total").await, Some(250.0), "one each");

    world.polls(1).await;
    world.aws.clear_calls();
    world.polls(ROUNDS + 2).await;
    let calls = world.aws.calls();
    let is_first = |call: &Call| call.parameter("nextToken").is_none();
    let begun = calls.iter().position(is_first).expect("a round begins");
    for round in calls[begun..].chunks_exact(PAGES).take(ROUNDS) {
        for (page, call) in round.iter().enumerate() {
            assert_eq!(call.operation, "DescribeConnections", "{call}");
            assert_eq!(is_first(call), page == 0, "{call}");
            assert_eq!(call.parameters["maxResults"], 100, "{call}");
            let parameters = call.parameters.as_object().expect("an object").len();
            assert_eq!(parameters, if page == 0 { 1 } else { 2 }, "no filter: {call}");
            assert!(call.is_ok(), "{call}");
        }
        assert!(round.windows(2).all(|pair| !pair[0].overlaps(&pair[1])), "one after another");
    }
    assert_eq!(versions(&world).await, before);
    assert_eq!(world.operator().metric("directconnect_operator_status_writes_total").await, Some(250.0));
}

fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

#[tokio::test]
async fn an_empty_account_costs_one_read_a_round() {
    let world = World::new().await;
    world.apply(connection("line").id("dxcon-aaaaaaaa")).await;
    world.condition("line", "Stalled", "True", "NotFound").await;
    world.polls(1).await;
    world.aws.clear_calls();
    world.polls(3).await;
    for call in world.aws.calls() {
        assert_eq!(call.parameters, serde_json::json!({ "maxResults": 100 }), "{call}");
    }
}
