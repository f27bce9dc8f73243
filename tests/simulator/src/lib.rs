//! AWS Direct Connect on loopback, for tests and demonstrations.
//!
//! It has the wire format that the AWS SDK parses, and AWS's rules for ids, states, encryption modes and pages, where
//! other simulators are lenient. It also behaves like AWS over time (MACsec takes a while, reads are late, calls are
//! throttled), and can make calls fail in every way.
//!
//! ```no_run
//! # async fn example() {
//! use direct_connect_simulator::{Connection, Fault, FaultKind, Simulator};
//!
//! let aws = Simulator::start().await;
//! aws.add("eu-central-1", Connection::new("dxcon-fg1234ab", "frankfurt-a"));
//! aws.inject(Fault::new(FaultKind::ResetAfter).on("UpdateConnection").times(1));
//! // Point an AWS client at aws.endpoint(), then look at aws.connection(..) and aws.calls().
//! # }
//! ```
#![allow(clippy::doc_markdown, reason = "MACsec and SigV4 are names, not code")]

mod auth;
mod aws;
mod calls;
mod connection;
mod control;
mod credentials;
mod exchange;
mod faults;
mod held;
mod link;
mod paging;
mod rules;
mod seed;
mod server;
mod settings;
mod state;
mod throttle;
mod wire;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use calls::{Call, Moment, Outcome};
pub use connection::{Connection, DEFAULT_ACCOUNT, ENCRYPTION_DOWN, ENCRYPTION_UP, MacSecKey, RateLimiterStatus, Tag};
pub use credentials::CredentialSource;
pub use faults::{Age, Fault, FaultKind, Reads, Stored};
pub use seed::Seed;
pub use settings::{LARGEST_PAGE, Settings, Throttle};

use crate::credentials::Ports;
use crate::link::Link;
use crate::state::{Shared, State};

/// How long a test waits at most for answers to be held back.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A running simulator. It stops when it is dropped, and cuts all connections.
///
/// Its methods are actions of AWS, of the far end or of another person. They panic on mistakes of a test, such as a
/// malformed id or a connection that does not exist, and say what is wrong.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Vec<AbortHandle>,
}

impl Simulator {
    /// Starts a simulator on a free port of 127.0.0.1, as a task of the current runtime.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn start() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(anywhere).await.expect("loopback has a free port")
    }

    /// Starts a simulator at an address.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(Ports::open(address.ip())?);
        let mut tasks = vec![tokio::spawn(server::run(listener, Arc::clone(&shared))).abort_handle()];
        for source in CredentialSource::ALL {
            tasks.push(tokio::spawn(server::run_source(source, Arc::clone(&shared))).abort_handle());
        }
        Ok(Self { shared, address, tasks })
    }

    /// The URL for `AWS_ENDPOINT_URL_DIRECT_CONNECT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL for `AWS_ENDPOINT_URL_STS`. It gives credentials for any role and any web identity token. They belong to
    /// the account of the role.
    pub fn sts_endpoint(&self) -> String {
        self.shared.lock().ports.sts_endpoint()
    }

    /// The URL for `AWS_CONTAINER_CREDENTIALS_FULL_URI`. It gives credentials of the default account.
    pub fn container_credentials_uri(&self) -> String {
        self.shared.lock().ports.container_uri()
    }

    /// Adds a connection to a region, or replaces the one with the same id. Its account is its `owner_account`, or else
    /// the default one. All fields stay as given, except that its `region` is set, and that `must_encrypt` without
    /// `Encryption Up` is `down`.
    #[track_caller]
    pub fn add(&self, region: &str, connection: Connection) {
        or_panic(self.shared.lock().world.add(region, connection));
    }

    /// Removes a connection as if it had never existed.
    pub fn remove(&self, region: &str, id: &str) {
        self.shared.lock().world.remove(region, id);
    }

    /// The current connection, without the effect of late reads.
    pub fn connection(&self, region: &str, id: &str) -> Option<Connection> {
        let State { world, settings, .. } = &mut *self.shared.lock();
        world.link(region, id, Instant::now(), settings).ok().map(|link| link.connection.clone())
    }

    /// Makes a change as AWS or someone else would, with its consequences: a session without a working key goes down; a
    /// session that can come up does so after `macsec_up_after`; without a key, `must_encrypt` becomes
    /// `should_encrypt`; and `must_encrypt` without a session is `down` until the session is up or the mode is lower.
    /// If the change itself sets `port_encryption_status`, this stays until something else changes it.
    #[track_caller]
    pub fn edit(&self, region: &str, id: &str, change: impl FnOnce(&mut Connection)) {
        or_panic(self.with_link(region, id, |link, now, settings| {
            link.change(now, settings, change);
            Ok(())
        }));
    }

    /// Associates a key: it is `associating`, after `key_change_after` `associated`, and after another
    /// `macsec_up_after` the port is at `Encryption Up`.
    #[track_caller]
    pub fn associate_key(&self, region: &str, id: &str, ckn: &str) {
        or_panic(self.with_link(region, id, |link, now, settings| link.associate(ckn, now, settings)));
    }

    /// Disassociates a key: it is `disassociating`, after `key_change_after` `disassociated`, and later it is no longer
    /// listed. The key works until it is `disassociated`. If it was the last one, the session then goes down, and
    /// `must_encrypt` becomes `should_encrypt`.
    #[track_caller]
    pub fn disassociate_key(&self, region: &str, id: &str, ckn: &str) {
        or_panic(self.with_link(region, id, |link, now, settings| link.disassociate(ckn, now, settings)));
    }

    /// Changes settings. Keys, sessions and late reads in progress keep their delays.
    #[track_caller]
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.shared.lock();
        let mut settings = state.settings.clone();
        change(&mut settings);
        or_panic(state.set(settings));
    }

    /// Injects a fault.
    #[track_caller]
    pub fn inject(&self, fault: Fault) {
        or_panic(fault.check());
        self.shared.lock().inject(fault);
    }

    /// Clears all faults, continues calls that hang, releases all held answers and opens all ports that refuse
    /// connections.
    pub fn clear_faults(&self) {
        self.shared.lock().clear_faults();
    }

    /// The calls whose answers [`FaultKind::HeldAnswer`] holds back, in the order in which the answers were made.
    pub fn held(&self) -> Vec<Call> {
        self.shared.lock().held.calls()
    }

    /// Waits until at least this many answers are held back.
    ///
    /// # Panics
    ///
    /// If that takes longer than 30 seconds.
    pub async fn wait_until_held(&self, count: usize) -> Vec<Call> {
        let mut changes = self.shared.lock().held.changes();
        let waiting = async {
            loop {
                let held = self.held();
                // The sender lives as long as the simulator, so this cannot fail.
                if held.len() >= count || changes.changed().await.is_err() {
                    return held;
                }
            }
        };
        timeout(MAX_WAIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("{count} held answers were awaited, but there are {:?}", self.held()))
    }

    /// Releases the answer to one call. The fault stays active.
    #[track_caller]
    pub fn release(&self, call: &Call) {
        or_panic(self.shared.lock().held.release(&call.request_id));
    }

    /// Releases all answers that are held back now. The fault stays active.
    pub fn release_all(&self) {
        self.shared.lock().held.release_all();
    }

    /// All calls to Direct Connect in order of arrival, including those in flight.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().log.direct_connect()
    }

    /// All requests for credentials in order of arrival, including those in flight. Refused connections are not
    /// included.
    pub fn credential_calls(&self) -> Vec<Call> {
        self.shared.lock().log.credentials()
    }

    /// Clears the call log.
    pub fn clear_calls(&self) {
        self.shared.lock().log.clear();
    }

    /// Applies a seed file.
    pub fn plant(&self, seed: Seed) -> Result<(), String> {
        seed.plant(&mut self.shared.lock())
    }

    /// Calls this function for each call when it ends.
    pub fn watch(&self, watcher: impl Fn(&Call) + Send + Sync + 'static) {
        self.shared.lock().watcher = Some(Arc::new(watcher));
    }

    fn with_link(
        &self,
        region: &str,
        id: &str,
        act: impl FnOnce(&mut Link, Instant, &Settings) -> Result<(), String>,
    ) -> Result<(), String> {
        let State { world, settings, .. } = &mut *self.shared.lock();
        let now = Instant::now();
        act(world.link(region, id, now, settings)?, now, settings)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

#[track_caller]
fn or_panic(result: Result<(), String>) {
    if let Err(problem) = result {
        panic!("{problem}");
    }
}
