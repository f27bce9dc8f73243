//! `/metrics`, `/healthz` and `/readyz`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Content type of the `OpenMetrics` text format (its specification, 1.0.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections that are open at a time. The port needs no authentication, so any Pod can open connections, and each takes
/// memory and a file descriptor of the process that leads.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take to arrive, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be used. It ends the connections of clients that do not read their responses.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30);

/// Returns an error that says what the process waits for, if it is not ready, or what is stuck, if it should be restarted.
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Opens the port. This is separate from serving, so that a port in use is reported at once.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let outcome = match TcpListener::bind(address).await {
        Err(error) => match without_ipv6(address, &error) {
            Some(address) => TcpListener::bind(address).await,
            None => Err(error),
        },
        bound => bound,
    };
    outcome.map_err(|error| format!("cannot listen on {address}: {error}; choose another --http-address"))
}

/// The address to listen on instead, if `[::]` (all addresses of IPv6 and IPv4) failed. The manifests ask for it, and the
/// kernel of a node may have no IPv6.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_all = address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse;
    is_all.then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// Serves requests for ever.
pub async fn run(mut listener: TcpListener, metrics: Metrics, readiness: Probe, liveness: Probe) -> Infallible {
    let routes = routes(metrics, readiness, liveness);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        // The trait's method: it waits and goes on if there are no file descriptors left.
        let (stream, _) = Listener::accept(&mut listener).await;
        open.retain(|connection| !connection.is_finished());
        // The oldest one makes room. If the new one had to wait, whoever keeps all of them busy would keep the kubelet from
        // its probes, and have the process restarted.
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(tokio::spawn(serve(stream, routes.clone())).abort_handle());
    }
}

/// Serves one connection until it ends or has exceeded a time limit.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, routes: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    // An error concerns only the client, which sees it too.
    if timeout(MAX_CONNECTION_AGE, connection.as_mut()).await.is_err() {
        // A request in progress is answered, and the client is told to open another connection for the next one.
        connection.as_mut().graceful_shutdown();
        let _ = timeout(HEAD_TIMEOUT, connection).await;
    }
}

fn routes(metrics: Metrics, readiness: Probe, liveness: Probe) -> Router {
    let scrape = move || async move {
        match metrics.encode() {
            Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    let ready = move || async move { probe(readiness(), "ready", "not ready") };
    let live = move || async move { probe(liveness(), "ok", "not live") };
    Router::new().route("/metrics", get(scrape)).route("/healthz", get(live)).route("/readyz", get(ready))
}

fn probe(outcome: Result<(), String>, passed: &str, failed: &str) -> (StatusCode, String) {
    match outcome {
        Ok(()) => (StatusCode::OK, format!("{passed}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failed}: {reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    #[tokio::test]
    async fn on_all_addresses_of_ipv6_it_is_reached_by_ipv4_too() {
        let listener = listen("[::]:0".parse().expect("an address")).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
        let error = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await.expect_err("the port is in use");
        assert!(error.starts_with(&format!("cannot listen on [::]:{port}: ")), "{error}");
    }

    #[test]
    fn only_the_address_of_all_falls_back_to_ipv4_where_the_kernel_has_no_ipv6() {
        // EAFNOSUPPORT of Linux.
        let none = io::Error::from_raw_os_error(97);
        let in_use = io::Error::from(io::ErrorKind::AddrInUse);
        let instead = |address: &str, error| without_ipv6(address.parse().expect("an address"), error);
        assert_eq!(instead("[::]:8080", &none), Some("0.0.0.0:8080".parse().expect("an address")));
        assert_eq!(instead("[::]:8080", &in_use), None);
        assert_eq!(instead("[::1]:8080", &none), None);
        assert_eq!(instead("127.0.0.1:8080", &none), None);
    }

    #[tokio::test]
    async fn each_probe_fails_with_its_own_reason_and_recovers_by_itself() {
        let (waits, stands_still) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let unless = |flag: &Arc<AtomicBool>, reason: &'static str| -> Probe {
            let flag = Arc::clone(flag);
            Arc::new(move || if flag.load(Ordering::Relaxed) { Err(reason.to_owned()) } else { Ok(()) })
        };
        let (readiness, liveness) = (unless(&waits, "no list"), unless(&stands_still, "no pass has ended for 300 s"));
        let server = kube::Client::new(routes(Metrics::new(), readiness, liveness), "default");
        let get = async |path: &str| {
            let request = Request::get(path).body(kube::client::Body::empty()).expect("a request");
            let (head, body) = server.send(request).await.expect("an answer").into_parts();
            let body = to_bytes(Body::new(body), 1000).await.expect("a body");
            (head.status.as_u16(), String::from_utf8_lossy(&body).into_owned())
        };
        let told = |status, text: &str| (status, text.to_owned());
        for _ in 0..2 {
            assert_eq!(get("/healthz").await, told(200, "ok\n"));
            stands_still.store(true, Ordering::Relaxed);
            assert_eq!(get("/healthz").await, told(503, "not live: no pass has ended for 300 s\n"));
            assert_eq!(get("/readyz").await, told(200, "ready\n"), "the one is not the other");
            stands_still.store(false, Ordering::Relaxed);
            waits.store(true, Ordering::Relaxed);
            assert_eq!(get("/readyz").await, told(503, "not ready: no list\n"));
            assert_eq!(get("/healthz").await, told(200, "ok\n"));
            waits.store(false, Ordering::Relaxed);
        }
    }

    fn healthy() -> Router {
        routes(Metrics::new(), Arc::new(|| Ok(())), Arc::new(|| Ok(())))
    }

    /// All that arrives until the connection ends, which has to be within the limit. One that is reset has ended too.
    async fn rest(client: &mut (impl AsyncRead + Unpin), limit: Duration) -> String {
        let mut text = Vec::new();
        let _ = timeout(limit, client.read_to_end(&mut text)).await.expect("the connection ends");
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn silent_connections_are_ended_and_keep_nobody_out() {
        let listener = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let ready: Probe = Arc::new(|| Ok(()));
        let server = tokio::spawn(run(listener, Metrics::new(), Arc::clone(&ready), ready));
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let mut probe = TcpStream::connect(address).await.expect("a connection");
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        probe.write_all(request).await.expect("it is sent");
        // Sooner than any of the silent ones is ended by its time limit.
        let answer = rest(&mut probe, Duration::from_secs(4)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
        let surplus = silent.len() + 1 - MAX_CONNECTIONS;
        for (number, client) in silent.iter_mut().enumerate() {
            let limit = if number < surplus { Duration::from_secs(2) } else { 2 * HEAD_TIMEOUT };
            assert_eq!(rest(client, limit).await, "");
        }
        server.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_idle_after_an_answer_is_ended() {
        let (mut client, server) = tokio::io::duplex(1000);
        let task = tokio::spawn(serve(server, healthy()));
        let started = Instant::now();
        client.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
        let answer = rest(&mut client, 2 * HEAD_TIMEOUT).await;
        assert!(answer.ends_with("ready\n"), "{answer}");
        assert!(started.elapsed() >= HEAD_TIMEOUT, "it is kept for another request meanwhile");
        task.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_response_is_not_waited_for_without_end() {
        let (mut client, server) = tokio::io::duplex(100);
        let task = tokio::spawn(serve(server, healthy()));
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
        timeout(2 * MAX_CONNECTION_AGE, task).await.expect("it ends").expect("no panic");
    }
}
