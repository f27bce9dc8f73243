//! Resources that are deleted and created again within moments: `kubectl replace --force`, delete and apply, a
//! namespace created again. When the last resource of a region goes, its poller is stopped, possibly while passes wait
//! in it. `ROUNDS` sets the number of rounds; the default is small.

use crate::replicas::access_key;
use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Throttle};
use futures::{StreamExt, future, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, PostParams};
use std::time::Duration;
use test_support::{Manifest, REGION, World, WorldBuilder, connection, number, wait};

const OTHER_REGION: &str = "eu-west-1";
/// How long a round may take: thirty reads and thirty updates, throttled, with a generous margin for a busy machine.
const SERVED: Duration = Duration::from_secs(90);
/// Concurrent requests of a test to the API server.
const SIDE_BY_SIDE: usize = 8;

/// How resources are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vanish {
    Deleted,
    WithTheirNamespace,
}

/// When they are deleted, after the change before.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AtOnce,
    WhileRead,
    WhileUpdated,
    AllServed,
}

const MOMENTS: [Moment; 4] = [Moment::WhileRead, Moment::AtOnce, Moment::WhileUpdated, Moment::AllServed];

fn rounds() -> usize {
    number("ROUNDS", 4)
}

fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

fn resource_named(number: usize, name: &str) -> Manifest {
    connection(&format!("line-{number}")).id(&id(number)).name(name)
}

async fn for_each(numbers: usize, work: impl AsyncFn(usize)) {
    stream::iter(0..numbers).for_each_concurrent(SIDE_BY_SIDE, |number| work(number)).await;
}

/// A world whose resources are in a namespace that can be deleted and created again.
async fn with_a_namespace_of_its_own(builder: WorldBuilder) -> World {
    let mut world = builder.without_operator().build().await;
    let other = world.control_plane.namespace().await;
    let both = format!("{},{other}", world.namespace);
    world.settings = world.settings.clone().flag("--watch-namespace", both);
    world.namespace = other;
    world.start_operator();
    world
}

/// Does what the namespace controller does, which this control plane lacks: empties the namespace, then finalizes it.
async fn delete_the_namespace(world: &World, resources: usize) {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let name = &world.namespace;
    namespaces.delete(name, &DeleteParams::default()).await.expect("it can be deleted");
    for_each(resources, async |number| world.delete(&format!("line-{number}")).await).await;
    let mut leaving = namespaces.get(name).await.expect("it is there");
    if let Some(spec) = &mut leaving.spec {
        spec.finalizers = None;
    }
    let gone = namespaces.replace_subresource("finalize", name, &PostParams::default(), &leaving).await;
    gone.expect("it can be let go");
    wait::until(wait::SOON, format!("{name} to be gone"), async || {
        namespaces.get_opt(name).await.is_ok_and(|found| found.is_none())
    })
    .await;
}

async fn make_the_namespace(world: &World) {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(world.namespace.clone());
    namespaces.create(&PostParams::default(), &namespace).await.expect("it can be made");
}

async fn vanish(world: &World, how: Vanish, resources: usize) {
    match how {
        Vanish::Deleted => {
            for_each(resources, async |number| world.delete(&format!("line-{number}")).await).await;
        }
        Vanish::WithTheirNamespace => {
            delete_the_namespace(world, resources).await;
            make_the_namespace(world).await;
        }
    }
}

/// Waits until each resource is in sync and its connection has this name in AWS.
async fn all_are_served(world: &World, resources: usize, name: &str) {
    wait::until(SERVED, format!("all to be named {name:?}"), async || {
        let mut left = Vec::new();
        for number in 0..resources {
            let has = world.aws.connection(REGION, &id(number)).and_then(|line| line.connection_name);
            let line = world.get(&format!("line-{number}")).await;
            if has.as_deref() != Some(name) || !line.is("Ready", "True", "InSync") {
                left.push(format!("{number}: {has:?} {:?}", line.condition("Ready").map(|ready| ready.reason)));
            }
        }
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
}

async fn is_their_moment(world: &World, moment: Moment, seen: usize, resources: usize, name: &str) {
    let has_come = |operation: &str, by_id: bool| {
        let is = |call: &Call| call.operation == operation && call.parameter("connectionId").is_some() == by_id;
        world.aws.calls().iter().skip(seen).any(is)
    };
    match moment {
        Moment::AtOnce => {}
        Moment::WhileRead => {
            wait::until(SERVED, "a read by id", async || has_come("DescribeConnections", true)).await;
        }
        Moment::WhileUpdated => wait::until(SERVED, "an update", async || has_come("UpdateConnection", true)).await,
        Moment::AllServed => all_are_served(world, resources, name).await,
    }
}

#[track_caller]
fn assert_no_two_updates_of_a_connection_overlap(world: &World) {
    let updates = world.updates();
    for (place, one) in updates.iter().enumerate() {
        let same = |other: &&Call| one.parameter("connectionId") == other.parameter("connectionId");
        let overlapping = updates[place + 1..].iter().filter(same).find(|other| one.overlaps(other));
        assert!(overlapping.is_none(), "two in flight at once: {one}, {overlapping:?}");
    }
}

async fn come_and_go(how: Vanish, resources: usize, throttle: Option<Throttle>) {
    let builder = World::builder().flag("--poll-interval", "1s").flag("--settle-window", "500ms");
    let world = match how {
        Vanish::Deleted => builder.build().await,
        Vanish::WithTheirNamespace => with_a_namespace_of_its_own(builder).await,
    };
    world.aws.configure(|settings| settings.throttle = throttle);
    for number in 0..resources {
        world.aws.add(REGION, Connection::new(&id(number), "old"));
    }
    for round in 0..rounds() {
        let seen = world.aws.calls().len();
        let (before, after) = (format!("before {round}"), format!("after {round}"));
        for_each(resources, async |number| {
            world.apply(resource_named(number, &before)).await;
        })
        .await;
        is_their_moment(&world, MOMENTS[round % MOMENTS.len()], seen, resources, &before).await;
        vanish(&world, how, resources).await;
        for_each(resources, async |number| {
            world.apply(resource_named(number, &after)).await;
        })
        .await;
        all_are_served(&world, resources, &after).await;
        assert_no_two_updates_of_a_connection_overlap(&world);
    }
    for path in ["/healthz", "/readyz"] {
        let answer = world.http_get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

/// A burst, and then fewer calls a second than a round needs.
const THROTTLE: Throttle = Throttle { capacity: 5, per_second: 15.0 };

#[tokio::test]
async fn the_only_resource_of_a_region_is_served_after_each_replace_by_force() {
    tokio::join!(come_and_go(Vanish::Deleted, 1, None), come_and_go(Vanish::Deleted, 1, Some(THROTTLE)));
}

#[tokio::test]
async fn thirty_resources_that_are_deleted_and_applied_anew_are_served_each_time() {
    come_and_go(Vanish::Deleted, 30, None).await;
}

#[tokio::test]
async fn thirty_resources_that_are_deleted_and_applied_anew_are_served_each_time_though_aws_throttles() {
    come_and_go(Vanish::Deleted, 30, Some(THROTTLE)).await;
}

#[tokio::test]
async fn the_resources_of_a_namespace_that_is_made_anew_are_served_each_time() {
    let (namespace, few) = (Vanish::WithTheirNamespace, 8);
    tokio::join!(come_and_go(namespace, few, None), come_and_go(namespace, few, Some(THROTTLE)));
}

/// Sixteen passes that wait for ever would use up all slots.
#[tokio::test]
async fn resources_that_come_and_go_do_not_use_up_the_places_of_other_regions() {
    const EACH: usize = 12;
    let world = World::builder().flag("--poll-interval", "1s").build().await;
    for round in 0..4 {
        for number in 0..EACH {
            world.aws.add(REGION, Connection::new(&id(round * EACH + number), "old"));
        }
        let seen = world.aws.calls().len();
        for_each(EACH, async |number| {
            world.apply(resource_named(round * EACH + number, "new")).await;
        })
        .await;
        is_their_moment(&world, Moment::WhileRead, seen, EACH, "new").await;
        for_each(EACH, async |number| world.delete(&format!("line-{}", round * EACH + number)).await).await;
        region_is_given_up(&world, round + 1).await;
    }
    world.aws.add(OTHER_REGION, Connection::new("dxcon-elsewhere", "old"));
    world.apply(connection("elsewhere").id("dxcon-elsewhere").region(OTHER_REGION).name("new")).await;
    world.ready("elsewhere").await;
}

async fn region_is_given_up(world: &World, times: usize) {
    wait::until(wait::SOON, "the region to be given up", async || {
        world.operator().logs().iter().filter(|line| line.contains("polling ends")).count() >= times
    })
    .await;
}

/// The region's poller is stopped and started again while an update is in flight.
async fn the_next_update_waits(effect_is_late: bool) {
    const LINE: &str = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(LINE, "old"));
    // Long enough for the region to come back, and shorter than the time limit of a call.
    let slow = if effect_is_late { FaultKind::Latency { millis: 4000 } } else { FaultKind::Hang { effect: true } };
    world.aws.inject(Fault::new(slow).on("UpdateConnection").for_name("one"));
    world.apply(connection("one").id(LINE).name("one")).await;
    wait::until(wait::SOON, "an update in flight", async || world.updates().len() == 1).await;
    world.delete("one").await;
    region_is_given_up(&world, 1).await;
    world.apply(connection("two").id(LINE).name("two")).await;
    wait::until(SERVED, "the second update", async || world.updates().len() == 2).await;
    world.ready("two").await;
    assert_no_two_updates_of_a_connection_overlap(&world);
    assert_eq!(world.aws.connection(REGION, LINE).expect("it is there").name(), "two");
}

#[tokio::test]
async fn an_update_that_outlives_its_region_is_waited_for_when_the_region_comes_back() {
    future::join(the_next_update_waits(true), the_next_update_waits(false)).await;
}

/// Many regions with one resource each come and go at the same time.
#[tokio::test]
async fn regions_that_come_and_go_by_the_dozen_are_served() {
    const REGIONS: usize = 12;
    let region = |number: usize| format!("eu-test-{number}");
    let world = World::builder().env("AWS_ACCESS_KEY_ID", access_key("regions")).build().await;
    for number in 0..REGIONS {
        world.aws.add(&region(number), Connection::new(&id(number), "old"));
    }
    for round in 0..rounds() {
        for name in ["before", "after"].map(|when| format!("{when} {round}")) {
            let seen = world.aws.calls().len();
            for_each(REGIONS, async |number| {
                world.apply(resource_named(number, &name).region(&region(number))).await;
            })
            .await;
            is_their_moment(&world, Moment::WhileRead, seen, REGIONS, &name).await;
            if name.starts_with("before") {
                for_each(REGIONS, async |number| world.delete(&format!("line-{number}")).await).await;
            }
        }
        let name = format!("after {round}");
        wait::until(SERVED, format!("all to be named {name:?}"), async || {
            let mut left = Vec::new();
            for number in 0..REGIONS {
                let has = world.aws.connection(&region(number), &id(number)).and_then(|line| line.connection_name);
                if has.as_deref() != Some(name.as_str()) {
                    left.push(format!("{number}: {has:?}"));
                }
            }
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        })
        .await;
    }
}
