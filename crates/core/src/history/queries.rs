//! What the history says to a decision.

use std::time::Duration;

use super::{Failure, History, Observation, Source};
use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::observed::Connection;
use crate::settings::{FRESH, LONGEST_CALL};

impl History {
    /// The newest read that counts.
    pub fn observation(&self) -> Option<&Observation> {
        self.observation.as_ref()
    }

    /// What the newest read that counts showed.
    pub fn connection(&self) -> Option<&Connection> {
        self.observation.as_ref()?.connection.as_deref()
    }

    /// Whether the connection has to be read by its id before it is called gone.
    pub fn is_missing(&self) -> bool {
        let polled = |known: &Observation| known.connection.is_none() && known.source == Source::Poll;
        self.is_missing || self.observation.as_ref().is_some_and(polled)
    }

    /// Whether an update may be decided on: this connection has been read by its id, by a read that began after the last
    /// call ended and no more than [`FRESH`] ago. A poll after it that shows the same only adds to what is known.
    pub fn is_fresh(&self, now: Moment) -> bool {
        !self.is_missing
            && self.read_by_id.is_some_and(|began| !self.predates_last_call(began) && now.since(began) <= FRESH)
    }

    pub(super) fn predates_last_call(&self, began: Moment) -> bool {
        self.last_call_ended.is_some_and(|ended| began <= ended)
    }

    /// Whether nothing has been read yet that began after the last call ended.
    pub fn is_unread_since_update(&self) -> bool {
        self.observation.as_ref().is_some_and(|read| self.predates_last_call(read.began))
    }

    /// End of the last update of this process that was or may have been carried out. One that is still on its way ends
    /// when its longest life is over.
    pub fn last_update_ended(&self) -> Option<Moment> {
        self.last_update_ended.max(self.in_flight_since.map(|since| since + LONGEST_CALL))
    }

    /// The last mode that a read or an answer showed and that is a known one.
    pub fn last_mode(&self) -> Option<EncryptionMode> {
        self.last_mode
    }

    /// The last mode that was sent and that no read has replaced.
    pub fn sent_mode(&self) -> Option<EncryptionMode> {
        self.sent_mode.as_ref().map(|sent| sent.value)
    }

    /// Whether `must_encrypt` was sent or shown since the acting resource last wanted another mode.
    pub fn had_must(&self) -> bool {
        self.had_must
    }

    /// Since when MACsec has been up at every read of a chain, at the mode that is shown.
    pub fn macsec_up_since(&self) -> Option<Moment> {
        self.macsec_up.map(|chain| chain.since)
    }

    /// Whether reads prove that MACsec has been up for `soak` while the mode was this one.
    pub fn is_soaked(&self, mode: EncryptionMode, soak: Duration) -> bool {
        self.macsec_up.is_some_and(|chain| chain.mode == mode && chain.length() >= soak)
    }

    /// Whether a chain of reads as long as this has shown this mode, and MACsec not up at any of them.
    pub fn was_down_for(&self, mode: EncryptionMode, long: Duration) -> bool {
        self.macsec_down.is_some_and(|chain| chain.mode == mode && chain.length() >= long)
    }

    /// Since when this generation has waited for MACsec: there is a key, but MACsec is down.
    pub fn waiting_since(&self) -> Option<Moment> {
        self.waiting_since.map(|since| since.max(self.generation_started))
    }

    /// Until when AWS may still show the old name after the last update, which sent `name`.
    pub fn name_settles_at(&self, name: &str, now: Moment, settle_window: Duration) -> Option<Moment> {
        self.sent_name.as_ref().filter(|sent| sent.value == name)?.settles_at(now, settle_window)
    }

    /// Until when AWS may still show the old mode after the last update, which sent `mode`.
    pub fn mode_settles_at(&self, mode: EncryptionMode, now: Moment, settle_window: Duration) -> Option<Moment> {
        self.sent_mode.as_ref().filter(|sent| sent.value == mode)?.settles_at(now, settle_window)
    }

    /// The last failed read by id, if no read succeeded since.
    pub fn read_failure(&self) -> Option<&Failure> {
        self.read_failure.as_ref()
    }

    /// The last failed update, if none succeeded since.
    pub fn update_failure(&self) -> Option<&Failure> {
        self.update_failure.as_ref()
    }

    /// Until when the name is left alone because someone else keeps putting it back.
    pub fn name_contended(&self, now: Moment) -> Option<Moment> {
        self.name_contention.holds_until(now)
    }

    /// Until when the mode is left alone because someone else keeps putting it back.
    pub fn mode_contended(&self, now: Moment) -> Option<Moment> {
        self.mode_contention.holds_until(now)
    }
}
