//! `/metrics`, `/healthz` and `/readyz`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Content type of the `OpenMetrics` text format (its specification, 1.0.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns an error, with what the process waits for, if it is not ready.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Returns an error, with what is stuck, if the process makes no progress and should be restarted.
pub type Liveness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

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
pub async fn run(listener: TcpListener, metrics: Metrics, readiness: Readiness, liveness: Liveness) -> io::Error {
    match axum::serve(listener, routes(metrics, readiness, liveness)).await {
        Err(error) => error,
        Ok(()) => io::Error::other("it ended by itself"),
    }
}

fn routes(metrics: Metrics, readiness: Readiness, liveness: Liveness) -> Router {
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
        let unless = |flag: &Arc<AtomicBool>, reason: &'static str| -> Liveness {
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
}
