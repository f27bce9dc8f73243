//! When the process is ready, and when it is alive.

use std::sync::atomic::AtomicU16;

use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use futures::{StreamExt, stream};
use kube::Client;
use kube::runtime::reflector::store::Writer;
use serde_json::json;

use super::*;
use crate::kubernetes::watch::{self, MAX_INTERRUPTION};
use crate::metrics::Metrics;
use crate::reconcile::tests::context;

#[test]
fn work_of_which_nothing_ends_is_a_standstill_and_no_work_is_none() {
    let progress = Progress::default();
    assert!(progress.stands_still(Duration::ZERO).is_ok(), "there is no work");
    let (one, two) = (progress.begin(), progress.begin());
    assert!(progress.stands_still(Duration::ZERO).is_err());
    assert!(progress.stands_still(Duration::from_hours(1)).is_ok(), "it has just begun");
    drop((one, two));
    assert!(progress.stands_still(Duration::ZERO).is_ok());
}

/// How long the API server keeps a watch open.
const WATCH_SECONDS: u64 = 20;

/// The answer of an API server without resources, which lists and watches while `status` is 200.
fn answer(query: &str, status: u16) -> (StatusCode, Body) {
    let is_streamed_list = query.contains("sendInitialEvents=true");
    match (status, query.contains("watch=true")) {
        (200, false) => {
            let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": []});
            (StatusCode::OK, Body::from(list.to_string()))
        }
        (200, true) => {
            let mark = json!({"type": "BOOKMARK", "object": {
                "apiVersion": "v1", "kind": "x",
                "metadata": {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}},
            }});
            let first = if is_streamed_list { format!("{mark}\n") } else { String::new() };
            let end = stream::once(async {
                seconds(WATCH_SECONDS).await;
                Ok::<_, std::io::Error>(String::new())
            });
            (StatusCode::OK, Body::from_stream(stream::iter([Ok(first)]).chain(end)))
        }
        _ => {
            let answer = json!({"kind": "Status", "status": "Failure", "message": "not any more", "code": status});
            (StatusCode::from_u16(status).expect("a status"), Body::from(answer.to_string()))
        }
    }
}

/// The readiness of a standby whose API server answers with `status`.
async fn standby(status: &Arc<AtomicU16>) -> server::Probe {
    let answers = Arc::clone(status);
    let server = Router::new().fallback(move |RawQuery(query): RawQuery| {
        let answer = answer(&query.unwrap_or_default(), answers.load(Ordering::Relaxed));
        async move { answer }
    });
    let (listed, interruptions, mut store) = (Listed::default(), Interruptions::new(Metrics::new()), Writer::default());
    let context = context(&mut store).await;
    let client = Client::new(server, "net");
    let claims = Arc::clone(&context.claims);
    tokio::spawn(watch::run(client, Vec::new(), store, claims, listed.clone(), interruptions.clone()));
    Readiness::default().check(context, listed, interruptions)
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_later_makes_the_process_unready_after_two_minutes_until_it_is_allowed_again() {
    let status = Arc::new(AtomicU16::new(403));
    let ready = standby(&status).await;
    seconds(300).await;
    let advice = "the operator's service account may not list and watch directconnectconnections.directconnect-operator.dev in all namespaces: grant it list and watch: not any more";
    let reason = ready().expect_err("it is not ready");
    assert!(reason.starts_with(&format!("the resources have not been listed yet: {advice}")), "{reason}");
    status.store(200, Ordering::Relaxed);
    seconds(600).await;
    assert_eq!(ready(), Ok(()), "nothing happens, and nothing is wrong");
    status.store(403, Ordering::Relaxed);
    seconds(MAX_INTERRUPTION.as_secs()).await;
    assert_eq!(ready(), Ok(()));
    // The watch that was open has ended meanwhile.
    seconds(WATCH_SECONDS + 1).await;
    let reason = ready().expect_err("it is not ready");
    assert!(reason.starts_with("the watch on resources in all namespaces has been interrupted for 1"), "{reason}");
    assert!(reason.contains(&format!(" s: {advice}")), "the log's words: {reason}");
    status.store(200, Ordering::Relaxed);
    seconds(31).await;
    assert_eq!(ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn interruptions_that_a_list_ends_leave_the_process_ready_however_many_there_are() {
    let status = Arc::new(AtomicU16::new(200));
    let ready = standby(&status).await;
    for code in [410, 410, 503, 500, 410, 429, 410, 503] {
        seconds(60).await;
        status.store(code, Ordering::Relaxed);
        seconds(40).await;
        status.store(200, Ordering::Relaxed);
        assert_eq!(ready(), Ok(()), "{code}");
    }
}
