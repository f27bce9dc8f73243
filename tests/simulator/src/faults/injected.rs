//! The faults that were injected, and which of them hits a call.

use tokio::sync::watch;

use super::Fault;
use super::kind::Act;
use crate::calls::Call;

/// The faults in force and those spent.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(Fault, watch::Sender<()>)>);

/// Told when a fault that holds a call is cleared.
#[derive(Debug)]
pub(crate) struct Hold(watch::Receiver<()>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push((fault, watch::Sender::new(())));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<&Fault> {
        self.0.iter().map(|(fault, _)| fault).collect()
    }

    /// The fault that hits a call, which uses up one of its times. `page` is the page that the call asks for, if it asks
    /// for one. A spent fault stays, so that clearing it still lets go of what it holds.
    pub(crate) fn take(&mut self, call: &Call, page: u32) -> Option<(Act, Hold)> {
        let (fault, hold) = self.0.iter_mut().find(|(fault, _)| fault.hits(call, page))?;
        fault.times = fault.times.map(|times| times - 1);
        Some((fault.what.act(call), Hold(hold.subscribe())))
    }
}

impl Hold {
    /// Waits until the fault is cleared.
    pub(crate) async fn released(mut self) {
        // The only news is that the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}
