//! Another writer that disagrees: how often it has put a field back, and when to try again.

use std::time::Duration;

use crate::clock::Moment;

const WINDOW: Duration = Duration::from_hours(1);
const FIRST_WAIT: Duration = Duration::from_mins(5);
const MAX_WAIT: Duration = Duration::from_hours(1);
/// So many times within [`WINDOW`] and it is a dispute.
const DISPUTE: usize = 3;

/// How often a field that this operator sent was put back by someone else, or stored otherwise by AWS.
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

    /// Until when the field is left alone, if it is in dispute at `now`.
    pub fn holds_until(&self, now: Moment) -> Option<Moment> {
        self.until.filter(|&until| now < until)
    }
}
