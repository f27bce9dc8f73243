//! One watch, of one namespace or of all: a list that is most recent, then every change after it.
//!
//! A list holds everything that was written before the request for it was made; it never comes from a cache that lags:
//!
//! - A streamed list asks with `sendInitialEvents=true`, `resourceVersionMatch=NotOlderThan` and an *empty*
//!   `resourceVersion`, which the API documents as "consistent read". The API server then asks etcd for its current
//!   revision, waits until its watch cache has come that far, and ends the list no earlier (`Cacher.Watch`).
//! - A plain list asks without a `resourceVersion`, which the API documents as "most recent": a quorum read of etcd, or the
//!   watch cache after the same wait. Its further pages are of the revision of the first.
//!
//! The watcher of kube-runtime is not used because it streams lists with `resourceVersion=0`, "any version": the API server
//! then asks etcd nothing and ends the list at whatever the cache holds.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::super::{Watched, words};
use super::interruptions::Interruptions;
use super::{place, usable};
use crate::clock::jitter;

/// The resources as the API server calls them.
const RESOURCE: &str = "directconnectconnections.directconnect-operator.dev";
/// How long the API server keeps a watch open. It is short, since a server that went silent is noticed only after this
/// time.
const WATCH_SECONDS: u32 = 20;
/// How long to wait for any data: somewhat longer than a watch without events lasts.
const SILENCE: Duration = Duration::from_secs(25);
/// Objects per page of a plain list.
const PAGE: u32 = 500;
/// Annotation of the bookmark that ends a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A watch that has been open for this long works. One that ends sooner was cut off, by a proxy or an API server that ends.
const WORKS_AFTER: Duration = Duration::from_secs(1);
/// How long the log may be silent about failures that go on.
const LOG_AGAIN: Duration = Duration::from_mins(3);

type Changes = BoxStream<'static, kube::Result<WatchEvent<Watched>>>;

/// The watch of one namespace, or of all.
pub(super) struct Feed {
    api: Api<Watched>,
    /// Empty: all namespaces.
    namespace: String,
    /// Number of requests for a new list.
    requests: watch::Receiver<u64>,
    /// The newest request that was made before the current list began.
    serves: u64,
    stage: Stage,
    /// Whether the current list is not complete yet.
    listing: bool,
    /// Whether the next list is requested as a stream.
    streaming: bool,
    /// Failures since a watch last worked.
    failures: u32,
    /// When a failure was last logged.
    logged: Option<Instant>,
    interruptions: Interruptions,
}

#[derive(Default)]
enum Stage {
    #[default]
    Start,
    /// A streamed list is being received.
    Streaming(Changes),
    /// A plain list is being received. `version` is set with the last page.
    Paging { page: std::vec::IntoIter<Watched>, next: Option<String>, version: Option<String> },
    /// The list is complete as of this version, and no watch is open yet.
    Known { version: String },
    /// A watch is open; changes after this version arrive. `opened` is set until it works.
    Watching { version: String, changes: Changes, opened: Option<Instant> },
}

/// Why a list or a watch failed, with the code of the API server's answer if it gave one.
struct Failure {
    code: Option<u16>,
    message: String,
}

impl Feed {
    /// `requests` is the number of requests for a new list so far.
    pub(super) fn new(
        api: Api<Watched>,
        namespace: String,
        mut requests: watch::Receiver<u64>,
        interruptions: Interruptions,
    ) -> Self {
        let serves = *requests.borrow_and_update();
        Self {
            api,
            namespace,
            requests,
            serves,
            stage: Stage::Start,
            listing: true,
            streaming: true,
            failures: 0,
            logged: None,
            interruptions,
        }
    }

    /// The next event, and the newest request that the current list fulfils, because it was made before the list began.
    ///
    /// Errors are logged here, and retried after a pause.
    pub(super) async fn next(&mut self) -> (u64, Event<Watched>) {
        loop {
            let (mut requests, serves) = (self.requests.clone(), self.serves);
            let requested = async { requests.wait_for(|request| *request > serves).await.map(|request| *request) };
            let event = tokio::select! {
                biased;
                Ok(request) = requested => {
                    // The request is noted before the list begins, so everything written before the request is in the
                    // list.
                    (self.serves, self.stage) = (request, Stage::Start);
                    None
                }
                event = self.advance() => event,
            };
            match event.map(usable) {
                Some(Some(event)) => return (self.serves, event),
                Some(None) => warn!("the API server sent a resource without a name; it is passed over"),
                None => {}
            }
        }
    }

    async fn advance(&mut self) -> Option<Event<Watched>> {
        match self.step().await {
            Ok(event) => event,
            Err(failure) => {
                let pause = self.recover(&failure);
                tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * jitter())).await;
                None
            }
        }
    }

    /// Makes one request or receives one event. If it fails or is cancelled, the next step begins with
    /// [`Stage::Start`].
    async fn step(&mut self) -> Result<Option<Event<Watched>>, Failure> {
        let (stage, event) = match std::mem::take(&mut self.stage) {
            Stage::Start => {
                self.listing = true;
                let stage = if self.streaming {
                    Stage::Streaming(self.open("", true).await?)
                } else {
                    Stage::Paging { page: Vec::new().into_iter(), next: None, version: None }
                };
                (stage, Some(Event::Init))
            }
            Stage::Streaming(mut changes) => match next_of(&mut changes).await? {
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    (Stage::Streaming(changes), Some(Event::InitApply(object)))
                }
                Some(WatchEvent::Bookmark(mark)) if mark.metadata.annotations.contains_key(INITIAL_EVENTS_END) => {
                    let (version, opened) = (mark.metadata.resource_version, Some(Instant::now()));
                    (Stage::Watching { version, changes, opened }, Some(Event::InitDone))
                }
                Some(WatchEvent::Bookmark(_)) => (Stage::Streaming(changes), None),
                Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status.boxed()).into()),
                // A list contains no deletions.
                Some(WatchEvent::Deleted(_)) | None => {
                    return Err(Failure::saying("the list was cut off before its end"));
                }
            },
            Stage::Paging { mut page, next, version } => match (page.next(), version) {
                (Some(object), version) => (Stage::Paging { page, next, version }, Some(Event::InitApply(object))),
                (None, Some(version)) => (Stage::Known { version }, Some(Event::InitDone)),
                (None, None) => (self.page(next).await?, None),
            },
            Stage::Known { version } => {
                let changes = self.open(&version, false).await?;
                (Stage::Watching { version, changes, opened: Some(Instant::now()) }, None)
            }
            Stage::Watching { version, mut changes, mut opened } => {
                if opened.is_some_and(|opened| opened.elapsed() >= WORKS_AFTER) {
                    self.note_watching();
                    opened = None;
                }
                let works_at = opened.map_or_else(|| Instant::now() + 2 * SILENCE, |opened| opened + WORKS_AFTER);
                let Ok(next) = tokio::time::timeout_at(works_at, next_of(&mut changes)).await else {
                    self.note_watching();
                    self.stage = Stage::Watching { version, changes, opened: None };
                    return Ok(None);
                };
                match next? {
                    Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                        let version = present(object.resource_version())?;
                        (Stage::Watching { version, changes, opened }, Some(Event::Apply(object)))
                    }
                    Some(WatchEvent::Deleted(object)) => {
                        let version = present(object.resource_version())?;
                        (Stage::Watching { version, changes, opened }, Some(Event::Delete(object)))
                    }
                    Some(WatchEvent::Bookmark(mark)) => {
                        (Stage::Watching { version: mark.metadata.resource_version, changes, opened }, None)
                    }
                    Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status.boxed()).into()),
                    None if opened.is_some() => return Err(Failure::saying("the watch ended as soon as it had begun")),
                    None => (Stage::Known { version }, None),
                }
            }
        };
        if let Some(Event::InitDone) = event {
            // Try to stream the next list, even if this one could not be streamed.
            (self.listing, self.streaming) = (false, true);
        }
        self.stage = stage;
        Ok(event)
    }

    /// A watch works, so the interruption is over. That a list is whole or a watch is answered says less: an API server that
    /// answers them, and then refuses or cuts off the watch, must not be asked without a pause.
    fn note_watching(&mut self) {
        self.failures = 0;
        self.interruptions.note_list(&self.namespace);
    }

    async fn open(&mut self, version: &str, list: bool) -> Result<Changes, Failure> {
        let params = WatchParams { send_initial_events: list, ..WatchParams::default() }.timeout(WATCH_SECONDS);
        Ok(within_silence(self.api.watch(&params, version)).await??.boxed())
    }

    async fn page(&mut self, next: Option<String>) -> Result<Stage, Failure> {
        let params = ListParams { continue_token: next, ..ListParams::default() }.limit(PAGE);
        let list = within_silence(self.api.list(&params)).await??;
        let next = list.metadata.continue_.filter(|token| !token.is_empty());
        let version = if next.is_some() { None } else { Some(present(list.metadata.resource_version)?) };
        Ok(Stage::Paging { page: list.items.into_iter(), next, version })
    }

    /// Prepares to begin with a new list. Returns the longest pause before that.
    fn recover(&mut self, failure: &Failure) -> Duration {
        // An API server that cannot stream lists reports this in many ways, so after most failures a plain list is
        // tried.
        if self.listing && self.streaming && !matches!(failure.code, Some(401 | 403 | 404 | 410)) {
            debug!(failure = failure.message, "the API server does not stream the list; listing plainly");
            self.streaming = false;
        }
        // Never continue from the old version: it may have expired, or not exist after the restore of an older backup.
        self.stage = Stage::Start;
        let words = self.words(failure);
        if self.is_worth_logging() {
            if matches!(failure.code, Some(401 | 403 | 404)) {
                error!("{words}. It is tried again by itself");
            } else {
                let place = place(&self.namespace);
                warn!("watching {RESOURCE} {place} was interrupted: {words}. It goes on by itself");
            }
        }
        self.interruptions.note_failure(&self.namespace, words);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Whether to log the failure at hand: the first, later ones ever more rarely, but at least one every few minutes.
    fn is_worth_logging(&mut self) -> bool {
        let is_due = self.logged.is_none_or(|logged| logged.elapsed() >= LOG_AGAIN);
        let is_worth = is_due || self.failures.saturating_add(1).is_power_of_two();
        if is_worth {
            self.logged = Some(Instant::now());
        }
        is_worth
    }

    /// What failed, and what to do about it, for log and readiness.
    fn words(&self, failure: &Failure) -> String {
        let (place, message) = (place(&self.namespace), &failure.message);
        match failure.code {
            Some(404) => format!(
                "the API server knows no {RESOURCE}: install the CRD (`directconnect-operator crd | kubectl apply --server-side -f -`)"
            ),
            Some(403) => format!(
                "the operator's service account may not list and watch {RESOURCE} {place}: grant it list and watch: {message}"
            ),
            Some(401) => format!("the API server does not accept the operator's credentials: {message}"),
            _ => message.clone(),
        }
    }
}

impl Failure {
    fn saying(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into() }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
        Self { code, message: words(&error) }
    }
}

async fn next_of(changes: &mut Changes) -> Result<Option<WatchEvent<Watched>>, Failure> {
    Ok(within_silence(changes.next()).await?.transpose()?)
}

async fn within_silence<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let silent = |_| Failure::saying(format!("nothing came for {} s", SILENCE.as_secs()));
    tokio::time::timeout(SILENCE, work).await.map_err(silent)
}

/// The resource version, which must be present: without one, no watch can continue.
fn present(version: Option<String>) -> Result<String, Failure> {
    let version = version.filter(|version| !version.is_empty());
    version.ok_or_else(|| Failure::saying("the API server sent no resource version"))
}

#[cfg(test)]
mod tests;
