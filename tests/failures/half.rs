//! Listings of AWS that break off between two pages.

use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Outcome};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use test_support::{Front, REGION, Trouble, World, WorldBuilder, connection, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// With two connections a page, these are three pages.
const CONNECTIONS: usize = 5;
const PAGE: usize = 2;

fn id(line: usize) -> String {
    format!("dxcon-{line:08}")
}

fn name(line: usize) -> String {
    format!("line-{line}")
}

/// A world with three pages, with a resource for each connection, and no operator yet.
async fn three_pages(builder: WorldBuilder) -> World {
    let world = builder.without_operator().build().await;
    world.aws.configure(|settings| settings.page_size = PAGE);
    for line in 0..CONNECTIONS {
        world.aws.add(REGION, Connection::new(&id(line), &name(line)));
        world.apply(connection(&name(line)).id(&id(line)).name(&name(line))).await;
    }
    world
}

async fn all_in_sync(world: &World) {
    for line in 0..CONNECTIONS {
        world.condition(&name(line), "Ready", "True", "InSync").await;
    }
}

async fn versions(world: &World) -> BTreeMap<usize, String> {
    let mut versions = BTreeMap::new();
    for line in 0..CONNECTIONS {
        versions.insert(line, world.get(&name(line)).await.version().to_owned());
    }
    versions
}

/// What can happen to a page after the first.
fn troubles() -> Vec<FaultKind> {
    vec![
        FaultKind::ClientException { message: "The pagination token is invalid.".to_owned() },
        FaultKind::Error {
            status: 400,
            code: Some("ExpiredNextTokenException".to_owned()),
            message: "The pagination token has expired.".to_owned(),
        },
        FaultKind::ServerException { message: "It hurts.".to_owned() },
        FaultKind::InternalFailure,
        FaultKind::ServiceUnavailable,
        FaultKind::Throttling,
        FaultKind::AccessDenied,
        FaultKind::BadJson,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
    ]
}

/// Waits until this many calls have ended without a correct answer.
async fn broken_off(world: &World, times: usize) {
    let failed = |call: &Call| call.finished.is_some() && call.outcome != Outcome::Ok;
    wait::until(wait::SOON, format!("{times} rounds to break off"), async || {
        let count = world.aws.calls().iter().filter(|call| failed(call)).count();
        if count >= times { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test]
async fn a_round_that_breaks_off_once_writes_nothing_and_sends_nothing() {
    // A status is stale only after three poll intervals, which no machine is slow enough to reach.
    let mut world = three_pages(World::builder().flag("--poll-interval", "10s")).await;
    world.start_operator();
    all_in_sync(&world).await;
    let before = versions(&world).await;
    world.aws.clear_calls();
    world.aws.inject(Fault::new(FaultKind::ResetAfter).on_page(2).times(1));
    broken_off(&world, 1).await;
    // The next attempt follows within about a second and is complete.
    world.polls(1).await;
    assert_eq!(versions(&world).await, before);
    assert_eq!(world.updates(), []);
    let by_id = world.aws.calls().iter().filter(|call| call.parameter("connectionId").is_some()).count();
    assert_eq!(by_id, 0, "nobody had a reason to look: {:#?}", world.aws.calls());
}

#[tokio::test]
async fn whatever_becomes_of_a_later_page_nothing_of_the_round_counts() {
    let mut world = three_pages(World::builder().flag("--poll-interval", "300ms")).await;
    world.start_operator();
    all_in_sync(&world).await;
    for (page, what) in [2, 3].into_iter().flat_map(|page| troubles().into_iter().map(move |what| (page, what))) {
        let case = format!("page {page}, {what:?}");
        world.aws.inject(Fault::new(what).on_page(page));
        world.aws.clear_calls();
        broken_off(&world, 1).await;
        // The first page contains a change, which would be visible if an incomplete listing counted.
        world.aws.edit(REGION, &id(0), |line| line.location = Some(case.clone()));
        world.aws.clear_calls();
        broken_off(&world, 3).await;
        for line in 0..CONNECTIONS {
            let resource = world.get(&name(line)).await;
            assert_eq!(resource.status("connectionName"), &name(line), "{case}: {resource}");
            assert_ne!(resource.status("location"), &case, "{resource}");
            assert!(!resource.is("Stalled", "True", "NotFound"), "{case}: {resource}");
        }
        world.aws.clear_faults();
        world.until(&name(0), "shown as it is", |line| line.status("location") == &case).await;
    }
    all_in_sync(&world).await;
    assert_eq!(world.updates(), []);
    for line in 0..CONNECTIONS {
        let missing =
            world.events(&name(line)).await.into_iter().filter(|event| event.reason.as_deref() == Some("Blocked"));
        assert_eq!(missing.count(), 0, "nobody was told to be missing");
    }
}

#[tokio::test]
async fn a_page_that_never_comes_is_given_up_and_nothing_of_the_round_counts() {
    let mut world = three_pages(World::builder().flag("--poll-interval", "1s")).await;
    world.start_operator();
    all_in_sync(&world).await;
    world.aws.clear_calls();
    world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).on_page(3));
    broken_off(&world, 1).await;
    // The read timeout, and not the timeout of the whole call, which is longer.
    world.operator().says("read timeout occurred after 8s").await;
    for line in 0..CONNECTIONS {
        let resource = world.get(&name(line)).await;
        assert_eq!(resource.status("connectionName"), &name(line), "{resource}");
        assert!(!resource.is("Stalled", "True", "NotFound"), "{resource}");
    }
    world.aws.clear_faults();
    all_in_sync(&world).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn an_account_that_was_never_read_whole_misses_nobody() {
    let mut world = three_pages(World::builder().flag("--poll-interval", "300ms")).await;
    world.aws.inject(Fault::new(FaultKind::InternalFailure).on_page(3));
    world.start_operator();
    for line in 0..CONNECTIONS {
        let resource = world.condition(&name(line), "Reconciling", "True", "AwsUnavailable").await;
        assert!(resource.status("connectionName").is_null(), "nothing is shown of it: {resource}");
    }
    broken_off(&world, 3).await;
    assert_eq!(world.http_get("/readyz").await.status, 503);
    world.aws.clear_faults();
    all_in_sync(&world).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn pages_without_end_are_no_round() {
    let mut world = three_pages(World::builder().flag("--poll-interval", "300ms")).await;
    let front = Front::of_http(&world.aws.endpoint()).await;
    let again = Trouble::Answer {
        status: 200,
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
        body: r#"{"connections": [], "nextToken": "again"}"#.to_owned(),
    };
    front.trouble(again, |request| request.calls("DescribeConnections"));
    world.settings = world.settings.env("AWS_ENDPOINT_URL_DIRECT_CONNECT", front.url());
    world.start_operator();
    let resource = world.condition(&name(0), "Reconciling", "True", "AwsUnavailable").await;
    let message = resource.condition("Ready").expect("it is there").message;
    assert!(message.contains("pages without end"), "{message}");
    front.clear();
    all_in_sync(&world).await;
    assert_eq!(world.updates(), []);
}

/// A queue for one connection, which is full, so the system accepts no more connections.
#[tokio::test]
async fn an_endpoint_that_takes_no_connection_is_given_up() {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has a free port");
    let listener = socket.listen(0).expect("it listens");
    let address = listener.local_addr().expect("it is bound");
    let _first = TcpStream::connect(address).await.expect("the queue is empty");
    let world = World::builder().env("AWS_ENDPOINT_URL_DIRECT_CONNECT", format!("http://{address}")).build().await;
    world.apply(connection("line").id(&id(0)).name("new")).await;
    world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    world.operator().says("connect timeout occurred after 3s").await;
}

/// Headers arrive and data keeps coming, so neither the connect timeout nor the read timeout helps.
#[tokio::test]
async fn an_answer_that_only_trickles_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it listens"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 1000000\r\n\r\n";
                let mut given_up = stream.write_all(head.as_bytes()).await.is_err();
                while !given_up {
                    given_up = stream.write_all(b" ").await.is_err();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
    });
    let world = World::builder().env("AWS_ENDPOINT_URL_DIRECT_CONNECT", endpoint).build().await;
    world.apply(connection("line").id(&id(0)).name("new")).await;
    let line = world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains("no answer in time"), "{message}");
}
