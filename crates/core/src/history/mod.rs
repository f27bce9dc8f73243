//! What is remembered of a connection between two reads of it.
//!
//! All of it may be lost at any instant without harm: a soak begins anew, a dispute is counted anew, and what must
//! outlive a restart is in the ledger.

mod chain;
mod queries;
mod sent;

use std::sync::Arc;
use std::time::Duration;

use self::chain::Chain;
use self::sent::{Answer, Before, Comparison, Sent};
use crate::clock::Moment;
use crate::contention::Contention;
use crate::desired::EncryptionMode;
use crate::fault::{self, Effect, Fault, FaultKind};
use crate::observed::Connection;
use crate::settings::Settings;

/// Where a read came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A listing of the whole account.
    Poll,
    /// A read of this connection by its id.
    ById,
}

/// One read of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// When the read began. What AWS showed may have changed since, but is no older.
    pub began: Moment,
    /// When its answer was here. What AWS showed may have become so only then.
    pub ended: Moment,
    /// How it was read.
    pub source: Source,
    /// What AWS showed; `None`: no such connection.
    pub connection: Option<Arc<Connection>>,
}

/// The fields that an update sends: those that differ and may go now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// `connectionName` to set.
    pub name: Option<String>,
    /// `encryptionMode` to set.
    pub mode: Option<EncryptionMode>,
}

impl Change {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.mode.is_none()
    }
}

/// A call that failed, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// Failures in a row, from 1.
    pub tries: u32,
    /// When to try again.
    pub retry_at: Moment,
}

/// What is known of one connection, as far as it bears on what may be done next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    observation: Option<Observation>,
    /// The last listing did not show the connection, though a read before it did.
    is_missing: bool,
    /// When the last read of this connection by its id began.
    read_by_id: Option<Moment>,
    /// End of the last call of `UpdateConnection` that AWS looked at: a read that did not begin after it decides nothing.
    last_call_ended: Option<Moment>,
    /// End of the last update that was or may have been carried out.
    last_update_ended: Option<Moment>,
    /// When the update was sent that nobody has told the end of yet.
    in_flight_since: Option<Moment>,
    /// Whether what an earlier process sent has been taken in.
    has_resumed: bool,
    sent_name: Option<Sent<String>>,
    sent_mode: Option<Sent<EncryptionMode>>,
    /// The last mode that a read or an answer showed and that is a known one.
    last_mode: Option<EncryptionMode>,
    /// `must_encrypt` was sent or shown since the acting resource last wanted another mode.
    had_must: bool,
    /// Whether the acting resource wanted `must_encrypt` when it was last heard.
    wanted_must: Option<bool>,
    macsec_up: Option<Chain>,
    macsec_down: Option<Chain>,
    /// Since which read there has been a key and MACsec down, whatever lay between the reads.
    waiting_since: Option<Moment>,
    read_failure: Option<Failure>,
    update_failure: Option<Failure>,
    name_contention: Contention,
    mode_contention: Contention,
    /// Whose generation failures and disputes are about.
    generation: Option<(String, i64)>,
    generation_started: Moment,
}

impl History {
    /// Keeps `shown` in place of what the last read showed, where they are equal: memory that two owners share.
    pub fn share(&mut self, shown: &Arc<Connection>) {
        let known = self.observation.as_mut().and_then(|observation| observation.connection.as_mut());
        if let Some(known) = known.filter(|known| *known == shown) {
            *known = Arc::clone(shown);
        }
    }

    /// Takes in a read of this connection. False when it is older than what is known and was passed over.
    pub fn record_read(&mut self, mut observation: Observation, settings: &Settings) -> bool {
        if self.predates_last_call(observation.began) {
            return false;
        }
        if observation.source == Source::ById {
            self.read_by_id = Some(observation.began);
        }
        if self.observation.as_ref().is_some_and(|newest| observation.began < newest.began) {
            return false;
        }
        if observation.connection.is_none() && observation.source == Source::Poll {
            return self.record_absence_from_listing(observation);
        }
        self.is_missing = false;
        self.read_failure = None;
        if let Some(connection) = &mut observation.connection {
            let times = (observation.began, observation.ended);
            let late = self.compare_with_sent(connection, observation.began, settings.settle_window);
            if !late.name && !late.mode {
                self.track(connection, times, settings.longest_gap());
            } else if !late.mode && connection.mode() == Some(EncryptionMode::MustEncrypt) {
                // A read that shows an old name is evidence of nothing, but of this it is a warning.
                self.show_mode(EncryptionMode::MustEncrypt);
            }
        } else {
            self.break_chains();
        }
        match &self.observation {
            // Kept once in memory.
            Some(before) if before.connection == observation.connection => {
                observation.connection.clone_from(&before.connection);
            }
            // What the read by id showed is not what is decided on now.
            _ if observation.source == Source::Poll => self.read_by_id = None,
            _ => {}
        }
        self.observation = Some(observation);
        true
    }

    /// A listing may leave out a connection that a read by its id finds. So what was seen stands until such a read.
    fn record_absence_from_listing(&mut self, observation: Observation) -> bool {
        match &mut self.observation {
            Some(known) if known.connection.is_some() => self.is_missing = true,
            Some(known) => known.began = observation.began,
            None => self.observation = Some(observation),
        }
        true
    }

    /// Which fields the read is late by. A late read does not overrule an update's own answer; one that shows that somebody else
    /// has put a field back counts against them.
    fn compare_with_sent(&mut self, shown: &mut Arc<Connection>, began: Moment, settle_window: Duration) -> Late {
        let mut late = Late::default();
        if let Some(sent) = &mut self.sent_name {
            match sent.compare(shown.connection_name.as_ref(), began, settle_window) {
                Comparison::Shown => {}
                Comparison::Late => {
                    late.name = true;
                    if sent.answer == Answer::AsSent {
                        Arc::make_mut(shown).connection_name = Some(sent.value.clone());
                    }
                }
                Comparison::Replaced => {
                    if sent.answer == Answer::AsSent || sent.was_shown {
                        self.name_contention.put_back(sent.ended, began);
                    }
                    self.sent_name = None;
                }
            }
        }
        // Only a known mode says anything about the one that was sent.
        if let (Some(sent), Some(mode)) = (&mut self.sent_mode, shown.mode()) {
            match sent.compare(Some(&mode), began, settle_window) {
                Comparison::Shown => {}
                Comparison::Late => {
                    late.mode = true;
                    if sent.answer == Answer::AsSent {
                        Arc::make_mut(shown).encryption_mode = Some(sent.value.into());
                    }
                }
                Comparison::Replaced => {
                    // AWS itself lowers the mode when the last key goes; that is no other writer.
                    let lowered_by_aws = sent.value == EncryptionMode::MustEncrypt && !shown.has_associated_key();
                    if (sent.answer == Answer::AsSent || sent.was_shown) && !lowered_by_aws {
                        self.mode_contention.put_back(sent.ended, began);
                    }
                    self.sent_mode = None;
                }
            }
        }
        late
    }

    /// A read that shows no known mode counts for nothing here.
    fn track(&mut self, connection: &Connection, times: (Moment, Moment), longest_gap: Duration) {
        let Some(mode) = connection.mode() else { return };
        self.show_mode(mode);
        let has_key = connection.has_key_at_all();
        if connection.encryption_works() {
            Chain::extend(&mut self.macsec_up, (mode, has_key), times, longest_gap);
            (self.macsec_down, self.waiting_since) = (None, None);
        } else {
            Chain::extend(&mut self.macsec_down, (mode, has_key), times, longest_gap);
            self.macsec_up = None;
            self.waiting_since = has_key.then(|| self.waiting_since.unwrap_or(times.1));
        }
    }

    fn break_chains(&mut self) {
        (self.macsec_up, self.macsec_down, self.waiting_since) = (None, None, None);
    }

    fn show_mode(&mut self, mode: EncryptionMode) {
        self.last_mode = Some(mode);
        self.had_must |= mode == EncryptionMode::MustEncrypt;
    }

    /// An update is sent at `now`. Until its end is told, and longer if it never is, no read says how it went.
    pub fn record_send(&mut self, now: Moment) {
        self.in_flight_since = Some(now);
    }

    /// An update was answered at `now`. The answer counts as a read of name, mode and state.
    pub fn record_answer(&mut self, change: &Change, answer: &Connection, now: Moment) {
        let is = |as_sent: bool| if as_sent { Answer::AsSent } else { Answer::Otherwise };
        let name = is(change.name == answer.connection_name);
        let mode = answer.mode().map_or(Answer::None, |mode| is(change.mode == Some(mode)));
        self.update_ended(change, now, name, mode);
        // AWS took the update and stored something else: as if somebody had put it back at once.
        if change.name.is_some() && name == Answer::Otherwise {
            self.name_contention.put_back(now, now);
        }
        if change.mode.is_some() && mode == Answer::Otherwise {
            self.mode_contention.put_back(now, now);
        }
        if let Some(connection) = self.observation.as_mut().and_then(|observation| observation.connection.as_mut()) {
            let connection = Arc::make_mut(connection);
            connection.connection_name.clone_from(&answer.connection_name);
            connection.encryption_mode.clone_from(&answer.encryption_mode);
            connection.connection_state.clone_from(&answer.connection_state);
        }
        if let Some(mode) = answer.mode() {
            self.show_mode(mode);
        }
        self.update_failure = None;
    }

    /// An update failed at `now`; the next try waits as the kind of the fault says. `jitter` is a number from 0 to 1.
    pub fn record_update_failure(
        &mut self,
        change: &Change,
        fault: Fault,
        now: Moment,
        poll_interval: Duration,
        jitter: f64,
    ) {
        self.in_flight_since = None;
        match fault.effect {
            // Whether it was carried out is for a read to say.
            Effect::Unknown => self.update_ended(change, now, Answer::None, Answer::None),
            // A throttled request was not looked at, so the read before it is as good as it was.
            Effect::None if fault.kind == FaultKind::Throttled => {}
            Effect::None => self.last_call_ended = self.last_call_ended.max(Some(now)),
        }
        record_failure(&mut self.update_failure, fault, now, poll_interval, jitter);
    }

    fn update_ended(&mut self, change: &Change, now: Moment, name: Answer, mode: Answer) {
        self.in_flight_since = None;
        self.last_call_ended = self.last_call_ended.max(Some(now));
        self.last_update_ended = self.last_update_ended.max(Some(now));
        // Every chain begins anew: it counts only reads that began after the last update ended.
        self.break_chains();
        let before = self.connection();
        let (name_before, mode_before) = match before {
            Some(connection) => (Before::Shown(connection.connection_name.clone()), Before::Shown(connection.mode())),
            None => (Before::Forgotten, Before::Forgotten),
        };
        if let Some(value) = change.name.clone() {
            let before = earlier(self.sent_name.as_ref(), name_before, &value);
            self.sent_name = Some(Sent { value, ended: now, before, answer: name, was_shown: false });
        }
        if let Some(value) = change.mode {
            let before = earlier(self.sent_mode.as_ref(), mode_before, &value);
            self.sent_mode = Some(Sent { value, ended: now, before, answer: mode, was_shown: false });
            self.had_must |= value == EncryptionMode::MustEncrypt;
        }
    }

    /// What the ledger says an earlier process sent, and how long ago. Does nothing when this process knows more, or
    /// when AWS shows old values no longer.
    pub fn resume(&mut self, change: Change, age: Option<Duration>, now: Moment, settle_window: Duration) {
        if self.has_resumed || self.last_call_ended.is_some() {
            return;
        }
        self.has_resumed = true;
        let Some(age) = age.filter(|&age| age < settle_window) else { return };
        let ended = now - age;
        let (before, answer) = (Before::Forgotten, Answer::None);
        if let Some(value) = change.name {
            self.sent_name = Some(Sent { value, ended, before, answer, was_shown: false });
        }
        if let Some(value) = change.mode {
            self.sent_mode = Some(Sent { value, ended, before: Before::Forgotten, answer, was_shown: false });
        }
    }

    /// A read of this connection by its id failed at `now`. `jitter` is a number from 0 to 1.
    pub fn record_read_failure(&mut self, fault: Fault, now: Moment, poll_interval: Duration, jitter: f64) {
        record_failure(&mut self.read_failure, fault, now, poll_interval, jitter);
    }

    /// The connection is not read any more; should it be again, all is seen anew.
    pub fn forget_reads(&mut self) {
        (self.observation, self.is_missing, self.read_by_id, self.last_mode) = (None, false, None, None);
        self.break_chains();
        self.read_failure = None;
    }

    /// Generation `generation` of the acting resource `uid` is at hand. A new one is tried at once, and what earlier
    /// ones met with is forgotten.
    pub fn start_generation(&mut self, uid: &str, generation: i64, mode: Option<EncryptionMode>, now: Moment) {
        if self.generation.as_ref().is_none_or(|(of, number)| of != uid || *number != generation) {
            self.generation = Some((uid.to_owned(), generation));
            self.generation_started = now;
            self.reset_backoff();
        }
        let wants_must = mode == Some(EncryptionMode::MustEncrypt);
        if !wants_must {
            self.had_must = false;
        } else if self.wanted_must == Some(false) {
            // What was shown before this wish, and is not there any more, was not shown for it.
            self.had_must = self.last_mode == Some(EncryptionMode::MustEncrypt);
        }
        self.wanted_must = Some(wants_must);
    }

    /// Someone asked to read and try at once.
    pub fn reset_backoff(&mut self) {
        self.update_failure = None;
        self.read_failure = None;
        self.name_contention = Contention::default();
        self.mode_contention = Contention::default();
    }
}

/// What a read shows as it was before an update, or may.
#[derive(Clone, Copy, Debug, Default)]
struct Late {
    name: bool,
    mode: bool,
}

/// What a late read may show after an update that sent `value`. Where no read has shown the update before either, that may be
/// what was there before that; and a read that showed this one while it was on its way says nothing of what was there.
fn earlier<T: Clone + PartialEq>(sent: Option<&Sent<T>>, before: Before<T>, value: &T) -> Before<T> {
    let is_this = matches!(&before, Before::Shown(Some(shown)) if shown == value);
    if is_this || sent.is_some_and(Sent::is_unread) { Before::Forgotten } else { before }
}

fn record_failure(slot: &mut Option<Failure>, fault: Fault, now: Moment, poll_interval: Duration, jitter: f64) {
    let tries = slot.as_ref().map_or(0, |earlier| earlier.tries).saturating_add(1);
    let retry_at = now + fault::retry_after(fault.kind, tries, poll_interval, jitter);
    *slot = Some(Failure { fault, tries, retry_at });
}
