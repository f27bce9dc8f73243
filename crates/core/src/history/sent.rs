//! Values that were sent, and what later reads say about them while AWS may still show old ones.

use std::time::Duration;

use crate::clock::Moment;

/// What the answer to an update said about the value that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// There was none: the value may or may not have been stored.
    None,
    /// AWS accepted the update, and did not say what it stored.
    Silent,
    /// AWS stored the value.
    AsSent,
    /// AWS accepted the update but stored another value.
    Otherwise,
}

/// The last value of one field that was sent and may have been stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) ended: Moment,
    pub(super) before: Before<T>,
    pub(super) answer: Answer,
    /// Whether a read has shown the value.
    pub(super) was_shown: bool,
}

/// What AWS showed before an update.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Before<T> {
    /// Unknown: the process has restarted since, or one of several earlier values may show.
    Forgotten,
    /// This value; `None` if AWS showed none.
    Shown(Option<T>),
}

/// How a read compares with a value that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The read shows the value.
    Shown,
    /// The read shows, or may show, the state before the update. The known state is kept.
    Late,
    /// AWS now has another value.
    Replaced,
}

impl<T: Clone + PartialEq> Sent<T> {
    /// Compares a read with the value. Within the settle window, a read that shows the earlier value is late, even if
    /// another read has shown the new one before: AWS may answer from several replicas. A read that shows a third value
    /// means that someone else changed the field.
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

    /// When AWS must show the value at the latest; `None` if a read has shown it or this time is over.
    pub(super) fn settles_at(&self, now: Moment, settle_window: Duration) -> Option<Moment> {
        Some(self.ended + settle_window).filter(|&settled_at| now < settled_at && !self.was_shown)
    }

    fn is_unsaid(&self) -> bool {
        matches!(self.answer, Answer::None | Answer::Silent)
    }

    /// If no answer said whether the value was stored: when AWS must show it at the latest. A read that shows another
    /// value ends the doubt only if it begins later, even if one has shown this value before: it may be late.
    pub(super) fn in_doubt_until(&self, settle_window: Duration) -> Option<Moment> {
        self.is_unsaid().then(|| self.ended + settle_window)
    }

    /// If no answer said whether the value was stored, and no read has shown it yet: when AWS must show it at the latest.
    pub(super) fn unknown_until(&self, now: Moment, settle_window: Duration) -> Option<Moment> {
        self.settles_at(now, settle_window).filter(|_| self.is_unsaid())
    }

    /// Whether AWS is known to have accepted the value, so that another one in a later read was put in its place.
    pub(super) fn was_accepted(&self) -> bool {
        self.was_shown || matches!(self.answer, Answer::AsSent | Answer::Silent)
    }

    /// Whether no read has shown the value. If so, a late read after the next update may show the state before this
    /// update.
    pub(super) fn is_unconfirmed(&self) -> bool {
        !self.was_shown
    }
}
