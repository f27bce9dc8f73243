//! Writes events to the API server.
//!
//! The recorder of kube-runtime is not used: it tells events of one object apart by their reason alone, so a second rename
//! would show the note of the first; it never writes one again that somebody has deleted; and it names events after
//! their object, which the API server refuses for long names.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::reflector::Lookup;
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tracing::debug;

use super::super::Watched;
use super::{EventSpec, NOTE_LIMIT};
use directconnect_core::text;

/// If the same event happens again within this time, it is counted up.
const SERIES: Duration = Duration::from_mins(6);
/// Time limit for one try to write an event. No pass waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause between two tries to write an event; each is longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long the pauses may be together. After that, the event is lost.
const ALL_PAUSES: Duration = Duration::from_mins(2);
/// How many events may wait to be written. Further ones are lost.
const MAX_WAITING: usize = 10_000;
/// Longest `reportingInstance`, in bytes (`events.k8s.io/v1`).
const INSTANCE_LIMIT: usize = 128;
/// How many bytes of the object's name an event's name has, which ends with a dot and 16 hexadecimal digits.
const NAME_LIMIT: usize = 253 - 17;

/// Publishes events, those of one object in their order. One that cannot be written for too long is lost, and logged.
#[derive(Clone)]
pub struct EventPublisher {
    client: Client,
    /// This process.
    instance: String,
    queues: Arc<Mutex<Queues>>,
    published: Arc<Mutex<HashMap<Key, Published>>>,
}

/// An event by the uid of its object.
type Key = (String, EventSpec);

/// The events that wait, by the uid of their object. As long as an object has a queue, a task writes what is in it.
#[derive(Default)]
struct Queues {
    of: HashMap<String, VecDeque<Waiting>>,
    length: usize,
}

/// An event that waits to be written.
struct Waiting {
    news: EventSpec,
    /// When it happened.
    at: Timestamp,
}

/// An event that was written.
#[derive(Clone)]
struct Published {
    name: String,
    count: i32,
    last: Instant,
}

/// Why an event was not written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("{}", super::super::words(.0))]
    Failed(#[from] kube::Error),
    #[error("the API server did not answer within {} s", WRITE_TIMEOUT.as_secs())]
    Silent,
}

impl EventPublisher {
    /// A publisher of the process `instance`.
    pub fn new(client: Client, instance: &str) -> Self {
        let instance = text::cut_bytes(instance, INSTANCE_LIMIT).to_owned();
        Self { client, instance, queues: Arc::default(), published: Arc::default() }
    }

    /// Publishes these events of an object in their order, in the background.
    pub fn publish(&self, object: &Watched, news: Vec<EventSpec>) {
        let about = ObjectReference::from(object.to_object_ref(()));
        let waiting = news.into_iter().map(|news| Waiting { news, at: Timestamp::now() });
        if self.queues.lock().push(object.uid(), waiting) {
            let publisher = self.clone();
            tokio::spawn(async move { publisher.write_queue(&about).await });
        }
    }

    /// Writes what waits for an object until nothing is left.
    async fn write_queue(&self, about: &ObjectReference) {
        let uid = about.uid.as_deref().unwrap_or_default();
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(MAX_PAUSE);
        let pauses = pauses.with_total_delay(Some(ALL_PAUSES)).without_max_times().with_jitter();
        while let Some(waiting) = { self.queues.lock().pop(uid) } {
            let write = || self.write(about, &waiting);
            if let Err(error) = write.retry(pauses).when(Unwritten::may_pass).await {
                debug!(%error, reason = waiting.news.reason, "an event was not written");
            }
        }
    }

    /// Counts the event up if it was written lately and is still there. Else creates it.
    async fn write(&self, about: &ObjectReference, Waiting { news, at }: &Waiting) -> Result<(), Unwritten> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), about.namespace.as_deref().unwrap_or("default"));
        let key = (about.uid.clone().unwrap_or_default(), news.clone());
        let known = {
            let mut published = self.published.lock();
            published.retain(|_, known| known.last.elapsed() < SERIES);
            published.get(&key).cloned()
        };
        let write = async {
            let Some(Published { name, count, .. }) = known else { return self.create(&api, about, news, *at).await };
            let count = count + 1;
            let series = json!({ "series": { "count": count, "lastObservedTime": MicroTime(*at) } });
            match api.patch(&name, &PatchParams::default(), &Patch::Merge(&series)).await {
                Ok(_) => Ok(Published { name, count, last: Instant::now() }),
                Err(kube::Error::Api(gone)) if gone.code == 404 => self.create(&api, about, news, *at).await,
                Err(error) => Err(error),
            }
        };
        let written = tokio::time::timeout(WRITE_TIMEOUT, write).await.map_err(|_| Unwritten::Silent)??;
        self.published.lock().insert(key, written);
        Ok(())
    }

    async fn create(
        &self,
        api: &Api<Event>,
        about: &ObjectReference,
        news: &EventSpec,
        at: Timestamp,
    ) -> kube::Result<Published> {
        let object = about.name.as_deref().unwrap_or_default();
        let object = text::cut_bytes(object, NAME_LIMIT).trim_end_matches(['-', '.']);
        let name = format!("{object}.{:016x}", at.as_nanosecond());
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(at)),
            note: Some(text::cut_bytes(&news.note, NOTE_LIMIT).to_owned()),
            reason: Some(news.reason.to_owned()),
            regarding: Some(about.clone()),
            reporting_controller: Some(env!("CARGO_PKG_NAME").to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        };
        match api.create(&PostParams::default(), &event).await {
            // An earlier try was stored, and only its answer was lost.
            Err(kube::Error::Api(exists)) if exists.code == 409 => {}
            created => drop(created?),
        }
        Ok(Published { name, count: 1, last: Instant::now() })
    }
}

impl Queues {
    /// Adds events of an object, as far as there is room. Returns whether nobody writes its events yet.
    fn push(&mut self, uid: &str, waiting: impl IntoIterator<Item = Waiting>) -> bool {
        let begun = self.of.contains_key(uid);
        for waiting in waiting {
            if self.length == MAX_WAITING {
                debug!(reason = waiting.news.reason, "too many events wait, so this one is not written");
                continue;
            }
            self.of.entry(uid.to_owned()).or_default().push_back(waiting);
            self.length += 1;
        }
        !begun && self.of.contains_key(uid)
    }

    /// The next event of an object. If there is none, its queue ends.
    fn pop(&mut self, uid: &str) -> Option<Waiting> {
        let next = self.of.get_mut(uid).and_then(VecDeque::pop_front);
        match next {
            Some(_) => self.length -= 1,
            None => drop(self.of.remove(uid)),
        }
        next
    }
}

impl Unwritten {
    /// Whether the same write may succeed later. What the API server refuses for good is not tried again.
    fn may_pass(&self) -> bool {
        match self {
            Self::Failed(kube::Error::Api(refused)) => refused.code == 429 || refused.code >= 500,
            Self::Failed(_) | Self::Silent => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(note: usize) -> Waiting {
        Waiting { news: EventSpec::normal("Renamed", note.to_string()), at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn events_of_an_object_wait_in_their_order_and_one_task_writes_them() {
        let mut queues = Queues::default();
        assert!(!queues.push("a", []), "there is nothing to write");
        assert!(queues.push("a", [waiting(0), waiting(1)]) && queues.push("b", [waiting(2)]));
        assert!(!queues.push("a", [waiting(3)]), "they are being written");
        let mut notes = || queues.pop("a").map(|waiting| waiting.news.note);
        assert_eq!([notes(), notes(), notes(), notes()], [Some("0".into()), Some("1".into()), Some("3".into()), None]);
        assert!(queues.push("a", [waiting(4)]), "all were written");
    }

    #[test]
    fn no_more_events_wait_than_there_is_room_for() {
        let mut queues = Queues::default();
        queues.push("a", (0..MAX_WAITING - 1).map(waiting));
        assert!(queues.push("b", [waiting(0), waiting(1)]));
        assert!(!queues.push("c", [waiting(2)]));
        assert_eq!((queues.length, queues.of["b"].len()), (MAX_WAITING, 1));
        queues.pop("b");
        assert!(queues.push("c", [waiting(3)]), "there is room again");
    }
}
