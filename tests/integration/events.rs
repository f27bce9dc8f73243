//! Events: one for each transition, none for polls alone.

use direct_connect_simulator::{Connection, ENCRYPTION_DOWN, ENCRYPTION_UP, Fault, FaultKind};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use std::fmt::Display;
use test_support::{REGION, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Waits until a resource has this many events of this reason, counting repetitions, and returns their notes.
#[track_caller]
pub fn told(world: &World, resource: &str, reason: &str, count: i32) -> impl Future<Output = Vec<String>> {
    let what = format!("{count} events {reason} about {resource}");
    wait::until(wait::SOON, what, async move || {
        let events = world.events(resource).await;
        let found: Vec<&Event> = events.iter().filter(|event| event.reason.as_deref() == Some(reason)).collect();
        let times = |event: &&Event| event.series.as_ref().map_or(1, |series| series.count);
        let notes = found.iter().filter_map(|event| event.note.clone()).collect();
        if found.iter().map(times).sum::<i32>() == count { Ok(notes) } else { Err(shown(&events)) }
    })
}

fn shown(events: &[Event]) -> impl Display + use<> {
    let line = |event: &Event| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{} {}: {}", text(&event.type_), text(&event.reason), text(&event.note))
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_update_is_reported_once_with_the_old_value_the_new_one_and_the_request() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old").with_mode("no_encrypt"));
    world.apply(connection("line").id(ID).name("new").mode("should_encrypt")).await;
    world.ready("line").await;
    let request = world.updates()[0].request_id.clone();
    for (reason, old, new) in [("Renamed", "old", "new"), ("EncryptionModeChanged", "no_encrypt", "should_encrypt")] {
        let notes = told(&world, "line", reason, 1).await;
        for word in [ID, old, new, request.as_str()] {
            assert!(notes[0].contains(word), "{word}: {notes:?}");
        }
    }
    world.polls(3).await;
    let events = world.events("line").await;
    assert_eq!(events.len(), 2, "{}", shown(&events));
    assert!(events.iter().all(|event| event.type_.as_deref() == Some("Normal")), "{}", shown(&events));
    let reporter = events[0].reporting_controller.as_deref();
    assert_eq!(reporter, Some("directconnect-operator"));
}

/// A change of a connection in AWS.
type Change = fn(&mut Connection);

#[tokio::test]
async fn each_transition_of_link_and_encryption_is_one_event() {
    let world = World::new().await;
    // Without a key, link and encryption do not affect each other.
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID)).await;
    world.condition("line", "Encrypted", "False", "EncryptionDown").await;
    let transitions: [(&str, &str, &str, Change); 4] = [
        ("LinkUp", "False", "LinkDown", |line| line.connection_state = Some("down".to_owned())),
        ("LinkUp", "True", "LinkUp", |line| line.connection_state = Some("available".to_owned())),
        ("Encrypted", "True", "EncryptionUp", |line| line.port_encryption_status = Some(ENCRYPTION_UP.to_owned())),
        ("Encrypted", "False", "EncryptionDown", |line| line.port_encryption_status = Some(ENCRYPTION_DOWN.to_owned())),
    ];
    for (kind, status, reason, change) in transitions {
        world.aws.edit(REGION, ID, change);
        world.until("line", status, |line| line.condition(kind).is_some_and(|it| it.status == status)).await;
        told(&world, "line", reason, 1).await;
        world.polls(2).await;
    }
    let events = world.events("line").await;
    assert_eq!(events.len(), transitions.len(), "{}", shown(&events));
    for event in &events {
        let warns = event.reason.as_deref().is_some_and(|reason| reason.ends_with("Down"));
        assert_eq!(event.type_.as_deref(), Some(if warns { "Warning" } else { "Normal" }), "{}", shown(&events));
    }
}

#[tokio::test]
async fn a_repeated_event_is_counted_up_and_a_different_one_is_published_apart() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID)).await;
    world.condition("line", "LinkUp", "True", "Available").await;
    for count in [1, 2] {
        for (state, up, reason) in [("down", "False", "LinkDown"), ("available", "True", "LinkUp")] {
            world.aws.edit(REGION, ID, |line| line.connection_state = Some(state.to_owned()));
            world.until("line", state, |line| line.condition("LinkUp").is_some_and(|it| it.status == up)).await;
            assert_eq!(told(&world, "line", reason, count).await.len(), 1, "one event of {reason}");
        }
    }
    for (count, name) in [(1, "one"), (2, "two")] {
        world.apply(connection("line").id(ID).name(name)).await;
        let notes = told(&world, "line", "Renamed", count).await;
        assert!(notes.iter().any(|note| note.contains(&format!("is now {name:?}"))), "{notes:?}");
    }
}

#[tokio::test]
async fn what_needs_a_person_is_one_warning_however_often_it_is_seen() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("blocked").id(ID).mode("must_encrypt")).await;
    world.apply(connection("missing").id("dxcon-missing0")).await;
    for (resource, reason, advice) in
        [("blocked", "NoMacSecKey", "associate a MACsec key"), ("missing", "NotFound", "spec.connectionId")]
    {
        world.condition(resource, "Stalled", "True", reason).await;
        let notes = told(&world, resource, "Blocked", 1).await;
        assert!(notes[0].contains(advice), "{notes:?}");
    }
    world.polls(4).await;
    for resource in ["blocked", "missing"] {
        let events = world.events(resource).await;
        assert_eq!(events.len(), 1, "{}", shown(&events));
        assert_eq!(events[0].type_.as_deref(), Some("Warning"));
        assert!(events[0].series.is_none(), "{}", shown(&events));
    }
}

#[tokio::test]
async fn a_note_is_cut_to_what_the_api_server_takes() {
    let world = World::new().await;
    let (old, new) = ("線".repeat(200), "渡".repeat(200));
    world.aws.add(REGION, Connection::new(ID, &old));
    world.apply(connection("line").id(ID).name(&new)).await;
    let notes = told(&world, "line", "Renamed", 1).await;
    assert!(notes[0].len() <= 1024 && notes[0].contains(&old), "{} bytes: {notes:?}", notes[0].len());
}

#[tokio::test]
async fn a_restart_publishes_no_event_again() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(ID, "old").with_key(KEY));
    world.apply(connection("line").id(ID).name("new")).await;
    told(&world, "line", "Renamed", 1).await;
    world.ready("line").await;
    world.start_operator();
    world.polls(3).await;
    let events = world.events("line").await;
    assert_eq!(events.len(), 1, "{}", shown(&events));
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_told_once_a_read_shows_it() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    let lose_the_answer = || world.aws.inject(Fault::new(FaultKind::ResetAfter).on("UpdateConnection").times(1));
    lose_the_answer();
    world.apply(connection("line").id(ID).name("new").mode("no_encrypt")).await;
    world.ready("line").await;
    for reason in ["UpdateFailed", "Renamed", "EncryptionModeChanged"] {
        told(&world, "line", reason, 1).await;
    }
    // Updates are told apart by their time, which has whole seconds.
    world.polls(8).await;
    lose_the_answer();
    world.apply(connection("line").id(ID).name("newer").mode("no_encrypt")).await;
    world.ready("line").await;
    told(&world, "line", "Renamed", 2).await;
    told(&world, "line", "EncryptionModeChanged", 1).await;
}

#[tokio::test]
async fn each_wish_that_aws_refuses_is_told_once_with_its_request() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world
        .aws
        .inject(Fault::new(FaultKind::ClientException { message: "It is refused.".to_owned() }).on("UpdateConnection"));
    for (wish, count) in [("one", 1), ("two", 2)] {
        world.apply(connection("line").id(ID).name(wish)).await;
        told(&world, "line", "UpdateFailed", count).await;
    }
    // What is shown in between does not make it fail again.
    world.annotate("line", "paused", Some("true")).await;
    world.condition("line", "Ready", "False", "Paused").await;
    world.annotate("line", "paused", None).await;
    world.condition("line", "Stalled", "True", "RequestRejected").await;
    world.polls(3).await;
    let notes = told(&world, "line", "UpdateFailed", 2).await.join("\n");
    for update in world.updates().iter().take(2) {
        assert!(notes.contains(&update.request_id), "{}: {notes}", update.request_id);
    }
}

#[tokio::test]
async fn an_outage_of_reads_is_no_news_of_a_line_and_what_it_hid_is() {
    for (state, reason) in [("down", "LinkDown"), ("available", "LinkUp")] {
        let world = World::new().await;
        world.aws.add(REGION, Connection::new(ID, "line"));
        world.apply(connection("line").id(ID)).await;
        world.condition("line", "LinkUp", "True", "Available").await;
        world.aws.edit(REGION, ID, |line| line.connection_state = Some("down".to_owned()));
        told(&world, "line", "LinkDown", 1).await;
        world.aws.inject(Fault::new(FaultKind::ServiceUnavailable));
        world.condition("line", "LinkUp", "Unknown", "ObservationStale").await;
        world.aws.edit(REGION, ID, |line| line.connection_state = Some(state.to_owned()));
        world.aws.clear_faults();
        world
            .until("line", "read again", |line| line.condition("LinkUp").is_some_and(|it| it.status != "Unknown"))
            .await;
        world.polls(3).await;
        told(&world, "line", reason, 1).await;
        told(&world, "line", "LinkDown", 1).await;
    }
}

#[tokio::test]
async fn an_event_that_was_deleted_is_told_again() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID)).await;
    world.condition("line", "LinkUp", "True", "Available").await;
    let api: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    for _ in 0..2 {
        world.aws.edit(REGION, ID, |line| line.connection_state = Some("down".to_owned()));
        told(&world, "line", "LinkDown", 1).await;
        world.aws.edit(REGION, ID, |line| line.connection_state = Some("available".to_owned()));
        told(&world, "line", "LinkUp", 1).await;
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("they are deleted");
    }
}

#[tokio::test]
async fn names_of_any_length_have_events() {
    let host = ["h".repeat(60), "i".repeat(60), "example".to_owned()].join(".");
    let world = World::builder().env("HOSTNAME", host).build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    // Cut where an event's name would end in a dash.
    let long = format!("{}-{}", "l".repeat(235), "m".repeat(17));
    world.apply(connection(&long).id(ID).name("new")).await;
    told(&world, &long, "Renamed", 1).await;
}
