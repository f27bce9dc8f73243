//! The sockets. Hyper serves each connection directly, because a reset needs the socket back.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::credentials::CredentialSource;
use crate::state::Shared;
use crate::{aws, control, credentials};

/// Asks for a connection to be reset without an answer.
#[derive(Debug)]
pub(crate) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("the connection is reset on request")
    }
}

impl std::error::Error for Reset {}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// Serves Direct Connect and the control API.
    DirectConnect,
    Credentials(CredentialSource),
}

/// Serves until it is dropped, together with its connections.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Accepting fails if the client is already gone, or if the process has no free file descriptors, which is
            // temporary.
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, Arc::clone(&shared), Door::DirectConnect));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves a credential source. Its connections are cut when it refuses more.
pub(crate) async fn run_source(source: CredentialSource, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = poll_fn(|context| shared.lock().ports.poll_accept(source, context)) => match accepted {
                Some(Ok(stream)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared), Door::Credentials(source)));
                }
                Some(Err(_)) => {}
                None => {
                    connections.shutdown().await;
                    poll_fn(|context| shared.lock().ports.poll_open(source, context)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, door: Door) {
    let service = service_fn(move |request| Box::pin(handle(Arc::clone(&shared), door, request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err() {
        // Closing with zero linger sends RST instead of FIN. If this fails, the client sees an early end, which is good
        // enough.
        let _ = stream.set_zero_linger();
    }
}

async fn handle(shared: Arc<Shared>, door: Door, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let (head, body) = request.into_parts();
    // A body that breaks off means that the client is gone.
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    match door {
        Door::Credentials(source) => credentials::answer(&shared, source, &head, &body).await,
        Door::DirectConnect if head.uri.path().starts_with("/_sim") => Ok(control::answer(&shared, &head, &body)),
        Door::DirectConnect => aws::answer(&shared, &head, &body).await,
    }
}
