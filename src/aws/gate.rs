//! The way to AWS of one account and region: calls go one after another at the pace that AWS bears, what people asked
//! for before what only repairs drift.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::limiter::Limiter;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// An update whose fresh read has been made: waiting would make the read stale and cost another one.
    Finish,
    /// Polls, and what a person asked for.
    High,
    /// Repair of drift.
    Low,
}

#[derive(Default)]
struct Queue {
    limiter: Limiter,
    /// Who waits, by urgency.
    waiting: [VecDeque<oneshot::Sender<()>>; 3],
}

/// Lets calls through at the pace of its limiter.
pub(super) struct Gate {
    queue: Mutex<Queue>,
    arrived: Notify,
    clock: Clock,
}

impl Gate {
    pub(super) fn new(clock: Clock) -> Self {
        Self { queue: Mutex::default(), arrived: Notify::new(), clock }
    }

    /// Waits for its turn to call.
    pub(super) async fn enter(&self, urgency: Urgency) {
        let (open, opened) = oneshot::channel();
        {
            let mut queue = self.queue();
            let [finish, high, low] = &mut queue.waiting;
            match urgency {
                Urgency::Finish => finish.push_back(open),
                Urgency::High => high.push_back(open),
                Urgency::Low => low.push_back(open),
            }
        }
        self.arrived.notify_one();
        // The gate ends only with its region, and then nobody waits for what would have come.
        let _ = opened.await;
    }

    /// Learns from the outcome of a call.
    pub(super) fn learn<T>(&self, outcome: &Result<T, Fault>, dice: f64) {
        let mut queue = self.queue();
        match outcome {
            Err(fault) if fault.kind == FaultKind::Throttled => queue.limiter.throttled(self.clock.now(), dice),
            _ => queue.limiter.answered(),
        }
    }

    /// Opens for one after another, for ever.
    pub(super) async fn run(&self) {
        loop {
            let Some(wait) = self.open_one() else {
                self.arrived.notified().await;
                continue;
            };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Lets the next one through and says zero, or how long it has still to wait; `None` when nobody waits.
    fn open_one(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut queue = self.queue();
        for waiting in &mut queue.waiting {
            waiting.retain(|one| !one.is_closed());
        }
        if queue.waiting.iter().all(VecDeque::is_empty) {
            return None;
        }
        let ready = queue.limiter.ready_at();
        if now < ready {
            return Some(ready.since(now));
        }
        if let Some(next) = queue.waiting.iter_mut().find_map(VecDeque::pop_front)
            && next.send(()).is_ok()
        {
            queue.limiter.took(now);
        }
        Some(Duration::ZERO)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves a pace and waiters behind, both of which are still good.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
