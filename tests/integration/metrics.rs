//! Prometheus metrics.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";
const OF_A_RESOURCE: [&str; 6] = ["ready", "link_up", "encrypted", "must_encrypt", "drifted", "paused"];

fn series(world: &World, gauge: &str) -> String {
    let namespace = &world.namespace;
    format!("directconnect_connection_{gauge}{{namespace=\"{namespace}\",name=\"line\",connection_id=\"{ID}\"}}")
}

#[tokio::test]
async fn every_promised_metric_is_there() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    world.polls(1).await;
    let text = world.http_get("/metrics").await.body;
    let promised = [
        "directconnect_operator_reconcile_total{outcome=",
        "directconnect_operator_reconcile_duration_seconds_bucket{le=",
        "directconnect_operator_aws_requests_total{operation=\"DescribeConnections\",region=\"eu-central-1\",outcome=\"Ok\"} ",
        "directconnect_operator_aws_requests_total{operation=\"UpdateConnection\",region=\"eu-central-1\",outcome=\"Ok\"} 1",
        "directconnect_operator_aws_request_duration_seconds_count{operation=\"UpdateConnection\"} 1",
        "directconnect_operator_status_writes_total ",
        "directconnect_operator_passes_timed_out_total 0",
        "directconnect_operator_observation_age_seconds{account=\"123456789012\",region=\"eu-central-1\"} ",
        "directconnect_operator_leader 1",
        "directconnect_operator_watch_interrupted_seconds 0.0",
        "directconnect_operator_build_info{version=",
    ];
    for start in promised.into_iter().map(str::to_owned).chain(OF_A_RESOURCE.map(|gauge| series(&world, gauge))) {
        assert!(text.lines().any(|line| line.starts_with(&start)), "{start} is not in:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "it is OpenMetrics");
    let described = |line: &&str| line.starts_with("# HELP ");
    assert_eq!(text.lines().filter(described).count(), text.lines().filter(|line| line.starts_with("# TYPE ")).count());
}

#[tokio::test]
async fn gauges_follow_the_resource_and_go_with_it() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line").with_key("aa"));
    world.apply(connection("line").id(ID).name("line").mode("must_encrypt")).await;
    let until = async |expected: Option<[bool; 6]>| {
        let expected = expected.map_or([None; 6], |each| each.map(|truth| Some(f64::from(u8::from(truth)))));
        wait::until(wait::SOON, format!("{expected:?} of {OF_A_RESOURCE:?}"), async || {
            let mut found = Vec::new();
            for gauge in OF_A_RESOURCE {
                found.push(world.operator().metric(&series(&world, gauge)).await);
            }
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    };
    until(Some([true, true, true, true, false, false])).await;
    world.annotate("line", "paused", Some("true")).await;
    until(Some([true, true, true, true, false, true])).await;
    world.aws.edit(REGION, ID, |line| {
        line.connection_state = Some("down".to_owned());
        line.connection_name = Some("theirs".to_owned());
        line.encryption_mode = Some("should_encrypt".to_owned());
    });
    until(Some([false, false, false, false, true, true])).await;
    world.delete("line").await;
    until(None).await;
    let text = world.http_get("/metrics").await.body;
    assert!(!text.contains(ID), "nothing of it is left:\n{text}");
}

/// A running pass ends after its resource was deleted.
#[tokio::test]
async fn no_gauge_outlives_a_resource_that_is_deleted_under_a_pass() {
    let world = World::builder().flag("--encryption-soak", "60s").flag("--poll-interval", "1s").build().await;
    world.aws.add(REGION, Connection::new(ID, "line").with_key("aa"));
    world.aws.add(REGION, Connection::new("dxcon-bbbbbbbb", "line"));
    world.apply(connection("other").id("dxcon-bbbbbbbb")).await;
    world.apply(connection("line").id(ID).mode("must_encrypt")).await;
    world.condition("line", "Reconciling", "True", "WaitingForEncryptionUp").await;
    let slow = direct_connect_simulator::FaultKind::Latency { millis: 700 };
    world.aws.inject(direct_connect_simulator::Fault::new(slow).on("DescribeConnections").for_connection(ID));
    wait::until(wait::SOON, "a read by id under way", async || {
        let reads = |call: &direct_connect_simulator::Call| call.parameter("connectionId") == Some(ID);
        world.aws.calls().iter().any(|call| reads(call) && call.finished.is_none())
    })
    .await;
    world.delete("line").await;
    world.gone("line").await;
    // The read ends, and with it the pass.
    world.polls(4).await;
    let text = world.http_get("/metrics").await.body;
    let left: Vec<&str> = text.lines().filter(|line| line.contains(ID)).collect();
    assert!(left.is_empty(), "{left:#?}");
}

/// A finalizer of others can keep a deleted resource for ever, and nobody looks at it meanwhile.
#[tokio::test]
async fn a_deleted_resource_that_a_finalizer_keeps_has_no_gauges() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    let finalizers = |held: &[&str]| serde_json::json!({ "metadata": { "finalizers": held } });
    world.patch("line", finalizers(&["example.com/theirs"])).await;
    let link_up = series(&world, "link_up");
    wait::until(wait::SOON, "its gauges", async || world.operator().metric(&link_up).await == Some(1.0)).await;
    world.delete("line").await;
    wait::until(wait::SOON, "its gauges to be gone", async || {
        let text = world.http_get("/metrics").await.body;
        if text.contains(ID) { Err(text) } else { Ok(()) }
    })
    .await;
    world.polls(3).await;
    world.annotate("line", "paused", Some("true")).await;
    world.polls(3).await;
    let text = world.http_get("/metrics").await.body;
    assert!(!text.contains(ID), "nothing brings them back:\n{text}");
    world.patch("line", finalizers(&[])).await;
    world.gone("line").await;
}

#[tokio::test]
async fn what_fails_is_counted_by_its_reason() {
    let world = World::new().await;
    let fault = direct_connect_simulator::FaultKind::AccessDenied;
    world.aws.inject(direct_connect_simulator::Fault::new(fault));
    world.apply(connection("line").id(ID)).await;
    world.condition("line", "Stalled", "True", "AccessDenied").await;
    let series = "directconnect_operator_aws_requests_total{operation=\"DescribeConnections\",region=\"eu-central-1\",outcome=\"AccessDenied\"}";
    assert!(world.operator().metric(series).await.is_some_and(|count| count >= 1.0));
    let calls = world.aws.calls().len();
    assert!(calls < 100, "{calls}");
}
