//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Content type of the `OpenMetrics` text format (its specification, 1.0.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Says whether the process is ready, and if not, what it waits for.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Listens; separate from serving, so that a port in use is found out at once.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; choose another --http-address"))
}

/// Serves for ever.
pub async fn run(listener: TcpListener, metrics: Metrics, readiness: Readiness) -> std::io::Error {
    let scrape = move || async move {
        match metrics.encode() {
            Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    let ready = move || async move {
        match readiness() {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(waits_for) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {waits_for}\n")),
        }
    };
    let app = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    match axum::serve(listener, app).await {
        Err(error) => error,
        Ok(()) => std::io::Error::other("it ended by itself"),
    }
}
