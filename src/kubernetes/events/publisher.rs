//! Writes events to the API server.
//!
//! The recorder of kube-runtime is not used: it tells events of one object apart by their reason alone, so a second rename
//! would show the note of the first; it never writes one again that somebody has deleted; and it names events after
//! their object, which the API server refuses for long names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
/// Time limit for writing an event. Nothing waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest `reportingInstance`, in bytes (`events.k8s.io/v1`).
const INSTANCE_LIMIT: usize = 128;
/// How many bytes of the object's name an event's name has, which ends with a dot and 16 hexadecimal digits.
const NAME_LIMIT: usize = 253 - 17;

/// Publishes events. A failure to write one is only logged.
#[derive(Clone)]
pub struct EventPublisher {
    client: Client,
    /// This process.
    instance: String,
    /// By the uid of the object.
    published: Arc<Mutex<HashMap<(String, EventSpec), Published>>>,
}

/// An event that was written.
#[derive(Clone)]
struct Published {
    name: String,
    count: i32,
    last: Instant,
}

impl EventPublisher {
    /// A publisher of the process `instance`.
    pub fn new(client: Client, instance: &str) -> Self {
        let instance = text::cut_bytes(instance, INSTANCE_LIMIT).to_owned();
        Self { client, instance, published: Arc::default() }
    }

    /// Publishes these events of an object in their order, in the background.
    pub fn publish(&self, object: &Watched, news: Vec<EventSpec>) {
        if news.is_empty() {
            return;
        }
        let (publisher, about) = (self.clone(), ObjectReference::from(object.to_object_ref(())));
        tokio::spawn(async move {
            for one in news {
                let reason = one.reason;
                match tokio::time::timeout(WRITE_TIMEOUT, publisher.write(&about, one)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(error = super::super::words(&error), reason, "an event was not written"),
                    Err(_) => debug!(reason, "an event was not written in time"),
                }
            }
        });
    }

    /// Counts the event up if it was written lately and is still there. Else creates it.
    async fn write(&self, about: &ObjectReference, news: EventSpec) -> kube::Result<()> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), about.namespace.as_deref().unwrap_or("default"));
        let key = (about.uid.clone().unwrap_or_default(), news.clone());
        let now = Timestamp::now();
        let known = {
            let mut published = self.published.lock();
            published.retain(|_, known| known.last.elapsed() < SERIES);
            published.get(&key).cloned()
        };
        let written = match known {
            Some(Published { name, count, .. }) => {
                let count = count + 1;
                let series = json!({ "series": { "count": count, "lastObservedTime": MicroTime(now) } });
                match api.patch(&name, &PatchParams::default(), &Patch::Merge(&series)).await {
                    Ok(_) => Published { name, count, last: Instant::now() },
                    Err(kube::Error::Api(gone)) if gone.code == 404 => self.create(&api, about, news, now).await?,
                    Err(error) => return Err(error),
                }
            }
            None => self.create(&api, about, news, now).await?,
        };
        self.published.lock().insert(key, written);
        Ok(())
    }

    async fn create(
        &self,
        api: &Api<Event>,
        about: &ObjectReference,
        news: EventSpec,
        now: Timestamp,
    ) -> kube::Result<Published> {
        let object = about.name.as_deref().unwrap_or_default();
        let object = text::cut_bytes(object, NAME_LIMIT).trim_end_matches(['-', '.']);
        let name = format!("{object}.{:016x}", now.as_nanosecond());
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(text::cut_bytes(&news.note, NOTE_LIMIT).to_owned()),
            reason: Some(news.reason.to_owned()),
            regarding: Some(about.clone()),
            reporting_controller: Some(env!("CARGO_PKG_NAME").to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        };
        api.create(&PostParams::default(), &event).await?;
        Ok(Published { name, count: 1, last: Instant::now() })
    }
}
