//! The calls of a start when all resources are in sync.

use direct_connect_simulator::Connection;
use futures::{StreamExt, stream};
use serde_json::json;
use test_support::{REGION, World, connection};

const CONNECTIONS: usize = 60;

fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

async fn for_each_line(work: impl AsyncFn(usize)) {
    stream::iter(0..CONNECTIONS).for_each_concurrent(8, |number| work(number)).await;
}

/// All are at `must_encrypt` because of this operator's own updates, and are proven.
#[tokio::test]
async fn a_start_with_many_proven_connections_reads_listings_and_not_each_connection() {
    // Longer than the 15 s after which a soaking connection is read by id.
    let world = World::builder().flag("--encryption-soak", "1m").flag("--poll-interval", "20s");
    let mut world = world.flag("--leader-elect", "false").without_operator().build().await;
    for_each_line(async |number| {
        let line = Connection::new(&id(number), "line").with_key("01").with_mode("must_encrypt");
        world.aws.add(REGION, line);
        world.apply(connection(&format!("line-{number}")).id(&id(number)).mode("must_encrypt")).await;
    })
    .await;
    world.start_operator();
    for_each_line(async |number| {
        world.ready(&format!("line-{number}")).await;
    })
    .await;
    world.stop_operator();
    for_each_line(async |number| {
        // As if it was sent and proven in January.
        let circuit = json!({ "region": REGION, "connectionId": id(number) });
        let last = json!({ "time": "2026-01-01T00:00:00Z", "generation": 1, "encryptionMode": "must_encrypt" });
        let ledger = json!({ "lastUpdate": last, "mustEncryptGeneration": 1, "circuit": circuit, "proven": true });
        world.patch_status(&format!("line-{number}"), ledger).await;
    })
    .await;
    world.aws.clear_calls();
    world.start_operator();
    world.polls(2).await;
    let by_id = world.aws.calls().iter().filter(|call| call.parameter("connectionId").is_some()).count();
    assert!(by_id < 10, "{by_id} reads by id, with nothing to do");
    assert_eq!(world.updates(), []);
}
