//! Answers that are held back until they are released, one by one or together.

use tokio::sync::{oneshot, watch};

use crate::calls::Call;
use crate::state::Shared;

/// The answers that are held back now, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct HeldAnswers {
    answers: Vec<(Call, oneshot::Sender<()>)>,
    changes: watch::Sender<()>,
}

/// A held answer, for the task that delivers it. It is dropped when the answer is delivered or the client is gone.
#[derive(Debug)]
pub(crate) struct HeldAnswer<'a> {
    shared: &'a Shared,
    request_id: String,
    released: oneshot::Receiver<()>,
}

impl HeldAnswers {
    /// The calls whose answers are held back.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.answers.iter().map(|(call, _)| call.clone()).collect()
    }

    /// Notified when an answer is held back and when one no longer is.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Releases one answer, or returns false if there is none.
    pub(crate) fn release(&mut self, request_id: &str) -> Result<(), String> {
        if self.remove(request_id) { Ok(()) } else { Err(format!("no answer is held back for request {request_id:?}")) }
    }

    /// Releases all answers.
    pub(crate) fn release_all(&mut self) {
        self.answers.clear();
        self.changes.send_replace(());
    }

    fn remove(&mut self, request_id: &str) -> bool {
        let before = self.answers.len();
        self.answers.retain(|(call, _)| call.request_id != request_id);
        self.changes.send_replace(());
        self.answers.len() < before
    }
}

impl<'a> HeldAnswer<'a> {
    /// Holds back the answer to a call.
    pub(crate) fn new(shared: &'a Shared, call: Call) -> Self {
        let request_id = call.request_id.clone();
        let (release, released) = oneshot::channel();
        let held = &mut shared.lock().held;
        held.answers.push((call, release));
        held.changes.send_replace(());
        Self { shared, request_id, released }
    }

    /// Waits until the answer is released.
    pub(crate) async fn released(&mut self) {
        // A release drops the sender; no value is sent.
        let _ = (&mut self.released).await;
    }
}

impl Drop for HeldAnswer<'_> {
    fn drop(&mut self) {
        self.shared.lock().held.remove(&self.request_id);
    }
}
