//! Contention: another writer keeps changing a field back. Counts how often, and says when the operator may try again.

use std::time::Duration;

use crate::clock::Moment;

const WINDOW: Duration = Duration::from_hours(1);
const FIRST_WAIT: Duration = Duration::from_mins(5);
const MAX_WAIT: Duration = Duration::from_hours(1);
/// This many changes back within [`WINDOW`] are a dispute.
const DISPUTE: usize = 3;

/// How often someone else has changed a field back that this operator sent, or AWS has stored another value than was
/// sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Contention {
    recent: Vec<Moment>,
    waits: u32,
    until: Option<Moment>,
}

impl Contention {
    /// The field was put back at `now`, after this operator had set it at `sent`.
    pub fn put_back(&mut self, sent: Moment, now: Moment) {
        if now.since(sent) >= WINDOW {
            *self = Self::default();
        }
        self.recent.retain(|&earlier| now.since(earlier) < WINDOW);
        self.recent.push(now);
        if self.waits > 0 || self.recent.len() >= DISPUTE {
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.waits)).min(MAX_WAIT);
            self.waits += 1;
            self.until = Some(now + wait);
        }
    }

    /// Another process has found the field in dispute, and does not send it before `until`.
    pub fn hold(&mut self, until: Moment) {
        self.until = Some(until);
    }

    /// The end of the current pause, during which the operator does not send the field.
    pub fn holds_until(&self, now: Moment) -> Option<Moment> {
        self.until.filter(|&until| now < until)
    }
}
