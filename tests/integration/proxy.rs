//! A proxy from the environment, as on a laptop or in a closed network.

use direct_connect_simulator::Connection;
use std::sync::{Arc, Mutex};
use test_support::{Front, REGION, World, api_server, connection, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const ID: &str = "dxcon-aaaaaaaa";

/// A proxy that only connects to this machine, at another address than the API server. Returns its URL, and the hosts that
/// it was asked to connect to.
async fn tunnels() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.2:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                // A client may hang up early.
                let _ = tunnel(client, &noted).await;
            });
        }
    });
    (url, asked)
}

async fn tunnel(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let whom = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or(&head).to_owned();
    asked.lock().expect("nobody panicked").push(whom.clone());
    if !whom.starts_with("127.0.0.1:") {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    }
    let mut server = TcpStream::connect(&whom).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

#[tokio::test]
async fn plain_calls_of_aws_go_by_http_proxy() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let proxy = Front::of_http(&world.aws.endpoint()).await;
    world.settings = world
        .settings
        .env("HTTP_PROXY", proxy.url())
        // A host name that only the proxy can resolve.
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", "http://directconnect.invalid");
    world.start_operator();
    world.ready("line").await;
    assert_eq!(world.updates().len(), 1);
    assert!(proxy.seen().iter().any(|request| request.calls("UpdateConnection")));
}

#[tokio::test]
async fn the_real_endpoint_and_the_api_server_go_by_https_proxy_but_for_no_proxy() {
    // What NO_PROXY says of the proxy's own address, which is that of its domain in many a company, is of no account.
    for (no_proxy, is_asked) in [(None, true), (Some("127.0.0.1"), false), (Some("127.0.0.2"), true)] {
        let (url, asked) = tunnels().await;
        let mut world = World::builder().without_operator().build().await;
        world.apply(connection("line").id(ID).name("new")).await;
        let settings = world.settings.without_env("AWS_ENDPOINT_URL_DIRECT_CONNECT").env("HTTPS_PROXY", url);
        world.settings = match no_proxy {
            Some(hosts) => settings.env("NO_PROXY", hosts),
            None => settings,
        };
        world.start_operator();
        world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
        let asked = || asked.lock().expect("nobody panicked").clone();
        let aws = format!("directconnect.{REGION}.amazonaws.com:443");
        wait::until(wait::SOON, "the proxy to be asked for AWS", async || asked().contains(&aws)).await;
        let api_server = api_server(&world.kubeconfig).to_string();
        assert_eq!(asked().contains(&api_server), is_asked, "NO_PROXY={no_proxy:?}: {:?}", asked());
    }
}
