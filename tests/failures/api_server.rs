//! An API server that hangs, refuses requests, loses versions, or lacks features.

use crate::replicas::last_words;
use direct_connect_simulator::Connection;
use std::time::Duration;
use test_support::{
    Front, Passing, REGION, Trouble, Weather, Wire, World, api_server, connection, kubeconfig_via, wait,
};

const ID: &str = "dxcon-aaaaaaaa";
/// How long the operator may take to notice a silent API server, with a generous margin for a busy machine.
const AFTER_SILENCE: Duration = Duration::from_secs(90);

/// A world whose operator reaches the API server through a front.
async fn behind_front() -> (World, Front) {
    // Leadership has its own tests. In these, the process must survive everything.
    let mut world = World::builder().without_operator().flag("--leader-elect", "false").build().await;
    let front = world.front_of_api_server().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    (world, front)
}

/// A world whose operator reaches the API server through a wire.
async fn by_wire() -> (World, Wire) {
    let mut world = World::builder().without_operator().build().await;
    let wire = Wire::to(api_server(&world.kubeconfig)).await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &format!("https://{}", wire.address()), "wire");
    world.settings = world.settings.env("KUBECONFIG", kubeconfig.to_string_lossy()).flag("--leader-elect", "false");
    world.aws.add(REGION, Connection::new(ID, "old"));
    (world, wire)
}

async fn reaches(world: &World, name: &str, deadline: Duration) {
    world.apply(connection("line").id(ID).name(name)).await;
    wait::until(deadline, format!("AWS to have the name {name}"), async || {
        let shown = world.aws.connection(REGION, ID).and_then(|line| line.connection_name);
        if shown.as_deref() == Some(name) { Ok(()) } else { Err(format!("{shown:?}")) }
    })
    .await;
    world.ready("line").await;
}

#[tokio::test]
async fn a_list_that_nobody_answers_is_given_up_and_tried_again() {
    let (mut world, front) = behind_front().await;
    // A streamed list ends like a watch. A plain list ends only when nothing has come for too long.
    front.trouble(Trouble::status(422, "Invalid", "no streams"), Passing::is_streaming_list);
    front.trouble_from(0, 1, Trouble::HangBefore, |request| {
        request.lists_resources() && !request.query.contains("limit=1&") && !request.query.ends_with("limit=1")
    });
    world.start_operator();
    wait::until(wait::SOON, "a list that hangs", async || front.strikes().await.lists_resources()).await;
    reaches(&world, "one", AFTER_SILENCE).await;
}

#[tokio::test]
async fn a_watch_that_falls_silent_is_noticed_and_replaced() {
    let (mut world, wire) = by_wire().await;
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    wire.strand();
    reaches(&world, "two", AFTER_SILENCE).await;
    assert_eq!(world.operator().exit(), None);
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on() {
    for weather in [Weather::Reset, Weather::HalfClosed] {
        let (mut world, wire) = by_wire().await;
        world.start_operator();
        reaches(&world, "one", wait::SOON).await;
        wire.weather(weather);
        world.apply(connection("line").id(ID).name("two")).await;
        wire.weather(Weather::Fair);
        reaches(&world, "three", wait::SOON).await;
    }
}

#[tokio::test]
async fn a_slow_api_server_only_slows() {
    let (mut world, wire) = by_wire().await;
    wire.weather(Weather::Slow(Duration::from_millis(100)));
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    assert_eq!(world.updates().len(), 1);
}

#[tokio::test]
async fn a_status_write_that_nobody_answers_is_given_up_and_nothing_is_sent_without_it() {
    let (mut world, front) = behind_front().await;
    front.trouble_from(0, 1, Trouble::HangBefore, test_support::Passing::writes_status);
    world.start_operator();
    world.apply(connection("line").id(ID).name("one")).await;
    front.strikes().await;
    world.polls(2).await;
    assert!(world.updates().is_empty(), "what is not written down is not sent");
    reaches(&world, "one", wait::SOON).await;
    assert_eq!(world.updates().len(), 1);
}

#[tokio::test]
async fn a_status_write_whose_answer_is_lost_is_made_up_for() {
    let (mut world, front) = behind_front().await;
    front.trouble_from(0, 2, Trouble::CutAfter, test_support::Passing::writes_status);
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    assert_eq!(world.updates().len(), 1);
}

/// What was tried is stored when the operator knows already that no answer came.
#[tokio::test]
async fn status_writes_that_are_stored_without_an_answer_are_blamed_on_nobody_else() {
    let (mut world, front) = behind_front().await;
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    front.trouble(Trouble::CutBefore, Passing::writes_status);
    for location in ["A", "B", "C", "D", "E"] {
        world.aws.edit(REGION, ID, |line| line.location = Some(location.to_owned()));
        let location = format!("\"location\":\"{location}\"");
        let tried = loop {
            let tried = front.strikes().await.body;
            if tried.contains(&location) {
                break tried;
            }
        };
        world.operator().says("was not written").await;
        let tried: serde_json::Value = serde_json::from_str(&tried).expect("a patch");
        world.patch_status("line", tried["status"].clone()).await;
        // Overwrites that come too soon after each other count as one.
        world.polls(10).await;
    }
    let logs = world.operator().logs();
    assert!(!logs.iter().any(|line| line.contains("another writer")), "{logs:#?}");
    front.clear();
    reaches(&world, "two", wait::SOON).await;
}

#[tokio::test]
async fn a_long_retry_after_is_not_obeyed() {
    let (mut world, front) = behind_front().await;
    let busy = Trouble::status(429, "TooManyRequests", "busy").header("retry-after", "3600");
    front.trouble_from(0, 2, busy.clone(), test_support::Passing::reads_resources);
    front.trouble_from(0, 2, busy, test_support::Passing::writes_status);
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    assert_eq!(world.updates().len(), 1);
}

#[tokio::test]
async fn an_api_server_that_is_down_for_a_while_is_tried_again() {
    let (mut world, front) = behind_front().await;
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    front.trouble(Trouble::status(503, "ServiceUnavailable", "down"), |_| true);
    world.apply(connection("line").id(ID).name("two")).await;
    front.strikes().await;
    front.clear();
    reaches(&world, "three", wait::SOON).await;
}

#[tokio::test]
async fn a_resource_version_that_is_gone_leads_to_a_new_list() {
    let (mut world, front) = behind_front().await;
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    front.forget();
    let expired = Trouble::status(410, "Expired", "too old resource version");
    front.trouble(expired, |request| request.is_watch() && !request.is_streaming_list());
    // A watch ends after a while and continues from the version it knows.
    tokio::time::timeout(AFTER_SILENCE, front.strikes()).await.expect("a watch goes on in time");
    reaches(&world, "two", AFTER_SILENCE).await;
    let lists = |request: &test_support::Passing| request.is_streaming_list();
    assert!(front.seen().iter().any(lists), "{:?}", front.seen());
}

#[tokio::test]
async fn an_api_server_that_streams_no_lists_is_listed_plainly() {
    let (mut world, front) = behind_front().await;
    let refusal = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
    front.trouble(Trouble::status(422, "Invalid", refusal), test_support::Passing::is_streaming_list);
    world.start_operator();
    reaches(&world, "one", wait::SOON).await;
    assert!(front.seen().iter().any(test_support::Passing::lists_resources));
    assert_eq!(world.operator().exit(), None);
    assert!(last_words(world.operator()).is_empty());
}

/// Neither a missing permission nor an expired version means that the API server cannot stream lists.
#[tokio::test]
async fn a_list_that_was_forbidden_or_expired_is_still_streamed() {
    for (code, reason) in [(403, "Forbidden"), (410, "Expired")] {
        let (mut world, front) = behind_front().await;
        front.trouble_from(0, 2, Trouble::status(code, reason, "not now"), Passing::is_streaming_list);
        world.start_operator();
        reaches(&world, "one", wait::SOON).await;
        // The two that failed and the next one. Later ones may fail for other reasons on a busy machine.
        let is_whole = |request: &&Passing| {
            request.is_streaming_list() || (request.lists_resources() && !request.query.contains("limit=1"))
        };
        let seen = front.seen();
        let lists: Vec<bool> = seen.iter().filter(is_whole).map(Passing::is_streaming_list).take(3).collect();
        assert_eq!(lists, [true; 3], "after {code}: {seen:?}");
    }
}
