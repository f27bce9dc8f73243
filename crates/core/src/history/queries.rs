//! What decisions ask of the history.

use std::time::Duration;

use super::{Failure, Field, History, Observation, Source};
use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::observed::Connection;
use crate::settings::MAX_CALL_DURATION;

impl History {
    /// The newest valid read.
    pub fn observation(&self) -> Option<&Observation> {
        self.observation.as_ref()
    }

    /// What the newest valid read showed.
    pub fn connection(&self) -> Option<&Connection> {
        self.observation.as_ref()?.connection.as_deref()
    }

    /// When the read began that showed the current state. That a connection is not there is shown by a read by its id alone,
    /// and listings that lack it too make that read no younger.
    pub fn shown_at(&self) -> Option<Moment> {
        let observation = self.observation.as_ref()?;
        if observation.connection.is_some() { Some(observation.began) } else { self.read_by_id }
    }

    /// Whether only a listing says that the connection is absent, so that a read by id has to confirm it.
    pub fn is_missing(&self) -> bool {
        let polled = |known: &Observation| known.connection.is_none() && known.source == Source::Poll;
        self.is_missing || self.observation.as_ref().is_some_and(polled)
    }

    /// Whether an update may be based on the last read: the connection was read by its id no more than `limit` ago and
    /// after the last call ended. A later poll that shows the same does not change this.
    pub fn is_fresh(&self, now: Moment, limit: Duration) -> bool {
        !self.is_missing
            && self.read_by_id.is_some_and(|began| !self.predates_last_call(began) && now.since(began) <= limit)
    }

    pub(super) fn predates_last_call(&self, began: Moment) -> bool {
        self.last_call_ended.is_some_and(|ended| began <= ended)
    }

    /// Whether no read has begun yet after the last call ended.
    pub fn is_unread_since_update(&self) -> bool {
        self.observation.as_ref().is_some_and(|read| self.predates_last_call(read.began))
    }

    /// End of the last update of this process that was or may have been carried out. One in flight is taken to end
    /// after the longest possible call.
    pub fn last_update_ended(&self) -> Option<Moment> {
        self.last_update_ended.max(self.in_flight_since.map(|since| since + MAX_CALL_DURATION))
    }

    /// The last known mode that a read or an answer showed.
    pub fn last_mode(&self) -> Option<EncryptionMode> {
        self.last_mode
    }

    /// What was sent of the name.
    pub fn name(&self) -> &Field<String> {
        &self.name
    }

    /// What was sent of the mode.
    pub fn mode(&self) -> &Field<EncryptionMode> {
        &self.mode
    }

    /// Whether `must_encrypt` was sent or shown since the acting resource last wanted another mode.
    pub fn had_must(&self) -> bool {
        self.had_must
    }

    /// Since when MACsec has been up, in a chain of reads without a gap or a change of mode.
    pub fn macsec_up_since(&self) -> Option<Moment> {
        self.macsec_up.map(|chain| chain.since)
    }

    /// Whether reads prove that MACsec was up for `soak` at this mode.
    pub fn is_soaked(&self, mode: EncryptionMode, soak: Duration) -> bool {
        self.macsec_up.is_some_and(|chain| chain.mode == mode && chain.length() >= soak)
    }

    /// Whether reads prove that MACsec was not up for `duration` at this mode.
    pub fn was_down_for(&self, mode: EncryptionMode, duration: Duration) -> bool {
        self.macsec_down.is_some_and(|chain| chain.mode == mode && chain.length() >= duration)
    }

    /// Since when the current generation has waited for MACsec: a key is there, but MACsec is down.
    pub fn waiting_since(&self) -> Option<Moment> {
        self.waiting_since.map(|since| since.max(self.generation_started))
    }

    /// If an update was sent, no answer said what AWS stored, and no read has shown it yet: when that is known at the
    /// latest.
    pub fn update_in_doubt_until(&self, now: Moment, settle_window: Duration) -> Option<Moment> {
        let name = self.name.unknown_until(now, settle_window);
        name.max(self.mode.unknown_until(now, settle_window))
    }

    /// The last failed read by id, if no read succeeded since.
    pub fn read_failure(&self) -> Option<&Failure> {
        self.read_failure.as_deref()
    }

    /// Whether reads by id have failed for `duration`, up to the next try.
    pub fn has_failed_for(&self, duration: Duration) -> bool {
        self.read_failure.as_ref().is_some_and(|failure| failure.retry_at.since(failure.since) >= duration)
    }

    /// The last failed update, if none succeeded since.
    pub fn update_failure(&self) -> Option<&Failure> {
        self.update_failure.as_deref()
    }
}
