//! The calls that Direct Connect received, with the time of each answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use direct_connect_simulator::{Call, Simulator};
use tokio::time::Instant;

/// An answered call.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When it was answered.
    pub at: Instant,
    /// How long Direct Connect took, without the time of the caller.
    pub took: Duration,
    /// Whether it was an `UpdateConnection`.
    pub is_update: bool,
    /// The connection id; `None` for a page of a listing.
    pub connection: Option<String>,
    /// Whether it was the first page of a listing.
    pub is_first_page: bool,
}

/// All calls since this was created, or since the last [`Calls::clear`].
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Answered>>>);

impl Calls {
    /// Records the calls to this simulator from now on.
    pub fn of(aws: &Simulator) -> Self {
        let calls = Self::default();
        let heard = calls.clone();
        aws.watch(move |call| heard.lock().push(Answered::from(call)));
        calls
    }

    /// Forgets the calls so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The calls so far.
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
