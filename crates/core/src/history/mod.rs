//! What a process remembers of a connection from one read to the next.
//!
//! All of it may be lost at any time without harm: soaks and the counting of disputes start again. What must outlive a
//! restart is in the ledger.

mod chain;
mod field;
mod queries;
mod refused;

use std::sync::Arc;
use std::time::Duration;

pub use self::field::Field;

use self::chain::Chain;
use self::field::{Answer, Before};
use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::fault::{self, Effect, Fault, FaultKind};
use crate::observed::Connection;
use crate::settings::{MAX_CALL_DURATION, Settings};

/// How a connection was read.
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
    /// When the read began. What AWS showed was true at this time or later.
    pub began: Moment,
    /// When the answer arrived. What AWS showed may have become true only then.
    pub ended: Moment,
    /// How it was read.
    pub source: Source,
    /// What AWS showed; `None`: no such connection.
    pub connection: Option<Arc<Connection>>,
}

/// The fields of an update: those that differ from the spec and may be sent now.
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

/// A failed call, and when to try it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// Failures in a row, from 1; 0: somebody asked for another attempt at once.
    pub tries: u32,
    /// When the first of them ended.
    pub since: Moment,
    /// When to try again by itself.
    pub retry_at: Moment,
    /// Whether an event has told of it.
    is_told: bool,
}

impl Failure {
    /// When to try again.
    pub fn due_at(&self) -> Moment {
        if self.tries == 0 { self.since } else { self.retry_at }
    }
}

/// What is known of one connection, as far as the next decision depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    observation: Option<Observation>,
    /// The last listing did not contain the connection, although an earlier read showed it.
    is_missing: bool,
    /// When the last read of this connection by its id began.
    read_by_id: Option<Moment>,
    /// End of the last `UpdateConnection` call that AWS processed, even if it refused it. Reads that began before it do
    /// not count.
    last_call_ended: Option<Moment>,
    /// End of the last update that was or may have been carried out.
    last_update_ended: Option<Moment>,
    /// When the update was sent that is in flight. Its outcome is not known yet.
    in_flight_since: Option<Moment>,
    /// Whether the update of an earlier process has been taken over from the ledger.
    has_resumed: bool,
    name: Field<String>,
    mode: Field<EncryptionMode>,
    /// The last known mode that a read or an answer showed. Modes that the operator does not know are left out.
    last_mode: Option<EncryptionMode>,
    /// Whether `must_encrypt` was sent or shown since the acting resource last wanted another mode.
    had_must: bool,
    /// Whether the acting resource last wanted `must_encrypt`.
    wanted_must: Option<bool>,
    macsec_up: Option<Chain>,
    macsec_down: Option<Chain>,
    /// Since when every read has shown a key and MACsec down, whatever the gaps between the reads.
    waiting_since: Option<Moment>,
    /// Failures are rare, and boxed so that all other circuits need no room for them.
    read_failure: Option<Box<Failure>>,
    update_failure: Option<Box<Failure>>,
    /// If AWS refused the last update: the values that it has refused alone.
    refused: Option<Box<Change>>,
    /// The resource uid and generation that failures and disputes are counted for.
    generation: Option<(String, i64)>,
    generation_started: Moment,
}

impl History {
    /// If the last read showed the same as `shown`, refers to `shown` instead of a copy, so that both share memory.
    pub fn share(&mut self, shown: &Arc<Connection>) {
        let known = self.observation.as_mut().and_then(|observation| observation.connection.as_mut());
        if let Some(known) = known.filter(|known| *known == shown) {
            *known = Arc::clone(shown);
        }
    }

    /// Records a read of this connection. Returns false if it is ignored because something newer is known.
    pub fn record_read(&mut self, mut observation: Observation, settings: &Settings) -> bool {
        if self.predates_last_call(observation.began) {
            return false;
        }
        // Listings that lack the connection are no newer: they may have left it out.
        let is_ignored = self.shown_at().is_some_and(|shown_at| observation.began < shown_at);
        let shows_the_same =
            || self.observation.as_ref().is_some_and(|newest| newest.connection == observation.connection);
        // One that is ignored counts as a read by id only if it shows the same: it does not confirm what it contradicts.
        if observation.source == Source::ById && (!is_ignored || shows_the_same()) {
            self.read_by_id = Some(observation.began);
        }
        if is_ignored {
            // It says nothing of how the connection is now, but that must_encrypt was seen uses `Immediate` up.
            let shown = observation.connection.as_ref().and_then(|connection| connection.mode());
            self.had_must |= shown == Some(EncryptionMode::MustEncrypt);
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
                self.track(connection, times, settings.max_gap());
            } else if connection.mode() == Some(EncryptionMode::MustEncrypt) && (!late.mode || self.last_mode.is_none())
            {
                // A read that shows an old name, or perhaps an old mode while no other is known, proves nothing. But one that
                // shows `must_encrypt` must not be ignored.
                self.show_mode(EncryptionMode::MustEncrypt);
            }
        } else {
            self.break_chains();
        }
        let is_same = self.observation.as_ref().is_some_and(|before| before.connection == observation.connection);
        if !is_same && observation.source == Source::Poll {
            // A poll showed something else than the read by id, so decisions need a new read by id.
            self.read_by_id = None;
        }
        self.observation = Some(observation);
        true
    }

    /// A listing can lack a connection that a read by its id finds. So the last state is kept until a read by id.
    fn record_absence_from_listing(&mut self, observation: Observation) -> bool {
        match &mut self.observation {
            Some(known) if known.connection.is_some() => self.is_missing = true,
            Some(known) => known.began = observation.began,
            None => self.observation = Some(observation),
        }
        true
    }

    /// Says which fields the read is late for. A late read does not override the answer to an update: in `shown`, late
    /// fields are replaced with what was sent. If the read shows that someone else changed a field back, that counts as
    /// contention.
    fn compare_with_sent(&mut self, shown: &mut Arc<Connection>, began: Moment, settle_window: Duration) -> Late {
        let name = shown.connection_name.as_ref();
        let (is_name_late, confirmed) = self.name.compare(name, began, settle_window, |_| false);
        if confirmed.is_some() {
            Arc::make_mut(shown).connection_name = confirmed;
        }
        // A read that shows no known mode says nothing about the mode that was sent.
        let Some(mode) = shown.mode() else { return Late { name: is_name_late, mode: false } };
        // AWS itself lowers the mode when the last key is removed; this is not contention.
        let lowers = |sent: &EncryptionMode| *sent == EncryptionMode::MustEncrypt && !shown.has_associated_key();
        let (is_mode_late, confirmed) = self.mode.compare(Some(&mode), began, settle_window, lowers);
        // Where it is not known what a late read would show, somebody may have set this after the update, and in doubt
        // `Immediate` is used up.
        self.had_must |= is_mode_late && mode == EncryptionMode::MustEncrypt && self.mode.is_before_forgotten();
        if let Some(mode) = confirmed {
            Arc::make_mut(shown).encryption_mode = Some(mode.into());
        }
        Late { name: is_name_late, mode: is_mode_late }
    }

    /// Extends the chains with this read, unless it shows no known mode.
    fn track(&mut self, connection: &Connection, times: (Moment, Moment), max_gap: Duration) {
        let Some(mode) = connection.mode() else { return };
        self.show_mode(mode);
        if connection.encryption_works() {
            Chain::extend(&mut self.macsec_up, mode, times, max_gap);
            (self.macsec_down, self.waiting_since) = (None, None);
        } else {
            Chain::extend(&mut self.macsec_down, mode, times, max_gap);
            self.macsec_up = None;
            self.waiting_since = connection.has_key_at_all().then(|| self.waiting_since.unwrap_or(times.1));
        }
    }

    fn break_chains(&mut self) {
        (self.macsec_up, self.macsec_down, self.waiting_since) = (None, None, None);
    }

    fn show_mode(&mut self, mode: EncryptionMode) {
        self.last_mode = Some(mode);
        self.had_must |= mode == EncryptionMode::MustEncrypt;
    }

    /// Records that an update is sent at `now`. Until its end is recorded, or its longest duration is over, no read
    /// says what it did.
    pub fn record_send(&mut self, now: Moment) {
        self.in_flight_since = Some(now);
    }

    /// Records the answer to an update. It counts as a read of name, mode and state.
    pub fn record_answer(&mut self, change: &Change, answer: &Connection, now: Moment) {
        let is = |as_sent: bool| if as_sent { Answer::AsSent } else { Answer::Otherwise };
        let name =
            answer.connection_name.as_ref().map_or(Answer::Silent, |name| is(change.name.as_ref() == Some(name)));
        let mode = answer.mode().map_or(Answer::Silent, |mode| is(change.mode == Some(mode)));
        self.in_flight_since = None;
        self.update_ended(change, (now, now), name, mode);
        if let Some(connection) = self.observation.as_mut().and_then(|observation| observation.connection.as_mut()) {
            let connection = Arc::make_mut(connection);
            // An answer without one of them says nothing of it.
            if answer.connection_name.is_some() {
                connection.connection_name.clone_from(&answer.connection_name);
            }
            if answer.encryption_mode.is_some() {
                connection.encryption_mode.clone_from(&answer.encryption_mode);
            }
            if answer.connection_state.is_some() {
                connection.connection_state.clone_from(&answer.connection_state);
            }
        }
        if let Some(mode) = answer.mode() {
            self.show_mode(mode);
        }
        (self.update_failure, self.refused) = (None, None);
    }

    /// Records a failed update. The delay before the next attempt depends on the kind of the fault. `jitter` is a
    /// number from 0 to 1.
    pub fn record_update_failure(
        &mut self,
        change: &Change,
        fault: Fault,
        now: Moment,
        poll_interval: Duration,
        jitter: f64,
    ) {
        let in_flight_since = self.in_flight_since.take();
        match fault.effect {
            // Only a read can tell whether it was carried out, and AWS may be about to.
            Effect::Unknown => {
                let could_end = in_flight_since.map_or(now, |since| now.max(since + MAX_CALL_DURATION));
                self.update_ended(change, (now, could_end), Answer::None, Answer::None);
            }
            // AWS did not process a throttled request, so earlier reads are as good as before.
            Effect::None if fault.kind == FaultKind::Throttled => {}
            Effect::None => self.last_call_ended = self.last_call_ended.max(Some(now)),
        }
        self.note_refused(change, fault.kind);
        record_failure(&mut self.update_failure, fault, now, poll_interval, jitter);
    }

    /// `now` is when the call ended for this process, `ended` when AWS has carried it out at the latest.
    fn update_ended(&mut self, change: &Change, (now, ended): (Moment, Moment), name: Answer, mode: Answer) {
        self.last_call_ended = self.last_call_ended.max(Some(now));
        self.last_update_ended = self.last_update_ended.max(Some(ended));
        // All chains start again: only reads that began after the last update ended count.
        self.break_chains();
        let before = self.connection();
        let (name_before, mode_before) = match before {
            Some(connection) => (Before::Shown(connection.connection_name.clone()), Before::Shown(connection.mode())),
            None => (Before::Forgotten, Before::Forgotten),
        };
        self.name.update_ended(change.name.clone(), ended, name_before, name);
        self.mode.update_ended(change.mode, ended, mode_before, mode);
        self.had_must |= change.mode == Some(EncryptionMode::MustEncrypt);
    }

    /// Takes over from the ledger what an earlier process sent, `age` ago. Does nothing if this process has made a call
    /// itself, or if the settle window of that update is over.
    pub fn resume(&mut self, change: Change, age: Option<Duration>, now: Moment, settle_window: Duration) {
        if self.has_resumed || self.last_call_ended.is_some() {
            return;
        }
        self.has_resumed = true;
        let Some(age) = age.filter(|&age| age < settle_window) else { return };
        let ended = now - age;
        self.name.update_ended(change.name, ended, Before::Forgotten, Answer::None);
        self.mode.update_ended(change.mode, ended, Before::Forgotten, Answer::None);
    }

    /// Takes over from another process that name or mode is in dispute, until then or a new generation.
    pub fn resume_dispute(&mut self, name: bool, mode: bool, until: Moment) {
        if name {
            self.name.contention.hold(until);
        }
        if mode {
            self.mode.contention.hold(until);
        }
    }

    /// Records a failed read of this connection by its id. `jitter` is a number from 0 to 1.
    pub fn record_read_failure(&mut self, fault: Fault, now: Moment, poll_interval: Duration, jitter: f64) {
        record_failure(&mut self.read_failure, fault, now, poll_interval, jitter);
    }

    /// Called when the connection is no longer read. If it is read again later, everything counts as new.
    pub fn forget_reads(&mut self) {
        (self.observation, self.is_missing, self.read_by_id, self.last_mode) = (None, false, None, None);
        self.break_chains();
        self.read_failure = None;
    }

    /// Called at the start of a pass of the acting resource. For a new generation, earlier failures and disputes are
    /// forgotten and it is tried at once.
    pub fn start_generation(&mut self, uid: &str, generation: i64, mode: Option<EncryptionMode>, now: Moment) {
        if self.generation.as_ref().is_none_or(|(of, number)| of != uid || *number != generation) {
            self.generation = Some((uid.to_owned(), generation));
            self.generation_started = now;
            self.reset_backoff();
        }
        self.note_wish(mode);
    }

    /// Called when the watch brings the wish of the acting resource, and at the start of its pass.
    pub fn note_wish(&mut self, mode: Option<EncryptionMode>) {
        let wants_must = mode == Some(EncryptionMode::MustEncrypt);
        if !wants_must {
            self.had_must = false;
        } else if self.wanted_must == Some(false) {
            // The spec did not want `must_encrypt` until now. Only if AWS still shows it, it counts as shown for this
            // spec.
            self.had_must = self.last_mode == Some(EncryptionMode::MustEncrypt);
        }
        self.wanted_must = Some(wants_must);
    }

    /// The fault of the last failed update, once, if `is_reported` says that it is reported now.
    pub fn take_untold_failure(&mut self, is_reported: impl FnOnce(&Fault) -> bool) -> Option<Fault> {
        let failure = self.update_failure.as_mut().filter(|failure| !failure.is_told && is_reported(&failure.fault))?;
        failure.is_told = true;
        Some(failure.fault.clone())
    }

    /// A person asked for a read and a new attempt at once.
    pub fn reset_backoff(&mut self) {
        (self.update_failure, self.refused) = (None, None);
        // Since when reads fail is not forgotten: who asks for reads again and again must not begin that anew each time.
        if let Some(failure) = &mut self.read_failure {
            failure.tries = 0;
        }
        (self.name.contention, self.mode.contention) = Default::default();
    }
}

/// The fields in which a read shows, or may show, the state before an update.
#[derive(Clone, Copy, Debug)]
struct Late {
    name: bool,
    mode: bool,
}

fn record_failure(slot: &mut Option<Box<Failure>>, fault: Fault, now: Moment, poll_interval: Duration, jitter: f64) {
    let (earlier, since) = slot.as_ref().map_or((0, now), |earlier| (earlier.tries, earlier.since));
    let tries = earlier.saturating_add(1);
    let retry_at = now + fault::retry_after(fault.kind, tries, poll_interval, jitter);
    *slot = Some(Box::new(Failure { fault, tries, since, retry_at, is_told: false }));
}
