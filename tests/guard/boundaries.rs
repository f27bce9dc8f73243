//! The operator is killed, stopped and taken over at every exchange of a pass, both before and after the exchange takes
//! effect. In all cases, no second connection of the account takes a step while the first is not proven.

use crate::log::{A, B};
use crate::pair::{cut_the_first, insists, let_the_second_wait, ready_connection, wants_must};
use direct_connect_simulator::{Call, Connection};
use futures::{StreamExt, stream};
use std::time::Duration;
use test_support::{Front, Operator, OperatorBuilder, Passing, REGION, Signal, Trouble, World, wait};

/// Number of worlds at a time.
const SIDE_BY_SIDE: usize = 6;
/// How long a takeover, a settle window, the longest call and some soaks may take, with a generous margin.
const IN_THE_END: Duration = Duration::from_mins(2);
/// How long to wait for an exchange that may not happen again.
const COMES: Duration = Duration::from_secs(15);
const SOAK_MILLIS: f64 = 1000.0;
/// The largest time between the decision on a call and its arrival.
const TRANSIT_MILLIS: f64 = 500.0;

/// What is in progress when the operator ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// The first has no key and is sent `must_encrypt` because its transition is `Immediate`; the second soaks.
    Insists,
    /// Both go up the ladder, the first from `no_encrypt`.
    Climbs,
    /// The first is down and unproven, the second waits, and the first is renamed.
    Renames,
    /// The first is down and unproven, is lowered, and then is to be at `must_encrypt` again.
    Lowers,
}

/// An exchange for the first connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    Read,
    /// A read of the whole account.
    Page,
    StatusWrite,
    Update,
}

/// How the operator ends, and which process continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    Stop,
    KillBesideStandby,
    StopBesideStandby,
}

#[derive(Clone, Copy, Debug)]
struct Boundary {
    story: Story,
    at: Exchange,
    /// This many exchanges of the kind succeed before.
    after: usize,
    /// Whether the exchange takes effect.
    effect: bool,
    end: End,
}

impl Exchange {
    fn is(self, request: &Passing) -> bool {
        match self {
            Self::Read => request.calls("DescribeConnections") && request.body.contains(A),
            Self::Page => request.calls("DescribeConnections") && !request.body.contains("connectionId"),
            Self::StatusWrite => request.writes_status() && request.path.ends_with("/first/status"),
            Self::Update => request.calls("UpdateConnection") && request.body.contains(A),
        }
    }
}

impl End {
    fn has_standby(self) -> bool {
        matches!(self, Self::KillBesideStandby | Self::StopBesideStandby)
    }

    fn signal(self) -> Signal {
        match self {
            Self::Kill | Self::KillBesideStandby => Signal::KILL,
            Self::Stop | Self::StopBesideStandby => Signal::TERM,
        }
    }
}

fn replica(settings: &OperatorBuilder, name: &str) -> Operator {
    settings.clone().env("HOSTNAME", name).env("AWS_ACCESS_KEY_ID", key_of(name)).start()
}

fn key_of(name: &str) -> String {
    format!("AKIA{name:0<16}")
}

async fn leads(world: &World, name: &str) {
    wait::until(IN_THE_END, format!("{name} to lead"), async || {
        world.aws.calls().iter().any(|call| call.access_key_id == key_of(name))
    })
    .await;
}

impl Story {
    /// Creates the situation before the exchange that goes wrong.
    async fn begin(self, world: &World) {
        match self {
            Self::Insists => world.aws.add(REGION, Connection::new(A, "line")),
            Self::Climbs => world.aws.add(REGION, ready_connection(A).with_mode("no_encrypt")),
            Self::Renames | Self::Lowers => {}
        }
        if matches!(self, Self::Insists | Self::Climbs) {
            world.aws.add(REGION, ready_connection(B));
            // The Lease is held once there is a resource.
            world.apply(wants_must("first", A).policy("Observe")).await;
        }
    }

    async fn go_on_with_a_leader(self, world: &World) {
        match self {
            Self::Insists | Self::Climbs => {}
            Self::Renames => {
                cut_the_first(world).await;
                let_the_second_wait(world).await;
            }
            Self::Lowers => {
                cut_the_first(world).await;
            }
        }
    }

    /// The change by a person whose exchange goes wrong.
    async fn act(self, world: &World) {
        match self {
            Self::Insists => {
                world.apply(insists("first", A)).await;
                world.apply(wants_must("second", B)).await;
            }
            Self::Climbs => {
                world.apply(wants_must("first", A)).await;
                world.apply(wants_must("second", B)).await;
            }
            Self::Renames => {
                world.apply(insists("first", A).name("new")).await;
            }
            Self::Lowers => {
                world.apply(wants_must("first", A).mode("should_encrypt")).await;
            }
        }
    }

    /// The second change by a person.
    async fn act_again(self, world: &World) {
        if self == Self::Lowers {
            world.apply(insists("first", A)).await;
            world.aws.add(REGION, ready_connection(B));
            world.apply(wants_must("second", B)).await;
        }
    }

    /// Whether the first is down at `must_encrypt` until it has a key.
    fn cuts(self) -> bool {
        self != Self::Climbs
    }
}

async fn run(boundary: Boundary) {
    let Boundary { story, at, after, effect, end } = boundary;
    let builder = World::builder().flag("--encryption-soak", "1s").without_operator();
    let mut world = builder.flag("--leader-elect", if end.has_standby() { "true" } else { "false" }).build().await;
    let direct = world.settings.clone();
    let api_server = world.front_of_api_server().await;
    let aws = world.front_of_aws().await;
    story.begin(&world).await;
    let leader = replica(&world.settings, "P0");
    story.go_on_with_a_leader(&world).await;
    leads(&world, "P0").await;
    let standby = end.has_standby().then(|| replica(&direct, "P1"));
    if let Some(standby) = &standby {
        wait::until(wait::SOON, "the standby to be ready", async || standby.http_get("/readyz").await.status == 200)
            .await;
    }

    let front: &Front = if at == Exchange::StatusWrite { &api_server } else { &aws };
    let trouble = if effect { Trouble::HangAfter } else { Trouble::HangBefore };
    front.trouble_from(after, usize::MAX, trouble, move |request| at.is(request));
    story.act(&world).await;
    let exchange = front.strikes();
    if after == 0 {
        exchange.await;
    } else {
        // If it does not happen again, such as a write that is not needed, the story runs to its end.
        let _ = tokio::time::timeout(COMES, exchange).await;
    }
    leader.signal(end.signal());
    leader.wait_exit(wait::SOON).await;
    let next = standby.unwrap_or_else(|| replica(&direct, "P1"));
    leads(&world, "P1").await;
    story.act_again(&world).await;
    crate::pair::polls_of(&world, REGION, crate::pair::MANY).await;

    let mut mended = f64::INFINITY;
    if story.cuts() {
        mended = crate::log::now(&world);
        world.aws.associate_key(REGION, A, "01");
    }
    wait::until(IN_THE_END, format!("{boundary:?}: both at must_encrypt"), async || {
        let shown = [A, B].map(|id| world.aws.connection(REGION, id).map(|line| line.mode().to_owned()));
        if shown.iter().flatten().all(|mode| mode == "must_encrypt") { Ok(()) } else { Err(format!("{shown:?}")) }
    })
    .await;
    assert_one_at_a_time(&world, boundary, mended);
    drop(next);
}

/// The updates that raised a mode, and when.
fn steps(world: &World) -> Vec<Call> {
    let is_up = |call: &Call| match call.parameter("encryptionMode") {
        Some("must_encrypt") => true,
        // For a connection that was at `must_encrypt`, `should_encrypt` is a step down.
        Some("should_encrypt") => world.updates().iter().all(|other| {
            other.parameter("connectionId") != call.parameter("connectionId")
                || other.parameter("encryptionMode") != Some("must_encrypt")
                || other.time.millis > call.time.millis
        }),
        _ => false,
    };
    world.updates().into_iter().filter(|call| call.effect && is_up(call)).collect()
}

/// Asserts for two steps of different connections that the later one came at least a soak after the earlier one, or
/// after the connection that was down got its key.
fn assert_one_at_a_time(world: &World, boundary: Boundary, mended: f64) {
    let steps = steps(world);
    for (place, later) in steps.iter().enumerate() {
        let other = |call: &&Call| call.parameter("connectionId") != later.parameter("connectionId");
        // A connection that was lowered meanwhile holds no turn any more.
        let stands = |earlier: &&Call| {
            !world.updates().iter().any(|call| {
                let is_between = call.time.millis > earlier.time.millis && call.time.millis < later.time.millis;
                let is_lower = call.parameter("encryptionMode").is_some_and(|mode| mode != "must_encrypt");
                call.effect
                    && is_between
                    && is_lower
                    && call.parameter("connectionId") == earlier.parameter("connectionId")
                    && earlier.parameter("encryptionMode") == Some("must_encrypt")
            })
        };
        for earlier in steps[..place].iter().filter(other).filter(stands) {
            let is_cut = boundary.story.cuts() && earlier.parameter("connectionId") == Some(A);
            let works_since = if is_cut { mended.max(earlier.time.millis) } else { earlier.time.millis };
            let proven = works_since + SOAK_MILLIS - TRANSIT_MILLIS;
            assert!(later.time.millis >= proven, "{boundary:?}: {later} goes before {earlier} is proven: {steps:#?}");
        }
    }
}

async fn run_all(story: Story, exchanges: &[(Exchange, usize)], ends: &[End]) {
    let places = exchanges.iter().flat_map(|&(at, count)| (0..count).map(move |after| (at, after)));
    let boundaries = places.flat_map(|(at, after)| {
        [false, true].into_iter().flat_map(move |effect| ends.iter().map(move |&end| (at, after, effect, end)))
    });
    let boundaries = boundaries.map(|(at, after, effect, end)| Boundary { story, at, after, effect, end });
    stream::iter(boundaries).for_each_concurrent(SIDE_BY_SIDE, run).await;
}

const RESTARTS: [End; 2] = [End::Kill, End::Stop];
const TAKE_OVERS: [End; 2] = [End::KillBesideStandby, End::StopBesideStandby];

/// The exchanges of each update: the read, the intention, the call, the outcome.
const OF_ONE_UPDATE: [(Exchange, usize); 3] = [(Exchange::Read, 1), (Exchange::StatusWrite, 2), (Exchange::Update, 1)];
/// The read by its id that followed the update before is still fresh, so only pages are sure to be read.
const OF_THE_NEXT_UPDATE: [(Exchange, usize); 3] =
    [(Exchange::Page, 1), (Exchange::StatusWrite, 2), (Exchange::Update, 1)];

#[tokio::test]
async fn a_restart_during_an_immediate_step_leaves_one_connection_at_a_time() {
    run_all(Story::Insists, &OF_ONE_UPDATE, &RESTARTS).await;
}

#[tokio::test]
async fn a_takeover_during_an_immediate_step_leaves_one_connection_at_a_time() {
    run_all(Story::Insists, &OF_ONE_UPDATE, &TAKE_OVERS).await;
}

#[tokio::test]
async fn a_restart_during_the_ladder_leaves_one_connection_at_a_time() {
    let exchanges = [(Exchange::Read, 2), (Exchange::StatusWrite, 5), (Exchange::Update, 2)];
    run_all(Story::Climbs, &exchanges, &[End::Kill]).await;
}

#[tokio::test]
async fn a_takeover_during_the_ladder_leaves_one_connection_at_a_time() {
    let exchanges = [(Exchange::StatusWrite, 4), (Exchange::Update, 2)];
    run_all(Story::Climbs, &exchanges, &[End::StopBesideStandby]).await;
}

#[tokio::test]
async fn a_restart_during_a_rename_leaves_one_connection_at_a_time() {
    run_all(Story::Renames, &OF_THE_NEXT_UPDATE, &RESTARTS).await;
}

#[tokio::test]
async fn a_takeover_during_a_rename_leaves_one_connection_at_a_time() {
    run_all(Story::Renames, &OF_THE_NEXT_UPDATE, &TAKE_OVERS).await;
}

#[tokio::test]
async fn a_restart_during_a_lowering_leaves_one_connection_at_a_time() {
    run_all(Story::Lowers, &OF_THE_NEXT_UPDATE, &RESTARTS).await;
}

#[tokio::test]
async fn a_takeover_during_a_lowering_leaves_one_connection_at_a_time() {
    run_all(Story::Lowers, &OF_THE_NEXT_UPDATE, &[End::StopBesideStandby]).await;
}
