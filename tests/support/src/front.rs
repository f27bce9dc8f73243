//! A front: a proxy for the API server or Direct Connect that can refuse, hold back or cut off single requests.

mod passing;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::Client;
use kube::client::Body as KubeBody;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

pub use self::passing::Passing;

/// How long a trouble may take to hit a request, by far.
const STRIKES: Duration = Duration::from_mins(3);

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The front gives this answer, and does not forward the request.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers: names and values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The front does not forward the request and does not answer. It cuts the connection when the troubles are
    /// cleared.
    HangBefore,
    /// The front forwards the request, but does not answer. It cuts the connection when the troubles are cleared.
    HangAfter,
    /// The front cuts the connection without forwarding the request.
    CutBefore,
    /// The front forwards the request, and then cuts the connection.
    CutAfter,
    /// The front forwards the request after this time.
    Late(Duration),
    /// The front forwards the request when the troubles are cleared.
    Held,
    /// The front forwards the request at once, and its answer when the troubles are cleared.
    AnswerHeld,
    /// The front forwards the request, but gives this answer.
    AnswerReplaced {
        /// HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
}

impl Trouble {
    /// An error answer in the form of the API server.
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        let status = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Self::Answer {
            status: code,
            headers: vec![("content-type", "application/json".to_owned())],
            body: status.to_string(),
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

struct Rule {
    hits: Box<dyn Fn(&Passing) -> bool + Send>,
    trouble: Trouble,
    skip: usize,
    times: usize,
}

enum Behind {
    /// Requests are forwarded with the credentials of the kubeconfig: the certificate and the token.
    ApiServer(Client),
    Plain(SocketAddr),
}

struct Shared {
    behind: Behind,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Passing>>,
    /// Counts how many times the troubles were cleared.
    clear: watch::Sender<u64>,
    struck: mpsc::UnboundedSender<Passing>,
}

/// An HTTP server for the operator that forwards requests to the real server.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
    strikes: tokio::sync::Mutex<mpsc::UnboundedReceiver<Passing>>,
}

impl Front {
    /// A front of the API server of a kubeconfig, with the permissions of its user.
    pub async fn of_api_server(kubeconfig: &Path) -> Self {
        Self::of(behind(kubeconfig).await).await
    }

    /// A front of a plain HTTP server: the simulated Direct Connect.
    pub async fn of_http(endpoint: &str) -> Self {
        let address = endpoint.strip_prefix("http://").and_then(|address| address.parse().ok());
        Self::of(Behind::Plain(address.expect("an endpoint such as http://127.0.0.1:80"))).await
    }

    async fn of(behind: Behind) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        let (struck, strikes) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            behind,
            rules: Mutex::default(),
            seen: Mutex::default(),
            clear: watch::Sender::new(0),
            struck,
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared))).abort_handle();
        Self { address, shared, server, strikes: tokio::sync::Mutex::new(strikes) }
    }

    /// The URL of the front.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies this trouble to all requests for which `hits` is true.
    pub fn trouble(&self, trouble: Trouble, hits: impl Fn(&Passing) -> bool + Send + 'static) {
        self.trouble_from(0, usize::MAX, trouble, hits);
    }

    /// Applies this trouble to some of the requests for which `hits` is true: not to the first few, and then to this
    /// many.
    pub fn trouble_from(
        &self,
        skip: usize,
        times: usize,
        trouble: Trouble,
        hits: impl Fn(&Passing) -> bool + Send + 'static,
    ) {
        lock(&self.shared.rules).push(Rule { hits: Box::new(hits), trouble, skip, times });
    }

    /// Clears all troubles.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
        self.shared.clear.send_modify(|count| *count += 1);
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Passing> {
        lock(&self.shared.seen).clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.shared.seen).clear();
    }

    /// Waits until a trouble hits a request: it is held back, or has been answered. Each request is returned once.
    #[track_caller]
    pub fn strikes(&self) -> impl Future<Output = Passing> {
        let caller = Location::caller();
        let strike = async { self.strikes.lock().await.recv().await };
        async move {
            let struck = tokio::time::timeout(STRIKES, strike).await;
            struck
                .unwrap_or_else(|_| panic!("{caller}: no trouble hit a request within {STRIKES:?}"))
                .expect("the other end is here too")
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A copy of a kubeconfig with another server, in the same folder. `name` distinguishes the copies.
pub fn kubeconfig_via(kubeconfig: &Path, server: &str, name: &str) -> PathBuf {
    let mut changed = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    for cluster in &mut changed.clusters {
        cluster.cluster.get_or_insert_default().server = Some(server.to_owned());
    }
    let file = kubeconfig.file_name().expect("a kubeconfig is a file").to_string_lossy();
    let path = kubeconfig.with_file_name(format!("{file}-{name}"));
    // JSON is YAML.
    std::fs::write(&path, serde_json::to_vec(&changed).expect("it is plain data")).expect("the folder is writable");
    path
}

/// The address of the API server of a kubeconfig.
pub fn api_server(kubeconfig: &Path) -> SocketAddr {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    let mut servers = kubeconfig.clusters.into_iter().filter_map(|cluster| cluster.cluster?.server);
    let server = servers.next().expect("it has a cluster");
    server.rsplit('/').next().and_then(|address| address.parse().ok()).expect("a URL of an address and a port")
}

async fn behind(kubeconfig: &Path) -> Behind {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("the kubeconfig is whole");
    // The operator itself has to retry refused requests.
    config.default_retry = false;
    config.proxy_url = None;
    Behind::ApiServer(Client::try_from(config).expect("a client can be made"))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropping this set aborts all connections.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(Arc::clone(&shared), request));
            // Connections that end with an error are expected here.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let passing = Passing {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        operation: target.and_then(|target| target.rsplit('.').next()).map(str::to_owned),
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    };
    lock(&shared.seen).push(passing.clone());
    let mut clear = shared.clear.subscribe();
    clear.mark_unchanged();
    let request = Request::from_parts(head, body);
    let strike = || {
        // Nothing may be waiting for it.
        let _ = shared.struck.send(passing.clone());
    };
    match shared.trouble_of(&passing) {
        None => shared.hand_on(request).await,
        Some(Trouble::Answer { status, headers, body }) => {
            strike();
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(whole(body.into()))?)
        }
        Some(Trouble::HangBefore) => {
            strike();
            let _ = clear.changed().await;
            Err("held back until it was cut off".into())
        }
        Some(Trouble::HangAfter) => {
            shared.hand_on(request).await?;
            strike();
            let _ = clear.changed().await;
            Err("its answer was held back until it was cut off".into())
        }
        Some(Trouble::CutBefore) => {
            strike();
            Err("cut off".into())
        }
        Some(Trouble::CutAfter) => {
            shared.hand_on(request).await?;
            strike();
            Err("cut off after it got there".into())
        }
        Some(Trouble::Late(late)) => {
            strike();
            tokio::time::sleep(late).await;
            shared.hand_on(request).await
        }
        Some(Trouble::Held) => {
            strike();
            let _ = clear.changed().await;
            shared.hand_on(request).await
        }
        Some(Trouble::AnswerHeld) => {
            let (head, body) = shared.hand_on(request).await?.into_parts();
            // The answer is read completely, so that no part of it is newer than the request.
            let body = body.collect().await?.to_bytes();
            strike();
            let _ = clear.changed().await;
            Ok(Response::from_parts(head, whole(body)))
        }
        Some(Trouble::AnswerReplaced { status, body }) => {
            shared.hand_on(request).await?;
            strike();
            Ok(Response::builder().status(status).body(whole(body.into()))?)
        }
    }
}

impl Shared {
    fn trouble_of(&self, passing: &Passing) -> Option<Trouble> {
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && (rule.hits)(passing))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.trouble.clone())
    }

    async fn hand_on(&self, request: Request<Bytes>) -> Result<Response<Body>, Failure> {
        let (mut head, body) = request.into_parts();
        match &self.behind {
            Behind::ApiServer(client) => {
                // The client sets the host and the credentials.
                head.uri = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default().parse()?;
                head.headers.remove("host");
                head.headers.remove("authorization");
                let response = client.send(Request::from_parts(head, KubeBody::from(body.to_vec()))).await?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Behind::Plain(address) => {
                head.uri = format!("http://{address}{}", head.uri.path()).parse()?;
                let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
                let response = client.request(Request::from_parts(head, Full::new(body))).await?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
        }
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
