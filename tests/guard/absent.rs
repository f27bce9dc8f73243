//! A connection that one answer does not contain, or shows without its mode, is not gone, and its turn is not free.

use crate::log::{A, B, is_by_id, sent};
use crate::pair::{
    MANY, alone, assert_the_second_goes, assert_the_second_stays, cut_the_first, held_by_the_first,
    let_the_second_wait, ready_connection, wants_must,
};
use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{Front, Passing, REGION, Resource, Trouble, World};

/// An answer of AWS with these connections only.
fn page(connections: &[Connection]) -> Trouble {
    let body = json!({ "connections": connections }).to_string();
    let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned())];
    Trouble::Answer { status: 200, headers, body }
}

fn is_listing(request: &Passing) -> bool {
    request.calls("DescribeConnections") && !request.body.contains("connectionId")
}

/// `first` is down and not proven, and `second` waits. The operator reads AWS through a front.
async fn behind_a_front() -> (World, Front) {
    let mut world = alone().without_operator().build().await;
    let front = world.front_of_aws().await;
    world.start_operator();
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    (world, front)
}

fn shown(world: &World, id: &str) -> Connection {
    world.aws.connection(REGION, id).expect("it is there")
}

#[tokio::test]
async fn a_listing_without_the_first_connection_frees_no_turn() {
    for listings in [1, 2, 5] {
        let (world, front) = behind_a_front().await;
        front.trouble_from(0, listings, page(&[shown(&world, B)]), is_listing);
        for _ in 0..listings {
            front.strikes().await;
        }
        assert_the_second_stays(&world, &format!("{listings} listings did not show the first")).await;
        let told = world.events("first").await;
        let told: Vec<_> = told.iter().filter(|event| event.reason.as_deref() == Some("NotFound")).collect();
        assert!(told.is_empty(), "a read by id finds it: {told:#?}");
        assert!(world.get("first").await.is("Ready", "True", "InSync"), "{}", world.get("first").await);
    }
}

/// As with the credentials of another account, or where somebody deleted the line.
#[tokio::test]
async fn a_connection_that_no_read_finds_frees_no_turn_until_nobody_wants_the_step_any_more() {
    let mut world = alone().flag("--settle-window", "0s").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.start_operator();
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    front.trouble(page(&[shown(&world, B)]), is_listing);
    front.trouble(page(&[]), |request| request.calls("DescribeConnections") && request.body.contains(A));
    let lost = world.condition("first", "Stalled", "True", "NotFound").await;
    let message = lost.condition("Ready").expect("it is there").message;
    assert!(message.contains("other connections of the AWS account wait for it"), "{message}");
    for after in ["", ", after a restart"] {
        for _ in 0..MANY {
            front.strikes().await;
        }
        assert_eq!(sent(&world, B), json!([]), "no read finds the first{after}");
        world.stop_operator();
        world.start_operator();
    }
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    world.patch("first", json!({ "spec": { "encryptionMode": "should_encrypt" } })).await;
    assert_the_second_goes(&world).await;
}

/// One read of each kind: without the field, with the undocumented `unknown`, and with an unknown value.
#[tokio::test]
async fn a_read_that_shows_no_known_mode_frees_no_turn() {
    for mode in [None, Some("unknown"), Some("may_encrypt")] {
        let world = held_by_the_first(alone()).await;
        world.aws.edit(REGION, A, |line| line.encryption_mode = mode.map(str::to_owned));
        let seen = |line: &Resource| line.status("encryptionMode").as_str() == mode;
        world.until("first", "seen without a mode", seen).await;
        assert_the_second_stays(&world, &format!("{mode:?}")).await;
        world.aws.edit(REGION, A, |line| line.encryption_mode = Some("must_encrypt".to_owned()));
        world.condition("first", "Ready", "True", "InSync").await;
        assert_the_second_stays(&world, &format!("{mode:?}, and must_encrypt again")).await;
        world.aws.associate_key(REGION, A, "01");
        assert_the_second_goes(&world).await;
        assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
    }
}

/// A connection that is missing from a listing does not count as gone: status does not say so, and nothing is sent.
#[tokio::test]
async fn a_connection_missing_from_a_listing_is_read_by_id_before_it_is_reported_gone() {
    let mut world = World::builder().without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.aws.add(REGION, Connection::new(B, "line"));
    world.start_operator();
    world.apply(wants_must("first", A).mode("should_encrypt")).await;
    world.ready("first").await;
    let mut versions = Vec::new();
    front.trouble_from(0, 3, page(&[shown(&world, B)]), is_listing);
    for _ in 0..3 {
        front.strikes().await;
        versions.push(world.get("first").await);
    }
    world.polls(3).await;
    assert!(world.aws.calls().iter().any(|call| is_by_id(call) && call.is_ok()), "it was read by its id");
    versions.push(world.get("first").await);
    for version in &versions {
        assert!(version.is("Ready", "True", "InSync"), "{version}");
    }
    // A connection that is really gone is reported.
    world.aws.remove(REGION, A);
    world.condition("first", "Stalled", "True", "NotFound").await;
}

/// Before the step, a connection that is missing from a listing gets no update based on earlier reads.
#[tokio::test]
async fn a_soak_is_not_continued_by_answers_without_the_connection() {
    let mut world =
        alone().flag("--encryption-soak", "2s").flag("--poll-interval", "500ms").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, ready_connection(A));
    front.trouble(page(&[]), is_listing);
    front.trouble(page(&[]), |request| request.calls("DescribeConnections"));
    world.start_operator();
    world.apply(wants_must("first", A)).await;
    world.condition("first", "Stalled", "True", "NotFound").await;
    front.clear();
    world.ready("first").await;
    let calls = world.aws.calls();
    let first_look = calls.iter().find(|call| call.operation == "DescribeConnections").expect("it was read");
    let must = world.updates()[0].time.millis - first_look.time.millis;
    assert!(must >= 2000.0, "{must:.0} ms of reads that showed it, and the soak is 2 s");
}
