//! The faults that were injected, and which of them hit a call, or what it reads.

use tokio::sync::watch;

use super::Fault;
use super::kind::{Act, FaultKind};
use crate::calls::Call;

/// The faults in force and those spent.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Injected>);

#[derive(Debug)]
struct Injected {
    fault: Fault,
    hold: watch::Sender<()>,
}

/// Told when a fault that holds a call is cleared.
#[derive(Debug)]
pub(crate) struct Hold(watch::Receiver<()>);

/// The faults that may alter what one read shows. One that does has one of its times used up, however many connections
/// it alters; one that finds nothing to alter keeps them.
#[derive(Debug)]
pub(crate) struct ReadFaults<'a>(Vec<ReadFault<'a>>);

#[derive(Debug)]
struct ReadFault<'a> {
    injected: &'a mut Injected,
    used: bool,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(Injected { fault, hold: watch::Sender::new(()) });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<&Fault> {
        self.0.iter().map(|injected| &injected.fault).collect()
    }

    /// The fault that hits a call as a whole, which uses up one of its times. `page` is the page that the call asks for,
    /// if it asks for one. A spent fault stays, so that clearing it still lets go of what it holds.
    pub(crate) fn take(&mut self, call: &Call, page: u32) -> Option<(Act, Hold)> {
        self.0.iter_mut().find_map(|injected| {
            let act = injected.fault.what.act(call).filter(|_| injected.fault.hits(call, page))?;
            injected.use_up();
            Some((act, Hold(injected.hold.subscribe())))
        })
    }

    /// The faults that may alter what a read shows.
    pub(crate) fn of_read(&mut self, call: &Call, page: u32) -> ReadFaults<'_> {
        let faults = self.0.iter_mut().filter(|injected| injected.fault.hits_read(call, page));
        ReadFaults(faults.map(|injected| ReadFault { injected, used: false }).collect())
    }
}

impl Injected {
    fn use_up(&mut self) {
        self.fault.times = self.fault.times.map(|times| times.saturating_sub(1));
    }
}

impl<'a> ReadFaults<'a> {
    /// Whether a connection is left out.
    pub(crate) fn leave_out(&mut self, id: &str) -> bool {
        self.about(id).any(|fault| fault.injected.fault.what == FaultKind::LeftOut && fault.alters())
    }

    fn about(&mut self, id: &str) -> impl Iterator<Item = &mut ReadFault<'a>> {
        self.0.iter_mut().filter(move |fault| fault.injected.fault.is_about(id))
    }
}

impl ReadFault<'_> {
    /// Says that it has something to alter.
    fn alters(&mut self) -> bool {
        if !self.used {
            self.injected.use_up();
            self.used = true;
        }
        true
    }
}

impl Hold {
    /// Waits until the fault is cleared.
    pub(crate) async fn released(mut self) {
        // The only news is that the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}
