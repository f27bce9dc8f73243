//! Who is measured, and the world that each is measured in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use test_support::{ControlPlane, Signal, World, operator_binary};
use tokio::time::{Instant, sleep};

use crate::calls::Calls;
use crate::resources;
use crate::writes::Writes;

/// How long each call of AWS takes: Direct Connect's own time.
pub const AWS_TIME: Duration = Duration::from_millis(20);

/// How long anything may take before it is given up.
pub const DEADLINE: Duration = Duration::from_mins(4);

/// How long a program may take to end when it is asked to.
const END: Duration = Duration::from_secs(30);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// The operator.
    Operator,
    /// The Go controller of `benches/peer`.
    Peer,
}

impl Contestant {
    /// The program: what `OPERATOR_BINARY` and `PEER_BINARY` name.
    pub fn binary(self) -> PathBuf {
        match self {
            Self::Operator => operator_binary(),
            Self::Peer => {
                std::env::var_os("PEER_BINARY").map(PathBuf::from).expect("PEER_BINARY names the Go controller")
            }
        }
    }
}

/// A namespace with resources, the Direct Connect that they are about, and one of the two, which may run.
pub struct Arena {
    /// All of it.
    pub world: World,
    /// What the API server tells.
    pub writes: Writes,
    /// What Direct Connect is asked.
    pub calls: Calls,
}

impl Arena {
    /// Prepares so many resources, and has whoever is measured read AWS this often. It does not run yet. Where nothing is said,
    /// it has its defaults.
    pub async fn new(plane: &Arc<ControlPlane>, who: Contestant, interval: Duration, count: usize) -> Self {
        let world = World::builder()
            .on(Arc::clone(plane))
            .without_operator()
            .operator(move |settings| {
                let settings = settings
                    .program(&who.binary())
                    .without_env("RUST_LOG")
                    .without_flag("--settle-window")
                    .without_flag("--encryption-soak")
                    .flag("--poll-interval", format!("{}s", interval.as_secs()));
                match who {
                    Contestant::Operator => settings,
                    // It knows no other format.
                    Contestant::Peer => settings.without_flag("--log-format"),
                }
            })
            .build()
            .await;
        world.aws.configure(|settings| settings.latency = AWS_TIME);
        resources::populate(&world, count).await;
        let writes = Writes::follow(resources::api(&world)).await;
        let calls = Calls::of(&world.aws);
        Self { world, writes, calls }
    }

    /// The same with resources that have their status, and whoever wrote it still running.
    pub async fn adopted(plane: &Arc<ControlPlane>, who: Contestant, interval: Duration, count: usize) -> Self {
        let mut arena = Self::new(plane, who, interval, count).await;
        arena.world.start_operator();
        if count > 0 {
            arena.writes.ready(DEADLINE, count).await;
        }
        arena
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.world.operator().id()
    }

    /// Waits until it says that it is ready, which is looked at every few milliseconds.
    pub async fn until_ready(&self) -> Instant {
        let end = Instant::now() + DEADLINE;
        while self.world.http_get("/readyz").await.status != 200 {
            assert!(Instant::now() < end, "it was not ready within {DEADLINE:?}");
            sleep(Duration::from_millis(5)).await;
        }
        Instant::now()
    }

    /// Waits until the answers of AWS have shown so many connections, and tells when they had: never, for none.
    pub async fn until_read(&self, count: usize) -> Option<Instant> {
        if count == 0 {
            return None;
        }
        let end = Instant::now() + DEADLINE;
        loop {
            let mut shown = 0;
            for call in self.calls.all() {
                shown += if call.connection.is_some() { 1 } else { 100 };
                if shown >= count {
                    return Some(call.at);
                }
            }
            assert!(Instant::now() < end, "{shown} of {count} connections were read within {DEADLINE:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has it end as a rolling update does, so that the next to start need not wait for its Lease to expire.
    pub async fn end(&mut self) {
        let operator = self.world.operator();
        operator.signal(Signal::TERM);
        operator.wait_exit(END).await;
        self.world.stop_operator();
    }
}
