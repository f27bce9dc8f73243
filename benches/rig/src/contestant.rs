//! The programs that are measured, and the world in which each is measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use test_support::{ControlPlane, Signal, World, operator_binary};
use tokio::time::{Instant, sleep};

use crate::calls::Calls;
use crate::resources;
use crate::writes::Writes;

/// How long each AWS call takes in the simulator.
pub const AWS_TIME: Duration = Duration::from_millis(20);

/// The timeout of every step.
pub const DEADLINE: Duration = Duration::from_mins(4);

/// How long a program may take to end when asked to.
const END: Duration = Duration::from_secs(30);

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// The operator.
    Operator,
    /// The Go controller of `benches/peer`.
    Peer,
}

impl Contestant {
    /// Its binary, as `OPERATOR_BINARY` or `PEER_BINARY` names it.
    pub fn binary(self) -> PathBuf {
        match self {
            Self::Operator => operator_binary(),
            Self::Peer => {
                std::env::var_os("PEER_BINARY").map(PathBuf::from).expect("PEER_BINARY names the Go controller")
            }
        }
    }
}

/// A namespace with resources, their Direct Connect, and one of the two programs, which may be running.
pub struct Arena {
    /// The whole world.
    pub world: World,
    /// What a watch shows of the resources.
    pub writes: Writes,
    /// The calls to Direct Connect.
    pub calls: Calls,
}

impl Arena {
    /// Prepares this many resources. The program is not started; it will poll AWS at this interval, or at its default
    /// if there is none.
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
                    // The peer knows no other format.
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

    /// The same with resources that have a status, whose writer is still running.
    pub async fn adopted(plane: &Arc<ControlPlane>, who: Contestant, interval: Duration, count: usize) -> Self {
        let mut arena = Self::new(plane, who, interval, count).await;
        arena.world.start_operator();
        if count > 0 {
            arena.writes.ready(DEADLINE, count).await;
        }
        arena
    }

    /// The process id of the program.
    pub fn process(&self) -> u32 {
        self.world.operator().id()
    }

    /// Waits until the program says that it is ready, which is checked every few milliseconds.
    pub async fn until_ready(&self) -> Instant {
        let end = Instant::now() + DEADLINE;
        while self.world.http_get("/readyz").await.status != 200 {
            assert!(Instant::now() < end, "it was not ready within {DEADLINE:?}");
            sleep(Duration::from_millis(5)).await;
        }
        Instant::now()
    }

    /// Waits until this many connections were in answers of AWS, and returns when that was; `None` for none.
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

    /// Ends the program as a rolling update does, so that the next one need not wait until the Lease expires.
    pub async fn end(&mut self) {
        let operator = self.world.operator();
        operator.signal(Signal::TERM);
        operator.wait_exit(END).await;
        self.world.stop_operator();
    }
}
