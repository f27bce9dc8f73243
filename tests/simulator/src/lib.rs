//! AWS Direct Connect on loopback, for tests and demonstrations.
//!
//! It speaks the wire format that the AWS SDK parses and keeps AWS's rules where other stand-ins are lenient: ids,
//! states, encryption modes, pages. Around them it has AWS's habits (MACsec that takes time, reads that are late,
//! throttling) and every way in which a call can go wrong.
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
use crate::link::Line;
use crate::state::{Shared, State};

/// How long a test waits at most for answers to be held back.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A running Direct Connect; it stops when it is dropped, and what hangs on it is cut off.
///
/// Its methods are what AWS, the far end of the line or another person does. They panic on what the test cannot
/// mean, such as a malformed id or a connection that does not exist, and say what is wrong.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Vec<AbortHandle>,
}

impl Simulator {
    /// Starts one on a free port of 127.0.0.1, as a task of the current runtime.
    ///
    /// # Panics
    ///
    /// If loopback has no port left.
    pub async fn start() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(anywhere).await.expect("loopback has a free port")
    }

    /// Starts one at an address.
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

    /// Where it listens: the URL for `AWS_ENDPOINT_URL_DIRECT_CONNECT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL for `AWS_ENDPOINT_URL_STS`. It gives credentials for any role and any web identity token, and knows them as
    /// those of the role's account.
    pub fn sts_endpoint(&self) -> String {
        self.shared.lock().ports.sts_endpoint()
    }

    /// The URL for `AWS_CONTAINER_CREDENTIALS_FULL_URI`. It gives credentials of the default account.
    pub fn container_credentials_uri(&self) -> String {
        self.shared.lock().ports.container_uri()
    }

    /// Adds a connection to a region, in the place of one with the same id. Its account is its `owner_account`, else
    /// the default one. All stands as given, except that its `region` is this one and that `must_encrypt` without
    /// `Encryption Up` is `down`.
    #[track_caller]
    pub fn add(&self, region: &str, connection: Connection) {
        or_panic(self.shared.lock().world.add(region, connection));
    }

    /// Makes as if a connection had never been.
    pub fn remove(&self, region: &str, id: &str) {
        self.shared.lock().world.remove(region, id);
    }

    /// A connection as it truly is, which is not what late reads show.
    pub fn connection(&self, region: &str, id: &str) -> Option<Connection> {
        let State { world, settings, .. } = &mut *self.shared.lock();
        world.line(region, id, Instant::now(), settings).ok().map(|line| line.connection.clone())
    }

    /// A change by AWS or by someone else, with what follows from it: a session that nothing holds any more goes
    /// down, one that can come up does so after `macsec_up_after`, a last key gone turns `must_encrypt` into
    /// `should_encrypt`, and `must_encrypt` without a session is `down` until the session is up or the mode lower. A
    /// `port_encryption_status` that the change itself sets stands until something else changes it.
    #[track_caller]
    pub fn edit(&self, region: &str, id: &str, change: impl FnOnce(&mut Connection)) {
        or_panic(self.with_line(region, id, |line, now, settings| {
            line.change(now, settings, change);
            Ok(())
        }));
    }

    /// Associates a key: `associating`, after `key_change_after` `associated`, and after `macsec_up_after` more
    /// `Encryption Up`.
    #[track_caller]
    pub fn associate_key(&self, region: &str, id: &str, ckn: &str) {
        or_panic(self.with_line(region, id, |line, now, settings| line.associate(ckn, now, settings)));
    }

    /// Disassociates a key: `disassociating`, after `key_change_after` `disassociated`, and later no more listed.
    /// The key works until it is `disassociated`; if it was the last, the session then goes down, and
    /// `must_encrypt` becomes `should_encrypt`.
    #[track_caller]
    pub fn disassociate_key(&self, region: &str, id: &str, ckn: &str) {
        or_panic(self.with_line(region, id, |line, now, settings| line.disassociate(ckn, now, settings)));
    }

    /// Changes settings. What is already on its way (a key, a session, late reads) keeps the delay it began with.
    #[track_caller]
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.shared.lock();
        let mut settings = state.settings.clone();
        change(&mut settings);
        or_panic(state.set(settings));
    }

    /// Makes calls fail.
    #[track_caller]
    pub fn inject(&self, fault: Fault) {
        or_panic(fault.check());
        self.shared.lock().inject(fault);
    }

    /// Takes all faults back, lets calls that hang go on, releases all answers that are held back and opens the ports that
    /// refuse connections.
    pub fn clear_faults(&self) {
        self.shared.lock().clear_faults();
    }

    /// The calls whose answers are held back by [`FaultKind::HeldAnswer`], in the order in which these were made.
    pub fn held(&self) -> Vec<Call> {
        self.shared.lock().held.calls()
    }

    /// Waits until at least so many answers are held back.
    ///
    /// # Panics
    ///
    /// If they are not within 30 seconds.
    pub async fn wait_until_held(&self, count: usize) -> Vec<Call> {
        let mut changes = self.shared.lock().held.changes();
        let waiting = async {
            loop {
                let held = self.held();
                // The sender lives as long as the simulator, so there is always another change to wait for.
                if held.len() >= count || changes.changed().await.is_err() {
                    return held;
                }
            }
        };
        timeout(MAX_WAIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("{count} held answers were awaited, but there are {:?}", self.held()))
    }

    /// Releases the answer to one call, which is delivered as it was made. The fault that holds answers back stays.
    #[track_caller]
    pub fn release(&self, call: &Call) {
        or_panic(self.shared.lock().held.release(&call.request_id));
    }

    /// Releases all answers that are held back now. The fault that holds answers back stays.
    pub fn release_all(&self) {
        self.shared.lock().held.release_all();
    }

    /// All calls of Direct Connect in the order of their arrival, those in flight too.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().log.direct_connect()
    }

    /// All calls that asked for credentials in the order of their arrival, those in flight too. A connection that was
    /// refused is none.
    pub fn credential_calls(&self) -> Vec<Call> {
        self.shared.lock().log.credentials()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.shared.lock().log.clear();
    }

    /// Sets up everything that a seed file says.
    pub fn plant(&self, seed: Seed) -> Result<(), String> {
        seed.plant(&mut self.shared.lock())
    }

    /// Has each call shown to this function when it ends.
    pub fn watch(&self, watcher: impl Fn(&Call) + Send + Sync + 'static) {
        self.shared.lock().watcher = Some(Arc::new(watcher));
    }

    fn with_line(
        &self,
        region: &str,
        id: &str,
        act: impl FnOnce(&mut Line, Instant, &Settings) -> Result<(), String>,
    ) -> Result<(), String> {
        let State { world, settings, .. } = &mut *self.shared.lock();
        let now = Instant::now();
        act(world.line(region, id, now, settings)?, now, settings)
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
