//! A new list contains everything that was written before it was requested.

use directconnect_operator::kubernetes::watch::{self, Interruptions, Listed};
use directconnect_operator::kubernetes::{Reference, Watched};
use directconnect_operator::metrics::Metrics;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use test_support::{Front, Passing, Trouble, World, connection, kubeconfig_via, wait};
use tokio::task::JoinHandle;

/// A watch that reaches the API server through a front.
struct Watch {
    front: Front,
    listed: Listed,
    store: Store<Watched>,
    running: JoinHandle<String>,
}

impl Watch {
    /// Starts when told to, with an administrator's permissions.
    async fn start(world: &World, front: Front, listed: Listed, namespaces: &[&str]) -> Self {
        let path = kubeconfig_via(world.control_plane.kubeconfig(), &front.url(), &world.namespace);
        let kubeconfig = Kubeconfig::read_from(path).expect("the kubeconfig can be read");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let mut config = config.expect("the kubeconfig is whole");
        config.proxy_url = None;
        let client = Client::try_from(config).expect("a client can be made");
        let (writer, claims) = (Writer::default(), crate::cache::claims());
        let store = writer.as_reader();
        let namespaces = namespaces.iter().map(ToString::to_string).collect();
        let interruptions = Interruptions::new(Metrics::new());
        let running = tokio::spawn(watch::run(client, namespaces, writer, claims, listed.clone(), interruptions));
        Self { front, listed, store, running }
    }

    async fn is_listed(&self) {
        wait::until(wait::SOON, "the first list", async || self.listed.is_done()).await;
    }

    /// `spec.connectionName` of a resource, if the watch has delivered it.
    fn name_of(&self, namespace: &str, resource: &str) -> Option<String> {
        let object = self.store.get(&Reference::new(resource).within(namespace))?;
        object.spec.as_ref().expect("it can be read").connection_name.clone()
    }

    fn lists(&self) -> Vec<Passing> {
        let is_list = |it: &Passing| it.reads_resources() && (it.is_streaming_list() || !it.is_watch());
        self.front.seen().into_iter().filter(is_list).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn soon(relisted: impl Future<Output = ()>) {
    tokio::time::timeout(wait::SOON, relisted).await.expect("a new list comes in");
}

async fn world() -> World {
    World::builder().without_operator().build().await
}

/// The watch receives nothing, like one on an API server that is cut off from the others.
#[tokio::test]
async fn a_new_list_holds_what_was_written_a_moment_before_it_was_asked_for() {
    for is_streamed in [true, false] {
        let world = world().await;
        let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
        let streams = Arc::new(AtomicBool::new(false));
        let refuses = Arc::clone(&streams);
        front.trouble(Trouble::status(422, "Invalid", "no streams"), move |request| {
            request.is_streaming_list() && !refuses.load(Ordering::Relaxed)
        });
        front.trouble(Trouble::HangBefore, |request| request.is_watch() && !request.is_streaming_list());
        world.apply(connection("line").id("dxcon-aaaaaaaa").name("one")).await;
        world.apply(connection("goes").id("dxcon-bbbbbbbb").name("one")).await;
        let watch = Watch::start(&world, front, Listed::default(), &[&world.namespace]).await;
        watch.is_listed().await;
        let is_deaf = async || {
            watch
                .front
                .strikes()
                .await
                .query
                .contains("watch=true&timeoutSeconds=20&allowWatchBookmarks=true&resourceVersion=")
        };
        wait::until(wait::SOON, "the watch to be deaf", is_deaf).await;

        streams.store(is_streamed, Ordering::Relaxed);
        world.apply(connection("line").id("dxcon-aaaaaaaa").name("two")).await;
        world.delete("goes").await;
        assert_eq!(watch.name_of(&world.namespace, "line").as_deref(), Some("one"), "the watch is deaf");
        soon(watch.listed.relist()).await;
        assert_eq!(watch.name_of(&world.namespace, "line").as_deref(), Some("two"));
        assert_eq!(watch.name_of(&world.namespace, "goes"), None, "it was deleted");
        for list in watch.lists() {
            let version = list.query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
            assert!(matches!(version, None | Some("")), "it may come from a cache that lags: {list}");
        }
        let streamed = watch.lists().iter().filter(|list| list.is_streaming_list()).count();
        assert_eq!(watch.lists().len() - streamed, if is_streamed { 1 } else { 2 }, "{:#?}", watch.front.seen());
    }
}

#[tokio::test]
async fn a_new_list_is_there_once_every_namespace_has_been_listed_anew() {
    let (world, other) = (world().await, world().await);
    let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
    for (world, id) in [(&world, "dxcon-aaaaaaaa"), (&other, "dxcon-bbbbbbbb")] {
        world.apply(connection("line").id(id).name("one")).await;
    }
    let namespaces = [world.namespace.as_str(), other.namespace.as_str()];
    let watch = Watch::start(&world, front, Listed::default(), &namespaces).await;
    watch.is_listed().await;

    let held = format!("/namespaces/{}/", other.namespace);
    watch.front.trouble(Trouble::Held, move |request| request.reads_resources() && request.path.contains(&held));
    for (world, id) in [(&world, "dxcon-aaaaaaaa"), (&other, "dxcon-bbbbbbbb")] {
        world.apply(connection("line").id(id).name("two")).await;
    }
    let mut relisted = Box::pin(watch.listed.relist());
    watch.front.strikes().await;
    let listed = async || watch.lists().iter().filter(|list| list.path.contains(&world.namespace)).count() == 2;
    wait::until(wait::SOON, "a new list of the first namespace", listed).await;
    let knows = |world: &World| watch.name_of(&world.namespace, "line").as_deref() == Some("two");
    wait::until(wait::SOON, "the first namespace to be known", async || knows(&world)).await;
    assert!(futures::poll!(relisted.as_mut()).is_pending(), "the other has not been listed anew");
    watch.front.clear();
    soon(relisted).await;
    assert!(knows(&world) && knows(&other));
}

#[tokio::test]
async fn whoever_asks_before_the_first_list_begins_needs_no_second() {
    let world = world().await;
    let front = Front::of_api_server(world.control_plane.kubeconfig()).await;
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("one")).await;
    let listed = Listed::default();
    let relisted = listed.relist();
    let watch = Watch::start(&world, front, listed, &[&world.namespace]).await;
    soon(relisted).await;
    assert_eq!(watch.name_of(&world.namespace, "line").as_deref(), Some("one"));
    // A later change arrives by the watch, so no other list has begun meanwhile.
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("two")).await;
    let knows = async || watch.name_of(&world.namespace, "line").as_deref() == Some("two");
    wait::until(wait::SOON, "the change to be known", knows).await;
    assert_eq!(watch.lists().len(), 1, "{:#?}", watch.front.seen());
}
