//! The watch on resources in all or some namespaces, merged into one stream and one store.

mod feed;
mod interruptions;
mod rewind;

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::select_all;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource as _, ResourceExt};
use tokio::sync::watch;
use tracing::info;

pub use self::interruptions::{Interruptions, MAX_INTERRUPTION};
pub use self::rewind::until_rewound;

use self::feed::Feed;
use self::rewind::went_back;
use super::claims::Claims;
use super::{Reference, Watched};
use crate::state::Wakeup;

/// Whether the resources have been listed, and a way to request a new list. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// How many times a new list was requested.
    requested: watch::Sender<u64>,
    /// The newest request that the lists of all namespaces fulfil; `None` until all have been listed.
    served: watch::Sender<Option<u64>>,
}

impl Listed {
    /// Whether every watched namespace has been listed.
    pub fn is_done(&self) -> bool {
        self.served.borrow().is_some()
    }

    /// Requests a new list of every watched namespace. The future resolves once store and claims have applied lists
    /// that all began after this call, and so include everything written before it.
    ///
    /// If no list has begun yet, the first one fulfils the request. So a process that calls this before it runs the
    /// watch lists only once.
    pub fn relist(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut request = 0;
        self.requested.send_modify(|requests| {
            *requests += 1;
            request = *requests;
        });
        let sender = self.served.clone();
        async move {
            // This cannot fail: `sender` is alive.
            let _ = sender.subscribe().wait_for(|served| served.is_some_and(|served| served >= request)).await;
        }
    }
}

/// Runs the watch, and keeps the store and the claims up to date. Returns only if a list shows an object whose resource
/// version went backwards; the text says so.
///
/// If `namespaces` is empty, all are watched.
pub async fn run(
    client: Client,
    namespaces: Vec<String>,
    mut store: Writer<Watched>,
    claims: Arc<Claims>,
    listed: Listed,
    interruptions: Interruptions,
) -> String {
    let apis: Vec<(String, Api<Watched>)> = if namespaces.is_empty() {
        vec![(String::new(), Api::all(client))]
    } else {
        let within = |name: String| (name.clone(), Api::namespaced(client.clone(), &name));
        namespaces.into_iter().map(within).collect()
    };
    let mut merge = Merge::new(apis.iter().map(|(namespace, _)| namespace.clone()));
    let streams = apis.into_iter().map(|(namespace, api)| {
        let feed = Feed::new(api, namespace.clone(), listed.requested.subscribe(), interruptions.clone());
        futures::stream::unfold((feed, namespace), |(mut feed, namespace)| async {
            let (request, event) = feed.next().await;
            Some(((namespace.clone(), request, event), (feed, namespace)))
        })
        .boxed()
    });
    let mut events = select_all(streams);
    let reader = store.as_reader();
    while let Some((namespace, request, event)) = events.next().await {
        if let Event::InitApply(object) = &event
            && let Some(known) = reader.get(&Reference::from_obj(object))
            && let Some(went_back) = went_back(&known, object)
        {
            return went_back;
        }
        let ends_list = matches!(event, Event::InitDone);
        apply_events(merge.take(&namespace, request, event, &reader), &claims, &mut store);
        if ends_list
            && let Some(served) = merge.served()
            && listed.served.send_replace(Some(served)).is_none()
        {
            info!("resources are listed");
        }
    }
    String::new()
}

/// Applies events to the claims and the store, and then wakes the affected resources.
fn apply_events(events: Vec<Event<Watched>>, claims: &Claims, store: &mut Writer<Watched>) {
    let (mut affected, reader) = (Vec::new(), store.as_reader());
    // Each event is dropped after it was applied: the store keeps a copy, and there may be thousands.
    for event in events {
        let stored = match &event {
            Event::Apply(object) | Event::InitApply(object) => reader.get(&Reference::from_obj(object)),
            Event::Delete(_) | Event::Init | Event::InitDone => None,
        };
        affected.extend(claims.note(&event, stored.as_deref()));
        store.apply_watcher_event(&event);
    }
    claims.wake(&Wakeup::Resources(affected));
}

/// The namespace of a watch in words; an empty one stands for all.
fn place(namespace: &str) -> String {
    if namespace.is_empty() { "in all namespaces".to_owned() } else { format!("in namespace {namespace}") }
}

/// Drops events of objects without a name, since no reference can be made to them.
pub fn usable(event: Event<Watched>) -> Option<Event<Watched>> {
    match &event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) if object.meta().name.is_none() => None,
        _ => Some(event),
    }
}

/// Merges several watches into one. The first lists of all namespaces are passed on as one list. Later lists of a
/// namespace are passed on as the changes that they show.
struct Merge {
    /// For each namespace, the request that its last complete list fulfils; `None` before the first.
    served: HashMap<String, Option<u64>>,
    /// For each namespace, the list that is being received.
    incoming: HashMap<String, HashMap<Reference, Watched>>,
    /// Whether the first lists have been passed on. Nothing is passed on before that.
    is_complete: bool,
}

impl Merge {
    fn new(namespaces: impl Iterator<Item = String>) -> Self {
        let served = namespaces.map(|namespace| (namespace, None)).collect();
        Self { served, incoming: HashMap::new(), is_complete: false }
    }

    /// The newest request that the lists of all namespaces fulfil.
    fn served(&self) -> Option<u64> {
        self.served.values().copied().min().flatten()
    }

    fn take(
        &mut self,
        namespace: &str,
        request: u64,
        event: Event<Watched>,
        store: &Store<Watched>,
    ) -> Vec<Event<Watched>> {
        let incoming = self.incoming.entry(namespace.to_owned()).or_default();
        match event {
            Event::Init => {
                incoming.clear();
                if !self.is_complete {
                    // The namespace is listed again before its earlier list was passed on, so that one no longer
                    // counts.
                    self.served.insert(namespace.to_owned(), None);
                }
            }
            Event::InitDone => {
                self.served.insert(namespace.to_owned(), Some(request));
                if self.is_complete {
                    let list = self.incoming.remove(namespace).unwrap_or_default();
                    return changes(namespace, list, store);
                }
                if self.served().is_some() {
                    self.is_complete = true;
                    let objects = std::mem::take(&mut self.incoming).into_values().flatten();
                    let objects = objects.map(|(_, object)| Event::InitApply(object));
                    return [Event::Init].into_iter().chain(objects).chain([Event::InitDone]).collect();
                }
            }
            Event::Apply(object) if self.is_complete => return vec![Event::Apply(object)],
            Event::Delete(object) if self.is_complete => return vec![Event::Delete(object)],
            Event::InitApply(object) | Event::Apply(object) => {
                incoming.insert(Reference::from_obj(&object), object);
            }
            Event::Delete(object) => {
                incoming.remove(&Reference::from_obj(&object));
            }
        }
        Vec::new()
    }
}

/// The changes that a complete list of a namespace (empty: of all) shows, in the order of their versions: of two resources of a
/// circuit the one that was changed first comes first, so that no wish is seen that neither had. Deletions come last, so that a
/// circuit that was handed from one resource to another is never without a resource in between.
fn changes(namespace: &str, list: HashMap<Reference, Watched>, store: &Store<Watched>) -> Vec<Event<Watched>> {
    let gone = store.state_filter(|known| {
        (namespace.is_empty() || known.namespace().as_deref() == Some(namespace))
            && !list.contains_key(&Reference::from_obj(known))
    });
    let gone = gone.into_iter().map(|known| Event::Delete(Arc::unwrap_or_clone(known)));
    let mut list: Vec<Watched> = list.into_values().collect();
    list.sort_by_key(Watched::version);
    list.into_iter().map(Event::Apply).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use directconnect_core::identity::ResourceId;
    use serde_json::json;
    use std::sync::mpsc;
    use std::time::Duration;

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
        let claims = Claims::for_tests();
        let (mut woken, mut store) = (claims.attach(), Writer::default());
        let (reader, (finds, found)) = (store.as_reader(), mpsc::channel());
        std::thread::spawn(move || {
            while let Some(reference) = woken.blocking_recv() {
                let _ = finds.send(reader.get(&reference).map(|object| object.meta().generation));
            }
        });
        for generation in 1..=40 {
            let objects = (0..200).map(|number| object(number, generation));
            if generation % 2 == 0 {
                objects.for_each(|object| apply_events(vec![Event::Apply(object)], &claims, &mut store));
            } else {
                let list: Vec<_> = [Event::Init].into_iter().chain(objects.map(Event::InitApply)).collect();
                apply_events([list, vec![Event::InitDone]].concat(), &claims, &mut store);
            }
            claims.wake(&Wakeup::Resources(vec![ResourceId::new("", "nobody")]));
            let mut finds = 0;
            while let Some(seen) = found.recv_timeout(Duration::from_secs(30)).expect("all are woken") {
                assert_eq!(seen, Some(generation));
                finds += 1;
            }
            assert!(finds >= 200, "{finds}");
        }
    }

    #[test]
    fn a_list_that_is_made_anew_brings_changes_in_the_order_in_which_they_were_made() {
        let version = |number: usize| 1 + number * 7 % 40;
        let versioned = |number| {
            let mut object = object(number, 1);
            object.meta_mut().resource_version = Some(version(number).to_string());
            (Reference::from_obj(&object), object)
        };
        let changes = changes("", (0..40).map(versioned).collect(), &Writer::default().as_reader());
        let order = changes.into_iter().map(|event| match event {
            Event::Apply(object) => object.version(),
            other => panic!("{other:?}"),
        });
        assert_eq!(order.collect::<Vec<_>>(), (1..=40).collect::<Vec<u64>>());
    }

    fn in_namespace(namespace: &str, name: &str) -> Watched {
        let mut object = object(0, 1);
        (object.meta_mut().namespace, object.meta_mut().name) = (Some(namespace.into()), Some(name.into()));
        object
    }

    fn names(store: &Store<Watched>) -> Vec<String> {
        let mut names: Vec<_> = store.state().iter().map(|object| object.id().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn lists_of_namespaces_go_out_once_all_are_whole_and_later_each_changes_its_own() {
        let claims = Claims::for_tests();
        let mut store = Writer::default();
        let mut merge = Merge::new(["a", "b"].map(String::from).into_iter());
        let mut after = |namespace: &str, request, event| {
            let reader = store.as_reader();
            apply_events(merge.take(namespace, request, event, &reader), &claims, &mut store);
            (names(&reader), merge.served())
        };
        let listed = |name: &str| Event::InitApply(in_namespace(&name[..1], name));
        after("a", 0, Event::Init);
        after("a", 0, listed("a1"));
        after("a", 0, Event::InitDone);
        // This list breaks off and begins again while the other is still being received.
        after("a", 0, Event::Init);
        after("b", 0, Event::Init);
        after("b", 0, listed("b1"));
        assert_eq!(after("b", 0, Event::InitDone), (vec![], None), "one of them is not whole");
        after("a", 1, listed("a2"));
        assert_eq!(after("a", 1, Event::InitDone), (vec!["a/a2".into(), "b/b1".into()], Some(0)));

        after("b", 1, Event::Init);
        after("b", 1, listed("b2"));
        assert_eq!(after("b", 0, Event::Init).0, ["a/a2", "b/b1"], "a list that broke off changes nothing");
        after("b", 2, listed("b3"));
        let all = vec!["a/a2".to_owned(), "b/b3".to_owned()];
        assert_eq!(after("b", 2, Event::InitDone), (all, Some(1)), "it holds for all what holds for each");
        let gone = Event::Delete(in_namespace("a", "a2"));
        assert_eq!(after("a", 1, gone).0, ["b/b3"]);
    }

    #[test]
    fn what_happens_in_one_namespace_while_another_is_still_listed_is_part_of_the_first_list() {
        let claims = Claims::for_tests();
        let mut store = Writer::default();
        let mut merge = Merge::new(["a", "b"].map(String::from).into_iter());
        let mut after = |namespace: &str, event| {
            let reader = store.as_reader();
            apply_events(merge.take(namespace, 0, event, &reader), &claims, &mut store);
            names(&reader)
        };
        let object = |name: &str| in_namespace(&name[..1], name);
        for event in [
            Event::Init,
            Event::InitApply(object("a1")),
            Event::InitApply(object("a2")),
            Event::InitDone,
            Event::Apply(object("a3")),
            Event::Delete(object("a1")),
        ] {
            assert_eq!(after("a", event), [""; 0], "nothing goes out before all are whole");
        }
        after("b", Event::Init);
        assert_eq!(after("b", Event::InitDone), ["a/a2", "a/a3"]);
    }

    #[test]
    fn an_object_without_a_name_is_passed_over() {
        let mut nameless = object(0, 1);
        nameless.meta_mut().name = None;
        for event in [Event::Apply, Event::InitApply, Event::Delete] {
            assert!(usable(event(nameless.clone())).is_none());
            assert!(usable(event(object(0, 1))).is_some());
        }
    }
}
