//! Events while something fails: what happened is told, once.

use direct_connect_simulator::{Connection, ENCRYPTION_UP};
use test_support::{Front, Passing, REGION, Trouble, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";

/// A world whose operator reaches the API server through a front. It is not started yet.
async fn behind_front() -> (World, Front) {
    let mut world = World::builder().without_operator().flag("--leader-elect", "false").build().await;
    let front = world.front_of_api_server().await;
    world.aws.add(REGION, Connection::new(ID, "ours"));
    (world, front)
}

/// Waits until there is an event of this reason about the resource whose note contains these words.
#[track_caller]
fn told(world: &World, reason: &str, words: &str) -> impl Future<Output = ()> {
    wait::until(wait::SOON, format!("an event {reason} that says {words:?}"), async move || {
        let events = world.events("line").await;
        let about = |event: &&k8s_openapi::api::events::v1::Event| {
            event.reason.as_deref() == Some(reason) && event.note.as_deref().is_some_and(|note| note.contains(words))
        };
        let found = events.iter().any(|event| about(&event));
        let all: Vec<_> = events.iter().map(|event| (event.reason.clone(), event.note.clone())).collect();
        if found { Ok(()) } else { Err(format!("{all:?}")) }
    })
}

#[tokio::test]
async fn what_an_intention_shows_of_a_line_is_told_although_the_pass_then_fails() {
    // The writes that follow it are refused, or stored without an answer.
    for trouble in [Trouble::status(500, "InternalError", "no"), Trouble::CutAfter] {
        let (mut world, front) = behind_front().await;
        world.apply(connection("line").id(ID).name("ours")).await;
        world.start_operator();
        world.ready("line").await;
        front.trouble_from(1, 2, trouble, Passing::writes_status);
        world.aws.edit(REGION, ID, |line| {
            line.connection_name = Some("theirs".to_owned());
            line.connection_state = Some("down".to_owned());
            line.port_encryption_status = Some(ENCRYPTION_UP.to_owned());
        });
        front.strikes().await;
        told(&world, "DriftDetected", "theirs").await;
        told(&world, "LinkDown", "down").await;
        told(&world, "EncryptionUp", "Encryption Up").await;
        told(&world, "Renamed", "ours").await;
    }
}

#[tokio::test]
async fn while_the_watch_is_interrupted_each_thing_is_told_by_its_own_event() {
    let (mut world, front) = behind_front().await;
    world.apply(connection("line").id(ID).mode("must_encrypt")).await;
    world.start_operator();
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    // From here on the watch brings nothing, so the object of every pass is the same.
    front.trouble(Trouble::status(503, "ServiceUnavailable", "down"), Passing::reads_resources);
    while !front.strikes().await.is_watch() {}
    world.aws.edit(REGION, ID, |line| line.lag_id = Some("dxlag-12345678".to_owned()));
    told(&world, "Blocked", "dxlag-12345678").await;
    world.aws.edit(REGION, ID, |line| line.connection_state = Some("deleted".to_owned()));
    told(&world, "Blocked", "is deleted").await;
}

#[tokio::test]
async fn an_event_that_cannot_be_written_for_a_while_is_written_once_and_before_the_next() {
    let troubles = [
        Trouble::status(503, "ServiceUnavailable", "down"),
        Trouble::status(429, "TooManyRequests", "busy").header("retry-after", "3600"),
        Trouble::CutBefore,
        Trouble::CutAfter,
    ];
    for trouble in troubles {
        let (mut world, front) = behind_front().await;
        world.apply(connection("line").id(ID)).await;
        world.start_operator();
        world.condition("line", "LinkUp", "True", "Available").await;
        front.trouble_from(0, 3, trouble.clone(), |request| request.path.ends_with("/events"));
        for (state, up) in [("down", "False"), ("available", "True")] {
            world.aws.edit(REGION, ID, |line| line.connection_state = Some(state.to_owned()));
            world.until("line", state, |line| line.condition("LinkUp").is_some_and(|it| it.status == up)).await;
        }
        told(&world, "LinkUp", "available").await;
        let mut events = world.events("line").await;
        events.sort_by_key(|event| event.metadata.resource_version.as_deref().and_then(|it| it.parse::<u64>().ok()));
        let reasons: Vec<_> = events.iter().filter_map(|event| event.reason.as_deref()).collect();
        assert_eq!(reasons, ["LinkDown", "LinkUp"], "{trouble:?}");
        assert!(events[0].event_time < events[1].event_time, "each says when it happened: {events:?}");
    }
}
