//! The operator is killed at every exchange with the API server and with AWS, both before and after the exchange takes
//! effect, and started again.

use direct_connect_simulator::{Call, Connection};
use futures::{StreamExt, stream};
use std::time::Duration;
use test_support::{Front, Manifest, Passing, REGION, Signal, Trouble, World, connection, kubeconfig_via, wait};

const ID: &str = "dxcon-aaaaaaaa";
/// Number of worlds at a time.
const SIDE_BY_SIDE: usize = 4;

/// The exchange at which the operator is killed.
#[derive(Clone, Copy, Debug)]
struct Crash {
    at: Exchange,
    /// This many exchanges of the kind succeed before.
    after: usize,
    /// Whether the exchange takes effect.
    effect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    List,
    Poll,
    ReadById,
    StatusWrite,
    Update,
    Event,
}

impl Exchange {
    fn is(self, request: &Passing) -> bool {
        let by_id = request.body.contains(ID);
        match self {
            Self::List => request.reads_resources(),
            Self::Poll => request.calls("DescribeConnections") && !by_id,
            Self::ReadById => request.calls("DescribeConnections") && by_id,
            Self::StatusWrite => request.writes_status(),
            Self::Update => request.calls("UpdateConnection"),
            Self::Event => request.path.ends_with("/events"),
        }
    }

    fn is_with_aws(self) -> bool {
        matches!(self, Self::Poll | Self::ReadById | Self::Update)
    }
}

/// What the operator is asked for, and what must have happened in AWS in the end.
#[derive(Clone)]
struct Story {
    line: Connection,
    with_key: bool,
    manifest: Manifest,
    /// The updates that took effect, in order: names and modes.
    effects: Vec<(Option<&'static str>, Option<&'static str>)>,
}

#[tokio::test]
async fn a_rename_survives_a_crash_at_every_exchange() {
    let story = Story {
        line: Connection::new(ID, "old"),
        with_key: false,
        manifest: connection("line").id(ID).name("new"),
        effects: vec![(Some("new"), None)],
    };
    let crashes = [
        (Exchange::List, 1),
        (Exchange::Poll, 2),
        (Exchange::ReadById, 1),
        (Exchange::StatusWrite, 2),
        (Exchange::Update, 1),
        (Exchange::Event, 1),
    ];
    run_all(story, &crashes).await;
}

#[tokio::test]
async fn the_ladder_survives_a_crash_at_every_exchange() {
    let mut line = Connection::new(ID, "old");
    line.encryption_mode = Some("no_encrypt".to_owned());
    let story = Story {
        line,
        with_key: true,
        manifest: connection("line").id(ID).mode("must_encrypt"),
        effects: vec![(None, Some("should_encrypt")), (None, Some("must_encrypt"))],
    };
    let crashes = [
        (Exchange::List, 1),
        (Exchange::Poll, 2),
        (Exchange::ReadById, 2),
        (Exchange::StatusWrite, 4),
        (Exchange::Update, 2),
        (Exchange::Event, 2),
    ];
    run_all(story, &crashes).await;
}

/// Runs every crash in a world of its own, some concurrently.
async fn run_all(story: Story, crashes: &[(Exchange, usize)]) {
    let places = crashes.iter().flat_map(|&(at, count)| (0..count).map(move |after| (at, after)));
    let crashes = places.flat_map(|(at, after)| [false, true].map(|effect| Crash { at, after, effect }));
    stream::iter(crashes).for_each_concurrent(SIDE_BY_SIDE, |crash| run(&story, crash)).await;
}

async fn run(story: &Story, crash: Crash) {
    // Reads are late for longer than a restart takes, so only what status recorded before the crash can tell them from
    // drift.
    let world = World::builder().without_operator().flag("--settle-window", "6s").flag("--leader-elect", "false");
    let mut world = world.build().await;
    world.aws.add(REGION, story.line.clone());
    if story.with_key {
        world.aws.associate_key(REGION, ID, "0123456789abcdef");
    }
    world.aws.configure(|settings| settings.late_reads_for = Duration::from_millis(1500));
    let api_server = Front::of_api_server(&world.kubeconfig).await;
    let aws = Front::of_http(&world.aws.endpoint()).await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &api_server.url(), "front");
    let direct = world.settings.clone();
    world.settings = world
        .settings
        .env("KUBECONFIG", kubeconfig.to_string_lossy())
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", aws.url());
    world.apply(story.manifest.clone()).await;

    let front = if crash.at.is_with_aws() { &aws } else { &api_server };
    let trouble = if crash.effect { Trouble::HangAfter } else { Trouble::HangBefore };
    let at = crash.at;
    front.trouble_from(crash.after, usize::MAX, trouble, move |request| at.is(request));
    world.start_operator();
    let strike = tokio::time::timeout(wait::SOON, front.strikes()).await;
    assert!(strike.is_ok(), "{crash:?}: there is no such exchange; {:?}", world.operator().logs());
    world.operator().signal(Signal::KILL);
    world.operator().wait_exit(wait::SOON).await;
    world.settings = direct;
    world.start_operator();
    world.ready("line").await;
    world.polls(2).await;

    let updates = world.updates();
    let seen: Vec<_> = updates
        .iter()
        .filter(|call| call.effect)
        .map(|call| (sent(call, "connectionName"), sent(call, "encryptionMode")))
        .collect();
    assert_eq!(seen, story.effects, "{crash:?}: {updates:?}");
    // An update that was lost before it took effect is sent once more, and nothing else is.
    let most = story.effects.len() + usize::from(at == Exchange::Update && !crash.effect);
    assert!(updates.len() <= most, "{crash:?}: {updates:?}");
    for (place, call) in updates.iter().enumerate() {
        assert!(updates.iter().skip(place + 1).all(|other| !call.overlaps(other)), "{crash:?}: {updates:?}");
    }
    let line = world.get("line").await;
    let last = line.status("lastUpdate");
    assert!(last["time"].is_string() && last["generation"] == 1, "{crash:?}: {line}");
    let shown = (last["connectionName"].as_str(), last["encryptionMode"].as_str());
    assert_eq!(Some(&shown), story.effects.last(), "{crash:?}: {line}");
}

fn sent<'a>(call: &'a Call, parameter: &str) -> Option<&'a str> {
    call.parameter(parameter)
}
