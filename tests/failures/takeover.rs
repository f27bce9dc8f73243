//! A new leader does nothing before it has listed the resources again.

use crate::replicas::{AFTER_LEASE, calls_of, leads, leases, replica_of, start, term_of, updates_of};
use direct_connect_simulator::Connection;
use jiff::Timestamp;
use test_support::{Front, Passing, REGION, Signal, Trouble, World, connection, kubeconfig_via, wait};

/// A connection whose resource is changed while the watch of the standby receives nothing.
const CHANGED: &str = "dxcon-changed0";
/// A connection that only AWS changes meanwhile, so that the standby's knowledge of its resource is sufficient.
const DRIFTS: &str = "dxcon-drifts00";

async fn world() -> World {
    let world = World::builder().without_operator().build().await;
    for (name, id) in [("changed", CHANGED), ("drifts", DRIFTS)] {
        world.aws.add(REGION, Connection::new(id, "one"));
        world.apply(connection(name).id(id).name("one")).await;
    }
    world
}

fn name_of(world: &World, id: &str) -> Option<String> {
    world.aws.connection(REGION, id)?.connection_name
}

async fn renewed(world: &World) -> Timestamp {
    let lease = leases(world).get("directconnect-operator").await.expect("there is a lease");
    term_of(lease).expect("it has had a holder").renewed
}

#[tokio::test]
async fn a_standby_that_takes_over_sends_nothing_before_it_has_seen_what_was_written_meanwhile() {
    let world = world().await;
    let first = start(&world, "first");
    leads(&world, "first").await;
    world.ready("changed").await;
    world.ready("drifts").await;

    let front = Front::of_api_server(&world.kubeconfig).await;
    // The list is plain, so that the watch after it can be held back separately.
    front.trouble(Trouble::status(422, "Invalid", "no streams"), Passing::is_streaming_list);
    front.trouble(Trouble::HangBefore, Passing::is_watch);
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &front.url(), "standby");
    let second = replica_of(&world.settings, "second").env("KUBECONFIG", kubeconfig.to_string_lossy()).start();
    second.says("resources are listed").await;
    let is_whole = |request: &Passing| request.lists_resources() && !request.query.contains("limit=1");
    front.trouble(Trouble::Held, move |request| is_whole(request) || request.is_streaming_list());

    first.signal(Signal::KILL);
    first.wait_exit(wait::SOON).await;
    world.apply(connection("changed").id(CHANGED).name("two")).await;
    world.aws.edit(REGION, DRIFTS, |line| line.connection_name = Some("by hand".to_owned()));
    let took_over = leads(&world, "second").await.renewed;
    wait::until(wait::SOON, "a list that is held back", async || {
        let strike = front.strikes().await;
        is_whole(&strike) && !strike.is_watch()
    })
    .await;
    wait::until(AFTER_LEASE, "the lease to be renewed", async || renewed(&world).await > took_over).await;
    assert_eq!(updates_of(&world, "second"), 0, "it has not been listed anew: {:#?}", world.updates());
    assert!(!front.seen().iter().any(Passing::writes_status));

    front.clear();
    for (id, name) in [(CHANGED, "two"), (DRIFTS, "one")] {
        wait::until(wait::SOON, format!("{id} to be {name}"), async || {
            let shown = name_of(&world, id);
            if shown.as_deref() == Some(name) { Ok(()) } else { Err(format!("{shown:?}")) }
        })
        .await;
    }
    assert_eq!(updates_of(&world, "second"), 2, "{:#?}", world.updates());
}

/// A list that began after the lease was taken need not be repeated.
#[tokio::test]
async fn a_process_that_finds_the_lease_free_lists_once() {
    let mut world = world().await;
    let front = world.front_of_api_server().await;
    let _operator = start(&world, "first");
    leads(&world, "first").await;
    world.ready("changed").await;
    world.ready("drifts").await;
    let lists = || front.seen().iter().filter(|request| request.is_streaming_list()).count();
    assert_eq!((lists(), calls_of(&world, "first") > 0), (1, true), "{:#?}", front.seen());
}
