//! What was sent of one field, and what later reads say about it while AWS may still show the old value.

use std::time::Duration;

use crate::clock::Moment;
use crate::contention::Contention;

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

/// The last value that was sent and may have been stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent<T> {
    value: T,
    ended: Moment,
    before: Before<T>,
    answer: Answer,
    /// Whether a read has shown the value.
    was_shown: bool,
}

/// What AWS showed before an update.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Before<T> {
    /// Unknown: the process has restarted since, or one of several earlier values may show.
    Forgotten,
    /// This value; `None` if AWS showed none.
    Shown(Option<T>),
}

/// A field of a connection that updates set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field<T> {
    sent: Option<Sent<T>>,
    pub(super) contention: Contention,
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self { sent: None, contention: Contention::default() }
    }
}

impl<T: Clone + PartialEq> Field<T> {
    /// The last value that was sent, unless a read showed that it was replaced.
    pub fn sent(&self) -> Option<&T> {
        self.sent.as_ref().map(|sent| &sent.value)
    }

    /// Whether it is not known what AWS showed before the last update.
    pub(super) fn is_before_forgotten(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.before == Before::Forgotten)
    }

    /// If `value` was sent last, no read has shown it, and AWS may still show another: when it must show it at the latest.
    pub fn settles_at(&self, value: &T, now: Moment, settle_window: Duration) -> Option<Moment> {
        let sent = self.sent.as_ref().filter(|sent| sent.value == *value && !sent.was_shown)?;
        Some(sent.ended + settle_window).filter(|&settled_at| now < settled_at)
    }

    /// The value that was sent last, if no answer said whether it was stored, and when AWS must show it at the latest. A
    /// read that shows another value ends the doubt only if it begins later, even if one has shown this value before: it
    /// may be late.
    pub fn in_doubt(&self, settle_window: Duration) -> Option<(&T, Moment)> {
        let sent = self.sent.as_ref().filter(|sent| matches!(sent.answer, Answer::None | Answer::Silent))?;
        Some((&sent.value, sent.ended + settle_window))
    }

    /// Whether no answer at all has come to what was sent last.
    pub fn is_unanswered(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.answer == Answer::None)
    }

    /// If a value was sent, no answer said whether it was stored, and no read has shown it yet: when AWS must show it at the
    /// latest.
    pub(super) fn unknown_until(&self, now: Moment, settle_window: Duration) -> Option<Moment> {
        let (value, _) = self.in_doubt(settle_window)?;
        self.settles_at(value, now, settle_window)
    }

    /// If the field is in dispute: when it may be sent again.
    pub fn contended(&self, now: Moment) -> Option<Moment> {
        self.contention.holds_until(now)
    }

    /// Compares a read with the value that was sent. Returns whether the read is late: it shows, or may show, the state
    /// before the update. With it comes the value, if AWS has confirmed it.
    ///
    /// Within the settle window, a read that shows the earlier value is late, even if another read has shown the new one
    /// before: AWS may answer from several replicas. A read that shows a third value means that someone else changed the
    /// field, which counts as contention unless AWS itself does so with a value that was sent (`is_by_aws`).
    pub(super) fn compare(
        &mut self,
        shown: Option<&T>,
        began: Moment,
        settle_window: Duration,
        is_by_aws: impl FnOnce(&T) -> bool,
    ) -> (bool, Option<T>) {
        let Some(sent) = &mut self.sent else { return (false, None) };
        let is_as_before = match &sent.before {
            Before::Forgotten => true,
            Before::Shown(before) => before.as_ref() == shown,
        };
        if shown == Some(&sent.value) {
            sent.was_shown = true;
        } else if began < sent.ended + settle_window && is_as_before {
            return (true, (sent.answer == Answer::AsSent).then(|| sent.value.clone()));
        } else {
            let was_accepted = sent.was_shown || matches!(sent.answer, Answer::AsSent | Answer::Silent);
            if was_accepted && !is_by_aws(&sent.value) {
                self.contention.put_back(sent.ended, began);
            }
            self.sent = None;
        }
        (false, None)
    }

    /// Records that an update ended at `ended`, if it set the field. If AWS stored another value, this counts as if someone
    /// had changed it back at once.
    ///
    /// What a late read may show is unknown (`Forgotten`) in two cases: no read has confirmed the previous update, so the
    /// state before that one may show as well; or a read showed `value` while the update was in flight, so it does not
    /// tell the state before it.
    pub(super) fn update_ended(&mut self, value: Option<T>, ended: Moment, before: Before<T>, answer: Answer) {
        let Some(value) = value else { return };
        if answer == Answer::Otherwise {
            self.contention.put_back(ended, ended);
        }
        let is_this = matches!(&before, Before::Shown(Some(shown)) if *shown == value);
        let is_unconfirmed = self.sent.as_ref().is_some_and(|sent| !sent.was_shown);
        let before = if is_this || is_unconfirmed { Before::Forgotten } else { before };
        self.sent = Some(Sent { value, ended, before, answer, was_shown: false });
    }
}
