//! Records changes of resources by a watch of one namespace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::resources::{Api, Resource, is_ready};

/// The duration of one watch. The next one continues where it ended, so no change is missed.
const WATCH_SECONDS: u32 = 290;

/// What the watch has shown so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The number of changes of resources by anyone. During a measurement only the measured program makes changes,
    /// unless the scenario says otherwise.
    pub writes: usize,
    /// When the first of them was seen.
    pub first: Option<Instant>,
    /// When the last of them was seen.
    pub last: Option<Instant>,
    /// By name: the newest generation whose status was seen ready, and when that was first seen.
    pub ready: HashMap<String, (i64, Instant)>,
}

/// A watch of the resources of a namespace. It ends with this value.
#[derive(Debug)]
pub struct Writes {
    seen: Arc<Mutex<Seen>>,
    changes: watch::Receiver<()>,
    task: AbortHandle,
}

impl Writes {
    /// Begins to watch.
    pub async fn follow(api: Api) -> Self {
        let listed = api.list_metadata(&ListParams::default().limit(1)).await.expect("resources can be listed");
        let version = listed.metadata.resource_version.expect("a list has a resource version");
        let seen = Arc::<Mutex<Seen>>::default();
        let (sender, changes) = watch::channel(());
        let task = tokio::spawn(run(api, version, Arc::clone(&seen), sender)).abort_handle();
        Self { seen, changes, task }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.with(Seen::clone)
    }

    /// Waits until a condition holds for what was seen.
    ///
    /// # Panics
    ///
    /// If the deadline passes first.
    pub async fn until<T>(&self, deadline: Duration, what: &str, read: impl Fn(&Seen) -> Option<T>) -> T {
        let mut changes = self.changes.clone();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = self.with(&read) {
                    return found;
                }
                assert!(changes.changed().await.is_ok(), "the watch ended while {what} was waited for");
            }
        };
        let found = timeout(deadline, waiting).await;
        found.unwrap_or_else(|_| {
            let Seen { writes, ready, .. } = self.seen();
            panic!("waited {deadline:?} for {what}; seen: {writes} writes, {} resources ready", ready.len())
        })
    }

    /// Waits until this many resources are ready, and returns when the last of them was.
    pub async fn ready(&self, deadline: Duration, count: usize) -> Instant {
        self.until(deadline, &format!("{count} resources to be ready"), |seen| {
            if seen.ready.len() < count { None } else { seen.ready.values().map(|(_, at)| *at).max() }
        })
        .await
    }

    fn with<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(api: Api, mut version: String, seen: Arc<Mutex<Seen>>, sender: watch::Sender<()>) {
    let parameters = WatchParams::default().timeout(WATCH_SECONDS);
    loop {
        // A watch that fails to start is tried again; the callers have a deadline.
        if let Ok(events) = api.watch(&parameters, &version).await {
            let mut events = events.boxed();
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Modified(resource) => {
                        if let Some(newer) = &resource.metadata.resource_version {
                            version.clone_from(newer);
                        }
                        note(&mut seen.lock().unwrap_or_else(PoisonError::into_inner), &resource);
                        sender.send_replace(());
                    }
                    WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                    // The resources exist before the watch begins, and stay.
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
