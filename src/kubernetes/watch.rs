//! The watch on resources, in all namespaces or in some, as one stream into one store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource as _, ResourceExt};
use tracing::{debug, error, info, warn};

use super::index::{Index, shown};
use super::{Reference, Watched};
use crate::clock::dice;

/// How long the server keeps a watch open. Short, since a silent server is noticed only when it has passed.
const WATCH_SECONDS: u32 = 20;
/// How often to look whether the API server's versions have gone back, and how long a look may take.
const LOOK_BACK: Duration = Duration::from_secs(20);
const REQUEST: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether the list of resources has been read.
#[derive(Clone, Debug, Default)]
pub struct Listed(Arc<AtomicBool>);

impl Listed {
    /// Whether every watched namespace has been listed.
    pub fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Watches for ever: keeps the store and the index as the API server has it. Ends, and says so, when a list shows an object
/// that has gone back.
///
/// `namespaces` empty: all of them.
pub async fn run(
    client: Client,
    namespaces: Vec<String>,
    mut store: Writer<Watched>,
    index: Arc<Index>,
    listed: Listed,
) -> String {
    let lists = client.clone();
    let apis: Vec<(String, Api<Watched>)> = if namespaces.is_empty() {
        vec![(String::new(), Api::all(client))]
    } else {
        let within = |name: String| (name.clone(), Api::namespaced(client.clone(), &name));
        namespaces.into_iter().map(within).collect()
    };
    let mut merge = Merge::new(apis.iter().map(|(namespace, _)| namespace.clone()).collect());
    let streams = apis.into_iter().map(|(namespace, api)| {
        let events = events(api, namespace.clone());
        events.map(move |event| (namespace.clone(), event)).boxed()
    });
    let mut events = select_all(streams);
    let reader = store.as_reader();
    while let Some((namespace, event)) = events.next().await {
        if let Event::InitApply(object) = &event
            && let Some(known) = reader.get(&Reference::from_obj(object))
            && let Some(went_back) = went_back(&lists, &known, object).await
        {
            return went_back;
        }
        let events = merge.take(&namespace, event, &reader);
        take_in(&events, &index, &mut store);
        if matches!(events.last(), Some(Event::InitDone)) && !listed.0.swap(true, Ordering::AcqRel) {
            info!("resources are listed");
        }
    }
    String::new()
}

/// Has the index and the store take in what comes together, and then wakes whom it concerns.
fn take_in(events: &[Event<Watched>], index: &Index, store: &mut Writer<Watched>) {
    let concerned: Vec<Reference> = events.iter().flat_map(|event| index.note(event)).collect();
    for event in events {
        store.apply_watcher_event(event);
    }
    index.wake(&concerned);
}

/// What to say of an object that is older than what was known of the very same.
///
/// Nothing that was remembered of it can be told from what it is now, so whoever hears of this starts afresh.
async fn went_back(client: &Client, known: &Watched, listed: &Watched) -> Option<String> {
    let newest = version_of(known.meta())?;
    if known.meta().uid != listed.meta().uid || version_of(listed.meta())? >= newest {
        return None;
    }
    // A list may come from the cache of a server that lags behind; this one may not.
    let api: Api<Watched> = Api::namespaced(client.clone(), &listed.namespace()?);
    let only = ListParams::default().fields(&format!("metadata.name={}", listed.name_any()));
    let list = tokio::time::timeout(REQUEST, api.list_metadata(&only)).await.ok()?.ok()?;
    let now = version_of(&list.items.first()?.metadata)?;
    (now < newest).then(|| rewound(&shown(&Reference::from_obj(listed)), newest, now))
}

fn version_of(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_ref()?.parse().ok()
}

fn rewound(what: &str, newest: u64, now: u64) -> String {
    format!(
        "{what} was at resource version {newest} and is now at {now}, as after the restore of an older backup; all of it has to be read anew"
    )
}

/// Ends when the API server's resource versions have gone back, and says so.
///
/// A watch that goes on from a version that does not exist yet is silent until it does, without any error. A server that
/// was away is listed anew, which shows what went back; this is for one whose absence nobody noticed.
pub async fn until_rewound(client: Client, namespaces: Vec<String>) -> String {
    let api: Api<Watched> = match namespaces.first() {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let least = ListParams::default().limit(1);
    let mut newest: u64 = 0;
    loop {
        if let Ok(Ok(list)) = tokio::time::timeout(REQUEST, api.list_metadata(&least)).await
            && let Some(version) = list.metadata.resource_version.and_then(|version| version.parse().ok())
        {
            if version < newest {
                return rewound("the API server", newest, version);
            }
            newest = version;
        }
        tokio::time::sleep(LOOK_BACK.mul_f64(0.75 + 0.5 * dice())).await;
    }
}

/// How a namespace is watched, and how that goes.
struct Feed {
    api: Api<Watched>,
    namespace: String,
    stream: Option<BoxStream<'static, watcher::Result<Event<Watched>>>>,
    streaming: bool,
    initial: bool,
    failures: u32,
}

/// What of an event is kept, if anything: nothing of an object without a name, which no reference could be made to, and of
/// others all but their managed fields, which are most of them and serve nobody here.
pub fn usable(event: Event<Watched>) -> Option<Event<Watched>> {
    match &event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) if object.meta().name.is_none() => None,
        _ => Some(event.modify(|object| object.managed_fields_mut().clear())),
    }
}

/// What one namespace's watch brings, for ever. Errors are told here, and waited out.
fn events(api: Api<Watched>, namespace: String) -> BoxStream<'static, Event<Watched>> {
    let feed = Feed { api, namespace, stream: None, streaming: true, initial: true, failures: 0 };
    futures::stream::unfold(feed, |mut feed| async {
        let event = feed.next().await;
        Some((event, feed))
    })
    .boxed()
}

impl Feed {
    async fn next(&mut self) -> Event<Watched> {
        loop {
            let config = watcher::Config::default().timeout(WATCH_SECONDS);
            let config = if self.streaming { config.streaming_lists() } else { config };
            let api = self.api.clone();
            let stream = self.stream.get_or_insert_with(|| watcher(api, config).boxed());
            match stream.next().await {
                Some(Ok(event)) => {
                    self.failures = 0;
                    match event {
                        Event::Init => self.initial = true,
                        // What could not be streamed this time may be the next.
                        Event::InitDone => (self.initial, self.streaming) = (false, true),
                        Event::Apply(_) | Event::Delete(_) | Event::InitApply(_) => {}
                    }
                    if let Some(event) = usable(event) {
                        return event;
                    }
                    warn!("the API server sent a resource without a name; it is passed over");
                }
                Some(Err(error)) => self.recover(&error).await,
                None => self.stream = None,
            }
        }
    }

    async fn recover(&mut self, error: &watcher::Error) {
        let code = status_of(error);
        // An API server that cannot stream lists says so in many ways; a plain list it can always do.
        if self.initial && self.streaming && !matches!(code, Some(401 | 403 | 404 | 410)) {
            debug!(%error, "the API server does not stream the list; listing plainly");
            self.streaming = false;
        }
        // Never from where it was: that version may be gone, or the server be back from an older backup, in which it does
        // not exist yet.
        self.stream = None;
        self.initial = true;
        self.failures = self.failures.saturating_add(1);
        self.tell(error, code);
        let longest =
            Duration::from_millis(200).saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST_PAUSE);
        tokio::time::sleep(longest.mul_f64(0.5 + 0.5 * dice())).await;
    }

    /// One line when it begins, and now and then while it lasts.
    fn tell(&self, error: &watcher::Error, code: Option<u16>) {
        if !self.failures.is_power_of_two() {
            return;
        }
        let place = match self.namespace.as_str() {
            "" => "in all namespaces".to_owned(),
            namespace => format!("in namespace {namespace}"),
        };
        let resource = "directconnectconnections.directconnect-operator.dev";
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => super::words(error),
            other => other.to_string(),
        };
        match code {
            Some(404) => error!(
                "the API server knows no {resource}: install the CRD (`directconnect-operator crd | kubectl apply --server-side -f -`). It is tried again by itself"
            ),
            Some(403) => error!(
                "the operator's service account may not list and watch {resource} {place}: grant it list and watch. It is tried again by itself: {error}"
            ),
            Some(401) => error!(
                "the API server does not accept the operator's credentials: {error}. It is tried again by itself"
            ),
            _ => warn!("watching {resource} {place} was interrupted: {error}. It goes on by itself"),
        }
    }
}

fn status_of(error: &watcher::Error) -> Option<u16> {
    let of = |error: &kube::Error| match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    };
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => of(error),
        watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}

/// Several watches as one. A list of one namespace becomes a list of all: what the others have is in the store already.
struct Merge {
    /// Namespaces that have not been listed yet; until there are none, nothing goes out.
    unlisted: HashSet<String>,
    /// Lists that are coming in, by namespace.
    incoming: HashMap<String, HashMap<Reference, Watched>>,
}

impl Merge {
    fn new(namespaces: HashSet<String>) -> Self {
        Self { unlisted: namespaces, incoming: HashMap::new() }
    }

    fn take(&mut self, namespace: &str, event: Event<Watched>, store: &Store<Watched>) -> Vec<Event<Watched>> {
        let waiting = !self.unlisted.is_empty();
        let incoming = self.incoming.entry(namespace.to_owned()).or_default();
        match event {
            Event::Init => incoming.clear(),
            Event::InitDone => {
                self.unlisted.remove(namespace);
                if self.unlisted.is_empty() {
                    return self.whole(if waiting { None } else { Some(namespace) }, store);
                }
            }
            Event::Apply(object) if !waiting => return vec![Event::Apply(object)],
            Event::Delete(object) if !waiting => return vec![Event::Delete(object)],
            Event::InitApply(object) | Event::Apply(object) => {
                incoming.insert(Reference::from_obj(&object), object);
            }
            Event::Delete(object) => {
                incoming.remove(&Reference::from_obj(&object));
            }
        }
        Vec::new()
    }

    /// A list of everything: what has just come in, of one namespace or of all, and what is known of the others.
    fn whole(&mut self, namespace: Option<&str>, store: &Store<Watched>) -> Vec<Event<Watched>> {
        let (fresh, known) = match namespace {
            None => (std::mem::take(&mut self.incoming).into_values().flatten().collect(), Vec::new()),
            Some("") => (self.incoming.remove("").unwrap_or_default(), Vec::new()),
            Some(namespace) => (
                self.incoming.remove(namespace).unwrap_or_default(),
                store.state_filter(|object| object.namespace().as_deref() != Some(namespace)),
            ),
        };
        let known = known.into_iter().map(Arc::unwrap_or_clone);
        let objects = fresh.into_values().chain(known).map(Event::InitApply);
        [Event::Init].into_iter().chain(objects).chain([Event::InitDone]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use serde_json::json;
    use std::sync::mpsc;

    fn object(number: usize, generation: i64) -> Watched {
        let object = json!({
            "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
            "metadata": { "name": format!("line-{number}"), "namespace": "namespace", "generation": generation },
            "spec": { "connectionId": format!("dxcon-{number:08}") },
        });
        serde_json::from_value(object).expect("a resource")
    }

    #[test]
    fn whoever_is_woken_finds_what_woke_it() {
        let index = Index::new(Some("eu-central-1".into()), Metrics::new());
        let (mut woken, mut store) = (index.attach(), Writer::default());
        let (reader, (finds, found)) = (store.as_reader(), mpsc::channel());
        std::thread::spawn(move || {
            while let Some(reference) = woken.blocking_recv() {
                let _ = finds.send(reader.get(&reference).map(|object| object.meta().generation));
            }
        });
        for generation in 1..=40 {
            let objects = (0..200).map(|number| object(number, generation));
            if generation % 2 == 0 {
                objects.for_each(|object| take_in(&[Event::Apply(object)], &index, &mut store));
            } else {
                let list: Vec<_> = [Event::Init].into_iter().chain(objects.map(Event::InitApply)).collect();
                take_in(&[list, vec![Event::InitDone]].concat(), &index, &mut store);
            }
            index.wake(&[Reference::new("nobody")]);
            let mut finds = 0;
            while let Some(seen) = found.recv_timeout(Duration::from_secs(30)).expect("all are woken") {
                assert_eq!(seen, Some(generation));
                finds += 1;
            }
            assert!(finds >= 200, "{finds}");
        }
    }
}
