//! The calls that Direct Connect got, with the time at which each was answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use direct_connect_simulator::{Call, Simulator};
use tokio::time::Instant;

/// A call that has been answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When.
    pub at: Instant,
    /// How long Direct Connect took: its own time, not that of who called.
    pub took: Duration,
    /// Whether it was an `UpdateConnection`.
    pub is_update: bool,
    /// The connection that it was about; `None` for a page of all.
    pub connection: Option<String>,
    /// Whether it was the first page of all.
    pub is_first_page: bool,
}

/// All calls from when this was made, or from the last [`Calls::clear`].
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Answered>>>);

impl Calls {
    /// Listens to this Direct Connect from now on.
    pub fn of(aws: &Simulator) -> Self {
        let calls = Self::default();
        let heard = calls.clone();
        aws.watch(move |call| heard.lock().push(Answered::from(call)));
        calls
    }

    /// Forgets those so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Those so far.
    pub fn all(&self) -> Vec<Answered> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Answered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&Call> for Answered {
    fn from(call: &Call) -> Self {
        let millis = call.finished.as_ref().map_or(0.0, |finished| finished.millis - call.time.millis);
        let connection = call.parameter("connectionId").map(str::to_owned);
        Self {
            at: Instant::now(),
            took: Duration::from_secs_f64(millis.max(0.0) / 1000.0),
            is_update: call.operation == "UpdateConnection",
            is_first_page: connection.is_none() && call.parameter("nextToken").is_none(),
            connection,
        }
    }
}
