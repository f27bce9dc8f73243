//! Assertions about the call log.

use direct_connect_simulator::Call;
use serde_json::Value;
use test_support::{World, wait};

pub const A: &str = "dxcon-aaaaaaaa";
pub const B: &str = "dxcon-bbbbbbbb";

/// The largest difference between a time that the operator measures and the arrival of its call, in milliseconds.
const TRANSIT: f64 = 500.0;

/// The connection id of a row in a table of cases.
pub fn numbered(case: usize) -> String {
    format!("dxcon-case{case:04}")
}

/// The updates of a connection.
pub fn updates(world: &World, id: &str) -> Vec<Call> {
    world.updates().into_iter().filter(|call| call.parameter("connectionId") == Some(id)).collect()
}

/// The fields that the updates of a connection set, in order.
pub fn sent(world: &World, id: &str) -> Value {
    let fields = |call: Call| {
        let mut fields = call.parameters;
        fields.as_object_mut().expect("parameters are an object").remove("connectionId");
        fields
    };
    updates(world, id).into_iter().map(fields).collect()
}

/// Arrival of the newest call, in milliseconds.
pub fn now(world: &World) -> f64 {
    world.aws.calls().last().map_or(0.0, |call| call.time.millis)
}

/// The calls that show a connection: reads by its id, and pages.
pub fn reads(world: &World, id: &str) -> Vec<Call> {
    let shows = |call: &Call| {
        call.operation == "DescribeConnections" && call.parameter("connectionId").is_none_or(|asked| asked == id)
    };
    world.aws.calls().into_iter().filter(shows).collect()
}

/// Whether a call reads one connection by its id.
pub fn is_by_id(call: &Call) -> bool {
    call.operation == "DescribeConnections" && call.parameter("connectionId").is_some()
}

/// Asserts that `later` came at least `millis` after `earlier`.
#[track_caller]
pub fn assert_apart(earlier: f64, later: f64, millis: f64) {
    let apart = later - earlier;
    assert!(apart >= millis - TRANSIT, "only {apart:.0} ms apart, not {millis:.0} ms");
}

/// Asserts that each update of a connection was decided on a read by its id that began after the update before had
/// ended and was no older than 30 s, and that no two updates were in flight at once.
#[track_caller]
pub fn assert_each_update_has_its_read(world: &World, id: &str) {
    let about = |call: &Call| call.parameter("connectionId") == Some(id);
    let calls: Vec<Call> = world.aws.calls().into_iter().filter(about).collect();
    for (place, update) in calls.iter().enumerate().filter(|(_, call)| call.operation == "UpdateConnection") {
        let before = &calls[..place];
        let read = before.last().filter(|call| is_by_id(call) && call.is_ok());
        let read = read.unwrap_or_else(|| panic!("no read goes before {update}: {before:#?}"));
        let last = before.iter().rev().find(|call| call.operation == "UpdateConnection");
        assert!(!last.is_some_and(|last| last.overlaps(update)), "two in flight at once: {last:?}, {update}");
        assert!(!last.is_some_and(|last| last.overlaps(read)), "{read} began before {last:?} had ended");
        assert!(update.time.millis - read.time.millis < 30_000.0, "{read} is too old for {update}");
    }
}

/// Waits for an event of this reason for a resource, and asserts that there is exactly one.
pub async fn assert_one_event(world: &World, name: &str, reason: &str) {
    let told = async || {
        let events = world.events(name).await.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
        events.map(|event| event.series.map_or(1, |series| series.count)).sum::<i32>()
    };
    wait::until(wait::SOON, format!("{name} to have the event {reason}"), async || told().await > 0).await;
    assert_eq!(told().await, 1, "one event a transition: {reason}");
}

/// The notes of the events that tell what blocks a resource.
pub async fn blocked(world: &World, name: &str) -> Vec<String> {
    let events = world.events(name).await.into_iter().filter(|event| event.reason.as_deref() == Some("Blocked"));
    events.filter_map(|event| event.note).collect()
}
