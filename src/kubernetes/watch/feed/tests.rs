//! What a feed makes of what an API server answers.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use futures::stream;
use kube::Client;
use serde_json::{Value, json};

use crate::metrics::Metrics;

fn object(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
        "metadata": { "name": name, "namespace": "net", "resourceVersion": version },
        "spec": { "connectionId": "dxcon-fg1234ab" },
    })
}

/// A feed from an API server that answers each query with `answer`, and the sender that requests new lists.
fn feed(answer: impl Fn(&str) -> (StatusCode, Body) + Clone + Send + Sync + 'static) -> (Feed, watch::Sender<u64>) {
    let server = Router::new().fallback(move |RawQuery(query): RawQuery| {
        let answer = answer(&query.unwrap_or_default());
        async move { answer }
    });
    let requests = watch::Sender::new(0);
    let api = Api::all(Client::new(server, "net"));
    (Feed::new(api, String::new(), requests.subscribe(), Interruptions::new(Metrics::new())), requests)
}

/// The next event as short text.
async fn next(feed: &mut Feed) -> (u64, String) {
    let (request, event) = feed.next().await;
    let told = match event {
        Event::Init => "list".to_owned(),
        Event::InitApply(object) => format!("listed {}", object.name_any()),
        Event::InitDone => "whole".to_owned(),
        Event::Apply(object) => format!("changed {}", object.name_any()),
        Event::Delete(object) => format!("deleted {}", object.name_any()),
    };
    (request, told)
}

fn added(name: &str) -> String {
    format!("{}\n", json!({"type": "ADDED", "object": object(name, "7")}))
}

/// A bookmark, which may be the one that ends a list.
fn bookmark(ends_list: bool) -> String {
    let annotations = if ends_list { json!({INITIAL_EVENTS_END: "true"}) } else { json!({}) };
    let metadata = json!({"resourceVersion": "7", "annotations": annotations});
    format!("{}\n", json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "x", "metadata": metadata}}))
}

#[tokio::test]
async fn a_list_that_began_before_a_new_one_was_asked_for_does_not_go_on() {
    let (mut feed, requests) = feed(|_| {
        let lines = [added("line"), bookmark(true)].map(Ok::<_, std::io::Error>);
        (StatusCode::OK, Body::from_stream(stream::iter(lines).chain(stream::pending())))
    });
    let told = |request, text: &str| (request, text.to_owned());
    assert_eq!(next(&mut feed).await, told(0, "list"));
    assert_eq!(next(&mut feed).await, told(0, "listed line"));
    requests.send_replace(1);
    for event in ["list", "listed line", "whole"] {
        assert_eq!(next(&mut feed).await, told(1, event));
    }
    requests.send_replace(2);
    requests.send_replace(3);
    assert_eq!(next(&mut feed).await, told(3, "list"), "one list for both");
}

#[tokio::test]
async fn a_streamed_list_is_whole_at_its_own_bookmark_and_streamed_again_after_the_watch() {
    let (mut feed, _requests) = feed(|query| {
        assert!(query.contains("sendInitialEvents=true"), "{query}");
        (StatusCode::OK, Body::from([added("one"), bookmark(false), added("two"), bookmark(true)].concat()))
    });
    for event in ["list", "listed one", "listed two", "whole"].repeat(2) {
        assert_eq!(next(&mut feed).await.1, event);
    }
}

#[tokio::test]
async fn a_plain_list_is_whole_after_its_last_page() {
    let (mut feed, _requests) = feed(|query| {
        let is_last = query.contains("continue=more");
        let (name, rest) = if is_last { ("second", json!({})) } else { ("first", json!({"continue": "more"})) };
        let mut list = json!({"apiVersion": "v1", "kind": "List", "metadata": rest, "items": [object(name, "7")]});
        list["metadata"]["resourceVersion"] = "7".into();
        if query.contains("watch=true") {
            let gone = json!({"type": "DELETED", "object": object("first", "8")});
            assert!(query.ends_with("resourceVersion=7"), "it goes on after the list: {query}");
            return (StatusCode::OK, Body::from(format!("{gone}\n")));
        }
        (StatusCode::OK, Body::from(list.to_string()))
    });
    feed.streaming = false;
    for event in ["list", "listed first", "listed second", "whole", "deleted first"] {
        assert_eq!(next(&mut feed).await.1, event);
    }
}

async fn assert_pauses_grow(feed: &mut Feed) {
    let mut millis = Vec::new();
    while millis.len() < 9 {
        // Not every step fails: `Init` of a plain list comes before its first request.
        if let Err(failure) = feed.step().await {
            millis.push(feed.recover(&failure).as_millis());
        }
    }
    assert_eq!(millis, [400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
}

#[tokio::test]
async fn failures_in_a_row_are_waited_out_ever_longer_whichever_way_it_lists() {
    let (mut feed, _requests) = feed(|_| (StatusCode::SERVICE_UNAVAILABLE, Body::empty()));
    assert_pauses_grow(&mut feed).await;
    assert!(!feed.streaming, "a plain list it can always do");
}

/// Answers each plain list with one line, and each watch with this.
fn watched_as(watch: impl Fn() -> (StatusCode, Body) + Clone + Send + Sync + 'static) -> Feed {
    let (mut feed, _) = feed(move |query| {
        if query.contains("watch=true") {
            return watch();
        }
        let list = json!({
            "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": [object("line", "7")],
        });
        (StatusCode::OK, Body::from(list.to_string()))
    });
    feed.streaming = false;
    feed
}

fn expired() -> String {
    let status = json!({"kind": "Status", "code": 410, "message": "too old", "reason": "Expired"});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

fn changed() -> String {
    format!("{}\n", json!({"type": "MODIFIED", "object": object("line", "8")}))
}

#[tokio::test]
async fn nothing_is_asked_for_without_a_pause_if_watches_do_not_last() {
    let refused = || (StatusCode::TOO_MANY_REQUESTS, Body::empty());
    let ends_at_once = || (StatusCode::OK, Body::empty());
    let fails_at_once = || (StatusCode::OK, Body::from(expired()));
    let changes_once = || (StatusCode::OK, Body::from(changed()));
    for watch in [refused, ends_at_once, fails_at_once, changes_once] {
        assert_pauses_grow(&mut watched_as(watch)).await;
    }
    // A streamed list is whole, and what follows is an error.
    let (mut feed, _requests) = feed(|_| {
        let mark = json!({"type": "BOOKMARK", "object": {
            "apiVersion": "v1", "kind": "x",
            "metadata": {"resourceVersion": "7", "annotations": {INITIAL_EVENTS_END: "true"}},
        }});
        (StatusCode::OK, Body::from(format!("{mark}\n{}", expired())))
    });
    assert_pauses_grow(&mut feed).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lasts_works_whether_it_brings_something_or_not() {
    let silent = || Body::from_stream(stream::pending::<std::io::Result<String>>());
    let busy = || {
        Body::from_stream(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Some((Ok::<_, std::io::Error>(changed()), ()))
        }))
    };
    for watch in [silent, busy] {
        let mut feed = watched_as(move || (StatusCode::OK, watch()));
        feed.failures = 5;
        let began = Instant::now();
        while feed.failures > 0 {
            feed.step().await.map_err(|failure| failure.message).expect("nothing fails");
            assert!(began.elapsed() < Duration::from_secs(5), "it has worked for long");
        }
        assert!(began.elapsed() >= WORKS_AFTER, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_go_on_are_logged_every_few_minutes() {
    let (mut feed, _requests) = feed(|_| (StatusCode::FORBIDDEN, Body::empty()));
    let (mut logged, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    let began = Instant::now();
    while began.elapsed() < Duration::from_hours(1) {
        let Err(failure) = feed.step().await else { continue };
        if feed.is_worth_logging() {
            logged += 1;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        tokio::time::sleep(feed.recover(&failure)).await;
    }
    assert!(longest <= LOG_AGAIN + MAX_PAUSE, "{longest:?}");
    assert!(logged < 30, "{logged} lines in an hour");
}
