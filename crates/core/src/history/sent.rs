//! Values that were sent: what a read says about them while AWS may still show old ones.

use std::time::Duration;

use crate::clock::Moment;

/// What the answer to an update said about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// There was none, or it said nothing about this field: the value may or may not have been stored.
    None,
    /// AWS has it.
    AsSent,
    /// AWS took the update and has something else all the same.
    Otherwise,
}

/// The last value of one field that was sent and may have been stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) ended: Moment,
    pub(super) before: Before<T>,
    pub(super) answer: Answer,
    /// Whether a read has shown it.
    pub(super) was_shown: bool,
}

/// What AWS showed before an update.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Before<T> {
    /// Nobody knows: the process has started anew since, or several earlier values may still show.
    Forgotten,
    /// This value, or none.
    Shown(Option<T>),
}

/// What a read says about a value that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// AWS has it.
    Shown,
    /// The read is late, or may be: what is known of AWS stands.
    Late,
    /// AWS has something else by now.
    Replaced,
}

impl<T: Clone + PartialEq> Sent<T> {
    /// A read that shows, within the settle window, what was there before is late, even after one that showed the new
    /// value: AWS may answer from several places. One that shows anything else that was not sent is somebody's doing.
    pub(super) fn compare(&mut self, shown: Option<&T>, began: Moment, settle_window: Duration) -> Comparison {
        let is_as_before = match &self.before {
            Before::Forgotten => true,
            Before::Shown(before) => before.as_ref() == shown,
        };
        if shown == Some(&self.value) {
            self.was_shown = true;
            Comparison::Shown
        } else if began < self.ended + settle_window && is_as_before {
            Comparison::Late
        } else {
            Comparison::Replaced
        }
    }

    /// Until when AWS may still show another value, while no read has shown this one.
    pub(super) fn settles_at(&self, now: Moment, settle_window: Duration) -> Option<Moment> {
        Some(self.ended + settle_window).filter(|&settled_at| now < settled_at && !self.was_shown)
    }

    /// Whether no read has shown it: after the next update a late read may show what was there before this one.
    pub(super) fn is_unread(&self) -> bool {
        !self.was_shown
    }
}
