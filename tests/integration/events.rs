//! Events: one a transition, never one a poll.

use k8s_openapi::api::events::v1::Event;
use std::fmt::Display;
use test_support::{World, wait};

/// Waits until a resource has this many events of this reason, in series or alone, and returns their notes.
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
