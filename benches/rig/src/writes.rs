//! What the API server tells of resources as it happens, by a watch of one namespace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::resources::{Api, Resource, is_ready};

/// How long one watch lasts before the next takes over where it ended; the API server ends none sooner.
const WATCH_SECONDS: u32 = 290;

/// What a watch has told so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Changes of resources, whoever made them. Nobody but who is measured changes any while it is measured, except where a
    /// scenario says so.
    pub writes: usize,
    /// When the first of them was seen.
    pub first: Option<Instant>,
    /// When the last of them was seen.
    pub last: Option<Instant>,
    /// By name: the newest generation whose status was seen ready, and when that was seen first.
    pub ready: HashMap<String, (i64, Instant)>,
}

/// A watch of the resources of a namespace; it ends with this value.
#[derive(Debug)]
pub struct Writes {
    seen: Arc<Mutex<Seen>>,
    news: watch::Receiver<()>,
    task: AbortHandle,
}

impl Writes {
    /// Watches from now on.
    pub async fn follow(api: Api) -> Self {
        let listed = api.list_metadata(&ListParams::default().limit(1)).await.expect("resources can be listed");
        let version = listed.metadata.resource_version.expect("a list has a resource version");
        let seen = Arc::<Mutex<Seen>>::default();
        let (told, news) = watch::channel(());
        let task = tokio::spawn(run(api, version, Arc::clone(&seen), told)).abort_handle();
        Self { seen, news, task }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.with(Seen::clone)
    }

    /// Waits until what was seen has this in it.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub async fn until<T>(&self, deadline: Duration, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let mut news = self.news.clone();
        let waiting = async {
            loop {
                news.borrow_and_update();
                if let Some(found) = self.with(&look) {
                    return found;
                }
                assert!(news.changed().await.is_ok(), "the watch ended while {what} was waited for");
            }
        };
        let found = timeout(deadline, waiting).await;
        found.unwrap_or_else(|_| {
            let Seen { writes, ready, .. } = self.seen();
            panic!("waited {deadline:?} for {what}; seen: {writes} writes, {} resources ready", ready.len())
        })
    }

    /// Waits until so many resources are ready, and tells when the last of them was.
    pub async fn ready(&self, deadline: Duration, count: usize) -> Instant {
        self.until(deadline, &format!("{count} resources to be ready"), |seen| {
            if seen.ready.len() < count { None } else { seen.ready.values().map(|(_, at)| *at).max() }
        })
        .await
    }

    fn with<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(api: Api, mut version: String, seen: Arc<Mutex<Seen>>, told: watch::Sender<()>) {
    let parameters = WatchParams::default().timeout(WATCH_SECONDS);
    loop {
        // A watch that cannot begin is tried again; who waits has a deadline.
        if let Ok(events) = api.watch(&parameters, &version).await {
            let mut events = events.boxed();
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Modified(resource) => {
                        if let Some(newer) = &resource.metadata.resource_version {
                            version.clone_from(newer);
                        }
                        note(&mut seen.lock().unwrap_or_else(PoisonError::into_inner), &resource);
                        told.send_replace(());
                    }
                    WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                    // The resources are made before anybody watches, and stay.
                    WatchEvent::Added(_) | WatchEvent::Deleted(_) | WatchEvent::Error(_) => {}
                }
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn note(seen: &mut Seen, resource: &Resource) {
    let now = Instant::now();
    seen.writes += 1;
    seen.first.get_or_insert(now);
    seen.last = Some(now);
    let Some(generation) = resource.metadata.generation.filter(|generation| is_ready(resource, *generation)) else {
        return;
    };
    let name = resource.metadata.name.clone().unwrap_or_default();
    let known = seen.ready.get(&name).is_some_and(|(known, _)| *known >= generation);
    if !known {
        seen.ready.insert(name, (generation, now));
    }
}
