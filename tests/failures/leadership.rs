//! One process at a time acts, whatever happens to the others.

use crate::replicas::{
    AFTER_LEASE, LEASE, Term, access_key, calls_of, last_words, leads, leases, replica_of, start, term_of, updates_of,
};
use direct_connect_simulator::{Connection, Fault, FaultKind, Outcome};
use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;
use test_support::{
    Front, REGION, Signal, Trouble, Wire, World, WorldBuilder, api_server, connection, kubeconfig_via, wait,
};

const ID: &str = "dxcon-aaaaaaaa";

/// A world with a connection and no operator yet.
fn world() -> WorldBuilder {
    World::builder().without_operator()
}

async fn with_line(world: &World) {
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("one")).await;
}

/// Attempts of a test with a time limit. On a busy machine, not every attempt can keep it.
const TRIES: usize = 4;

#[tokio::test]
async fn the_next_leads_within_a_second_of_sigterm() {
    let world = world().build().await;
    with_line(&world).await;
    let mut leader = start(&world, "p0");
    leads(&world, "p0").await;
    world.ready("line").await;
    let mut fastest = Duration::MAX;
    for number in 1..=TRIES {
        let name = format!("p{number}");
        let next = start(&world, &name);
        next.says("waiting for the lease").await;
        let told = Timestamp::now();
        leader.signal(Signal::TERM);
        assert!(leader.wait_exit(wait::SOON).await.success());
        let term = leads(&world, &name).await;
        fastest = fastest.min(term.acquired.duration_since(told).try_into().expect("it came after"));
        leader = next;
        let wanted = format!("by {name}");
        world.apply(connection("line").id(ID).name(&wanted)).await;
        world.ready("line").await;
        assert_eq!(updates_of(&world, &name), 1);
        if fastest <= Duration::from_secs(1) {
            return;
        }
    }
    panic!("the fastest of {TRIES} took {fastest:?}");
}

#[tokio::test]
async fn a_read_that_hangs_does_not_hold_the_lease_up_at_sigterm() {
    let world = world().build().await;
    with_line(&world).await;
    let by_id = Fault::new(FaultKind::Hang { effect: false }).on("DescribeConnections").for_connection(ID);
    world.aws.inject(by_id);
    let first = start(&world, "first");
    let is_by_id = |call: &direct_connect_simulator::Call| call.parameter("connectionId").is_some();
    wait::until(wait::SOON, "a read that hangs", async || world.aws.calls().iter().any(is_by_id)).await;
    let second = start(&world, "second");
    second.says("waiting for the lease").await;

    let told = Timestamp::now();
    first.signal(Signal::TERM);
    let term = leads(&world, "second").await;
    let after = term.acquired.duration_since(told);
    // Less than the longest possible wait, which is that for the read: 8 s.
    assert!(after.as_millis() <= 6000, "it took {after:?}");
    assert!(first.wait_exit(wait::SOON).await.success());
}

#[tokio::test]
async fn the_next_leads_within_the_lease_and_two_seconds_of_a_kill() {
    let world = world().build().await;
    with_line(&world).await;
    let mut leader = start(&world, "p0");
    leads(&world, "p0").await;
    world.ready("line").await;
    let mut fastest = Duration::MAX;
    for number in 1..=TRIES {
        let name = format!("p{number}");
        let next = start(&world, &name);
        next.says("waiting for the lease").await;
        let killed = Timestamp::now();
        leader.signal(Signal::KILL);
        leader.wait_exit(wait::SOON).await;
        let wanted = format!("by {name}");
        world.apply(connection("line").id(ID).name(&wanted)).await;
        let term = leads(&world, &name).await;
        fastest = fastest.min(term.acquired.duration_since(killed).try_into().expect("it came after"));
        leader = next;
        world.ready("line").await;
        assert_eq!(updates_of(&world, &name), 1);
        if fastest <= LEASE + Duration::from_secs(2) {
            return;
        }
    }
    panic!("the fastest of {TRIES} took {fastest:?}");
}

#[tokio::test]
async fn a_standby_is_ready_and_warm_and_makes_no_aws_call() {
    let mut world = world().build().await;
    with_line(&world).await;
    let first = start(&world, "first");
    leads(&world, "first").await;
    let front = world.front_of_api_server().await;
    let second = start(&world, "second");
    second.says("resources are listed").await;
    assert_eq!(second.http_get("/readyz").await.status, 200, "a rollout goes on");
    assert_eq!(second.metric("directconnect_operator_leader").await, Some(0.0));
    world.ready("line").await;
    world.apply(connection("line").id(ID).name("two")).await;
    world.ready("line").await;
    assert_eq!(calls_of(&world, "second"), 0);
    let lists = || front.seen().iter().filter(|request| request.is_streaming_list()).count();
    assert_eq!(lists(), 1);

    first.signal(Signal::TERM);
    leads(&world, "second").await;
    world.polls(2).await;
    assert_eq!(second.metric("directconnect_operator_leader").await, Some(1.0));
    assert_eq!(lists(), 2, "one more, which began after it had the lease: {:?}", front.seen());
}

#[tokio::test]
async fn a_lease_that_another_took_ends_the_process_with_one_clear_line() {
    let world = world().build().await;
    let operator = start(&world, "first");
    leads(&world, "first").await;
    let taken = json!({"spec": {"holderIdentity": "someone-else_1"}});
    let patched = leases(&world).patch("directconnect-operator", &PatchParams::default(), &Patch::Merge(taken)).await;
    patched.expect("the lease is there");
    let exit = operator.wait_exit(wait::SOON).await;
    assert_eq!(exit.code(), Some(1));
    let words = last_words(&operator);
    assert_eq!(
        words,
        ["directconnect-operator: leading ended: the lease directconnect-operator was lost to someone-else_1"]
    );
}

#[tokio::test]
async fn a_lease_that_is_deleted_ends_the_process_with_one_clear_line() {
    let world = world().build().await;
    let operator = start(&world, "first");
    leads(&world, "first").await;
    leases(&world).delete("directconnect-operator", &DeleteParams::default()).await.expect("the lease is there");
    let exit = operator.wait_exit(wait::SOON).await;
    assert_eq!(exit.code(), Some(1));
    let words = last_words(&operator);
    assert!(matches!(&words[..], [one] if one.contains("was lost to nobody")), "{words:?}");
}

/// Waits until the Lease has been renewed for longer than `than`.
async fn renewed_for_longer(world: &World, since: &Term, than: Duration) -> Term {
    wait::until(LEASE * 2, format!("it to be renewed for {than:?}"), async || {
        let lease = leases(world).get("directconnect-operator").await.map_err(|error| error.to_string())?;
        let term = term_of(lease).ok_or("a lease without a holder")?;
        let is_longer = term.renewed > since.renewed + than;
        if is_longer { Ok(term) } else { Err(format!("{term:?}")) }
    })
    .await
}

#[tokio::test]
async fn a_standby_leaves_a_lease_that_is_renewed_to_its_holder_for_as_long() {
    let world = world().build().await;
    let _first = start(&world, "first");
    let since = leads(&world, "first").await;
    let second = start(&world, "second");
    second.says("waiting for the lease").await;
    let term = renewed_for_longer(&world, &since, LEASE + Duration::from_secs(1)).await;
    assert_eq!((term.holder.as_str(), term.acquired), ("first", since.acquired));
}

/// A lease that was renewed ends as one that never was.
#[tokio::test]
async fn a_lease_that_cannot_be_renewed_ends_the_process_before_anyone_else_may_lead() {
    tokio::join!(ends_with_its_lease(false), ends_with_its_lease(true));
}

async fn ends_with_its_lease(was_renewed: bool) {
    let mut world = world().build().await;
    let front = world.front_of_api_server().await;
    let operator = start(&world, "first");
    let since = leads(&world, "first").await;
    if was_renewed {
        renewed_for_longer(&world, &since, Duration::ZERO).await;
    }
    front.trouble(Trouble::HangBefore, test_support::Passing::is_about_a_lease);
    let exit = operator.wait_exit(AFTER_LEASE).await;
    let ended = Timestamp::now();
    assert_eq!(exit.code(), Some(1));
    let words = last_words(&operator);
    assert!(matches!(&words[..], [one] if one.contains("could not be renewed in time: the API server")), "{words:?}");
    let lease = leases(&world).get("directconnect-operator").await.expect("the lease is there");
    let renewed = term_of(lease).expect("it has had a holder").renewed;
    let after = Duration::try_from(ended.duration_since(renewed)).expect("it came after");
    assert!(after < LEASE, "it ended {after:?} after its last renewal");
}

/// As where a NAT forgets connections that were idle. Status was written on several at once, and none of them ends.
#[tokio::test]
async fn connections_that_fall_silent_cost_no_lease_while_new_ones_work() {
    let mut world = world().build().await;
    let wire = Wire::to(api_server(&world.kubeconfig)).await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &format!("https://{}", wire.address()), "wire");
    world.settings = world.settings.env("KUBECONFIG", kubeconfig.to_string_lossy());
    let lines: Vec<String> = (0..12).map(|number| format!("line-{number:02}")).collect();
    for (line, id) in lines.iter().map(|line| (line, line.replace("line", "dxcon-aaaaaa").replace("aa-", "aa"))) {
        world.aws.add(REGION, Connection::new(&id, "old"));
        world.apply(connection(line).id(&id).name("new")).await;
    }
    let operator = start(&world, "first");
    for line in &lines {
        world.ready(line).await;
    }
    let first = leads(&world, "first").await;
    wire.strand();
    let stranded = Timestamp::now();
    let term = wait::until(AFTER_LEASE, "a renewal when the last one before would have ended", async || {
        assert_eq!(operator.exit(), None, "it has ended: {:?}", last_words(&operator));
        let term = crate::replicas::term_of(leases(&world).get("directconnect-operator").await.expect("a lease"));
        term.filter(|term| Duration::try_from(term.renewed.duration_since(stranded)).is_ok_and(|since| since > LEASE))
    })
    .await;
    assert_eq!((term.holder, term.acquired), (first.holder, first.acquired));
}

#[tokio::test]
async fn an_update_that_hangs_is_given_up_before_the_lease_ends() {
    let mut world = world().build().await;
    with_line(&world).await;
    let front = world.front_of_api_server().await;
    let operator = start(&world, "first");
    world.ready("line").await;
    world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).on("UpdateConnection"));
    world.apply(connection("line").id(ID).name("two")).await;
    wait::until(wait::SOON, "the update to be on its way", async || world.updates().len() == 2).await;
    front.trouble(Trouble::HangBefore, test_support::Passing::is_about_a_lease);
    let renewed = term_of(leases(&world).get("directconnect-operator").await.expect("a lease"));
    let renewed = renewed.expect("it has had a holder").renewed;
    let update = wait::until(AFTER_LEASE, "the update to be given up", async || {
        world
            .updates()
            .into_iter()
            .find(|call| call.parameter("connectionName") == Some("two") && call.finished.is_some())
    })
    .await;
    assert_eq!(update.outcome, Outcome::Hang);
    let finished: Timestamp = update.finished.expect("it has").wall.parse().expect("a time");
    let after = Duration::try_from(finished.duration_since(renewed)).expect("it came after");
    assert!(after < LEASE, "it was given up {after:?} after the last renewal");
    operator.wait_exit(AFTER_LEASE).await;
}

#[tokio::test]
async fn a_process_that_never_heard_that_it_has_the_lease_finds_out_and_leads() {
    let mut world = world().build().await;
    let front = world.front_of_api_server().await;
    front.trouble_from(0, 1, Trouble::CutAfter, |request| request.is_about_a_lease() && request.method == "POST");
    let operator = start(&world, "first");
    front.strikes().await;
    leads(&world, "first").await;
    operator.says("leading").await;
    let waited = operator.logs().iter().any(|line| line.contains("waiting for the lease"));
    assert!(!waited, "it waited for itself: {:#?}", operator.logs());
}

#[tokio::test]
async fn a_lease_is_not_released_while_an_update_may_be_in_flight() {
    let world = world().build().await;
    with_line(&world).await;
    world.aws.inject(Fault::new(FaultKind::Hang { effect: true }).on("UpdateConnection"));
    let operator = start(&world, "first");
    wait::until(wait::SOON, "the update to be on its way", async || updates_of(&world, "first") == 1).await;
    operator.signal(Signal::TERM);
    assert!(operator.wait_exit(wait::SOON).await.success());
    let says = "an update did not end in time; what came of it is read at the next start";
    assert!(operator.logged(says).is_some(), "{:#?}", operator.logs());
    assert_eq!(leads(&world, "first").await.holder, "first", "it ends by itself");
    assert_eq!(updates_of(&world, "first"), 1);
}

#[tokio::test]
async fn a_lease_that_was_taken_in_the_moment_of_sigterm_is_released() {
    let mut world = world().build().await;
    let first = start(&world, "first");
    leads(&world, "first").await;
    let front = world.front_of_api_server().await;
    let second = start(&world, "second");
    second.says("waiting for the lease").await;
    front.trouble_from(0, 1, Trouble::HangAfter, |request| request.is_about_a_lease() && request.method == "PUT");
    first.signal(Signal::TERM);
    front.strikes().await;
    // It has the lease, and does not know it.
    leads(&world, "second").await;
    second.signal(Signal::TERM);
    assert!(second.wait_exit(wait::SOON).await.success());
    let lease = leases(&world).get("directconnect-operator").await.expect("the lease is there");
    assert_eq!(term_of(lease).expect("it has had a holder").holder, "", "the next need not wait");
}

/// The leader is stopped after it has written its intention, and continues when another process leads.
#[tokio::test]
async fn a_leader_that_was_stopped_beyond_its_lease_sends_nothing_when_it_goes_on() {
    let world = world().build().await;
    with_line(&world).await;
    let front = Front::of_api_server(&world.kubeconfig).await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &front.url(), "front");
    let first = replica_of(&world.settings, "first").env("KUBECONFIG", kubeconfig.to_string_lossy()).start();
    world.ready("line").await;
    let second = start(&world, "second");
    second.says("waiting for the lease").await;

    let late = Trouble::Late(Duration::from_millis(300));
    front.trouble_from(0, 1, late, |request| {
        request.writes_status() && request.body.contains("\"connectionName\":\"two\"")
    });
    world.apply(connection("line").id(ID).name("two")).await;
    front.strikes().await;
    first.signal(Signal::STOP);
    assert_eq!(updates_of(&world, "first"), 1, "the second update is not sent yet");
    leads(&world, "second").await;
    world.ready("line").await;
    let before = calls_of(&world, "first");
    first.signal(Signal::CONT);
    let exit = first.wait_exit(wait::SOON).await;
    assert_eq!(exit.code(), Some(1));
    assert_eq!(updates_of(&world, "first"), 1, "it sent nothing: {:?}", world.updates());
    assert!(calls_of(&world, "first") <= before + 1, "at most a poll that was on its way");
    assert_eq!(updates_of(&world, "second"), 1);
    let words = last_words(&first);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_ne!(access_key("first"), access_key("second"));
}

#[tokio::test]
async fn the_lease_says_how_long_it_lasts_and_how_often_it_went_to_another() {
    let world = world().build().await;
    for (name, transitions) in [("first", 0), ("second", 1)] {
        let operator = start(&world, name);
        leads(&world, name).await;
        let lease = leases(&world).get("directconnect-operator").await.expect("it is there").spec.expect("it is held");
        let seconds = i32::try_from(LEASE.as_secs()).ok();
        assert_eq!((lease.lease_duration_seconds, lease.lease_transitions), (seconds, Some(transitions)));
        operator.signal(Signal::TERM);
        assert!(operator.wait_exit(wait::SOON).await.success());
    }
}
