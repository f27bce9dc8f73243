//! What must be remembered of a connection between two looks at it.
//!
//! All of it may be lost in a restart without harm: a soak begins anew, a dispute is counted anew, and what was sent
//! last is in `status.lastUpdate`.

use std::time::Duration;

use crate::clock::Moment;
use crate::contention::Contention;
use crate::desired::EncryptionMode;
use crate::fault::{self, Fault, FaultKind};
use crate::observed::{Connection, ObservedMode};

/// One read of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// When the read began. What AWS showed may have changed since, but is no older.
    pub began: Moment,
    /// When its answer was here. What AWS showed may have become so only then.
    pub ended: Moment,
    /// Whether it asked for this connection alone.
    pub by_id: bool,
    /// What AWS showed; `None`: no such connection.
    pub connection: Option<Connection>,
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

/// How far a value that was sent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Stage {
    /// Nobody has seen it in AWS.
    Sent,
    /// The update's own answer showed it.
    Answered,
    /// A read has shown it: from then on, other values are no late reads.
    Read,
}

/// The last value of one field that was sent and may have taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent<T> {
    value: T,
    ended: Moment,
    before: Before<T>,
    stage: Stage,
}

/// What AWS showed before an update.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Before<T> {
    /// Nobody knows: the process has started anew since, or several earlier values may still show.
    Forgotten,
    /// This value, or none.
    Shown(Option<T>),
}

/// What a read says about a value that was sent.
enum Echo {
    /// AWS has it.
    Shown,
    /// The read is late, or may be: what is known of AWS stands.
    Late,
    /// AWS has something else by now.
    Replaced,
}

impl<T: Clone + PartialEq> Sent<T> {
    /// A read that shows, within the settle window, what was there before is late; one that shows anything else that is
    /// not what was sent is somebody else's doing.
    fn heed(&mut self, shown: Option<&T>, began: Moment, settle_window: Duration) -> Echo {
        let is_as_before = match &self.before {
            Before::Forgotten => true,
            Before::Shown(before) => before.as_ref() == shown,
        };
        if shown == Some(&self.value) {
            self.stage = Stage::Read;
            Echo::Shown
        } else if self.is_settling(began, settle_window) && is_as_before {
            Echo::Late
        } else {
            Echo::Replaced
        }
    }

    fn is_settling(&self, now: Moment, settle_window: Duration) -> bool {
        self.stage < Stage::Read && now < self.ended + settle_window
    }

    fn was_accepted(&self) -> bool {
        self.stage > Stage::Sent
    }
}

/// An update, or the read before it, that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// Failures in a row.
    pub tries: u32,
    /// When to try again.
    pub retry_at: Moment,
}

/// The past of one connection, as far as it bears on what may be done next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    look: Option<Look>,
    /// When the last read of this connection alone began.
    read_by_id: Option<Moment>,
    /// End of the last update: looks that did not begin after it are late.
    barrier: Option<Moment>,
    /// Whether what an earlier process sent has been taken in.
    has_resumed: bool,
    sent_name: Option<Sent<String>>,
    sent_mode: Option<Sent<EncryptionMode>>,
    /// The end of the look since which MACsec has worked at every look.
    working_since: Option<Moment>,
    /// The end of the look since which there has been a key, but MACsec down.
    down_since: Option<Moment>,
    /// Since when `must_encrypt`, sent by this operator, has not yet proven itself.
    unproven: Option<Moment>,
    read_failure: Option<Failure>,
    update_failure: Option<Failure>,
    name_contention: Contention,
    mode_contention: Contention,
    /// Whose wish failures and disputes are about.
    wish: Option<(String, i64)>,
    wished_at: Moment,
    /// Whether a mode was sent for that wish and may have taken effect.
    has_sent_a_mode: bool,
}

impl History {
    /// Takes in a read of this connection. False when it is older than what is known and was passed over.
    pub fn saw(&mut self, mut look: Look, settle_window: Duration) -> bool {
        let newest = self.look.as_ref().map_or(Moment::START, |look| look.began);
        if self.is_late(look.began) {
            return false;
        }
        if look.by_id {
            self.read_by_id = Some(look.began);
        }
        if look.began < newest {
            return false;
        }
        self.read_failure = None;
        if let Some(connection) = &mut look.connection {
            self.reconcile_with_sent(connection, look.began, settle_window);
            self.track_encryption(connection, look.ended);
        } else {
            self.working_since = None;
            self.down_since = None;
        }
        let is_news = self.look.as_ref().is_none_or(|before| before.connection != look.connection);
        if !look.by_id && is_news {
            // What the read by id showed is not what is decided on now.
            self.read_by_id = None;
        }
        self.look = Some(look);
        true
    }

    fn is_late(&self, began: Moment) -> bool {
        self.barrier.is_some_and(|barrier| began <= barrier)
    }

    /// A late read does not overrule an update's own answer, and one that shows that somebody else has put a field back
    /// counts against them.
    fn reconcile_with_sent(&mut self, connection: &mut Connection, began: Moment, settle_window: Duration) {
        if let Some(sent) = &mut self.sent_name {
            match sent.heed(connection.connection_name.as_ref(), began, settle_window) {
                Echo::Late if sent.was_accepted() => connection.connection_name = Some(sent.value.clone()),
                Echo::Shown | Echo::Late => {}
                Echo::Replaced => {
                    if sent.was_accepted() {
                        self.name_contention.put_back(sent.ended, began);
                    }
                    self.sent_name = None;
                }
            }
        }
        // A mode that nobody knows says nothing about the one that was sent.
        let says = !matches!(connection.encryption_mode, Some(ObservedMode::Other(_)));
        if let Some(sent) = self.sent_mode.as_mut().filter(|_| says) {
            match sent.heed(connection.mode().as_ref(), began, settle_window) {
                Echo::Late if sent.was_accepted() => connection.encryption_mode = Some(sent.value.into()),
                Echo::Shown | Echo::Late => {}
                Echo::Replaced => {
                    // AWS itself lowers the mode when the last key goes; that is no other writer.
                    let lowered_by_aws = sent.value == EncryptionMode::MustEncrypt && !connection.has_associated_key();
                    if sent.was_accepted() && !lowered_by_aws {
                        self.mode_contention.put_back(sent.ended, began);
                    }
                    self.sent_mode = None;
                    self.unproven = None;
                }
            }
        }
    }

    fn track_encryption(&mut self, connection: &Connection, seen: Moment) {
        if connection.encryption_works() {
            self.working_since.get_or_insert(seen);
            self.down_since = None;
        } else {
            self.working_since = None;
            if connection.has_key_at_all() {
                self.down_since.get_or_insert(seen);
            } else {
                self.down_since = None;
            }
        }
    }

    /// An update was answered at `now`. The answer counts as a read of name, mode and state.
    pub fn answered(&mut self, change: Change, answer: &Connection, now: Moment) {
        let stage = |shown: bool| if shown { Stage::Answered } else { Stage::Sent };
        let name = stage(change.name == answer.connection_name);
        let mode = stage(change.mode == answer.mode());
        self.ended(change, now, name, mode);
        if let Some(connection) = self.look.as_mut().and_then(|look| look.connection.as_mut()) {
            connection.connection_name.clone_from(&answer.connection_name);
            connection.encryption_mode.clone_from(&answer.encryption_mode);
            connection.connection_state.clone_from(&answer.connection_state);
        }
        self.update_failure = None;
    }

    /// An update failed at `now`; the next try waits as its class says.
    pub fn refused(&mut self, change: Change, fault: Fault, now: Moment, poll_interval: Duration, dice: f64) {
        if fault.effect == fault::Effect::Unknown {
            self.ended(change, now, Stage::Sent, Stage::Sent);
            // Whether it took effect is for a read to say; a failure to wait for there is none.
            self.update_failure = None;
        } else {
            // A throttled request was not looked at, so the read before it is as good as it was.
            if fault.kind != FaultKind::Throttled {
                self.barrier = self.barrier.max(Some(now));
            }
            // A server that failed may have done it all the same.
            if fault.kind == FaultKind::Unavailable {
                self.working_since = None;
                self.down_since = None;
                if change.mode == Some(EncryptionMode::MustEncrypt) {
                    self.unproven = Some(now);
                }
            }
            Self::failed(&mut self.update_failure, fault, now, poll_interval, dice);
        }
    }

    fn ended(&mut self, change: Change, now: Moment, name: Stage, mode: Stage) {
        self.barrier = self.barrier.max(Some(now));
        // The soak counts only reads that began after the last update ended.
        self.working_since = None;
        self.down_since = None;
        let before = self.look.as_ref().and_then(|look| look.connection.as_ref());
        let before = before.map(|connection| (connection.connection_name.clone(), connection.mode()));
        let (old_name, old_mode) = before
            .map_or((Before::Forgotten, Before::Forgotten), |(name, mode)| (Before::Shown(name), Before::Shown(mode)));
        // Where no read has shown the last update either, a late one may show what was there before that.
        if let Some(value) = change.name {
            let unread = self.sent_name.as_ref().is_some_and(|sent| sent.stage < Stage::Read);
            let before = if unread { Before::Forgotten } else { old_name };
            self.sent_name = Some(Sent { value, ended: now, before, stage: name });
        }
        if let Some(value) = change.mode {
            let unread = self.sent_mode.as_ref().is_some_and(|sent| sent.stage < Stage::Read);
            let before = if unread { Before::Forgotten } else { old_mode };
            self.has_sent_a_mode = true;
            self.unproven = (value == EncryptionMode::MustEncrypt).then_some(now);
            self.sent_mode = Some(Sent { value, ended: now, before, stage: mode });
        }
    }

    /// What `status.lastUpdate` says an earlier process sent, `age` ago by the wall clock. Does nothing when this
    /// process already knows more.
    pub fn resume(&mut self, change: Change, age: Duration, now: Moment) {
        if self.has_resumed || self.barrier.is_some() {
            return;
        }
        self.has_resumed = true;
        let ended = now - age;
        if let Some(value) = change.name {
            self.sent_name = Some(Sent { value, ended, before: Before::Forgotten, stage: Stage::Sent });
        }
        if let Some(value) = change.mode {
            self.unproven = (value == EncryptionMode::MustEncrypt).then_some(ended);
            self.sent_mode = Some(Sent { value, ended, before: Before::Forgotten, stage: Stage::Sent });
        }
    }

    /// A read of this connection alone failed at `now`.
    pub fn read_failed(&mut self, fault: Fault, now: Moment, poll_interval: Duration, dice: f64) {
        Self::failed(&mut self.read_failure, fault, now, poll_interval, dice);
    }

    fn failed(slot: &mut Option<Failure>, fault: Fault, now: Moment, poll_interval: Duration, dice: f64) {
        let tries = slot.as_ref().map_or(0, |earlier| earlier.tries).saturating_add(1);
        let retry_at = now + fault::retry_after(fault.kind, tries, poll_interval, dice);
        *slot = Some(Failure { fault, tries, retry_at });
    }

    /// The wish of generation `generation` of the resource `uid` is at hand. A new wish is tried at once, and what
    /// earlier ones met with is forgotten.
    pub fn wished(&mut self, uid: &str, generation: i64, now: Moment) {
        let wish = (uid.to_owned(), generation);
        if self.wish.as_ref() != Some(&wish) {
            self.wish = Some(wish);
            self.wished_at = now;
            self.has_sent_a_mode = false;
            self.forgive();
        }
    }

    /// Whether the wish is younger than the last look.
    pub fn is_news_to_last_look(&self) -> bool {
        self.look.as_ref().is_none_or(|look| look.began < self.wished_at)
    }

    /// Someone asked to look and try at once.
    pub fn forgive(&mut self) {
        self.update_failure = None;
        self.read_failure = None;
        self.name_contention = Contention::default();
        self.mode_contention = Contention::default();
    }

    /// The newest look that counts.
    pub fn look(&self) -> Option<&Look> {
        self.look.as_ref()
    }

    /// Whether an update may be decided on: this connection alone has been read, by a read that began after the last
    /// update ended and no more than [`FRESH`] ago. A poll after it that shows the same only adds to what is known.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.read_by_id.is_some_and(|began| !self.is_late(began) && now.since(began) <= FRESH)
    }

    /// Whether nothing has been read yet that began after the last update ended.
    pub fn is_behind_update(&self) -> bool {
        self.look.as_ref().is_some_and(|look| self.is_late(look.began))
    }

    /// Since when MACsec has worked for certain, at every look that began after the last update.
    pub fn working_since(&self) -> Option<Moment> {
        self.working_since
    }

    /// Whether the looks prove that MACsec has worked for `soak`: from the end of the first to the begin of the last. Looks prove
    /// it, not the clock.
    pub fn is_soaked(&self, soak: Duration) -> bool {
        match (self.working_since, &self.look) {
            (Some(since), Some(look)) => look.began.since(since) >= soak,
            _ => false,
        }
    }

    /// Whether this process has sent a mode for the wish at hand that may have taken effect.
    pub fn has_sent_a_mode(&self) -> bool {
        self.has_sent_a_mode
    }

    /// Since when this wish has waited for MACsec: there is a key, but MACsec is down.
    pub fn waits_since(&self) -> Option<Moment> {
        self.down_since.map(|since| since.max(self.wished_at))
    }

    /// Until when AWS may still show the old name after the last update, which sent `name`.
    pub fn name_settles_at(&self, name: &str, now: Moment, settle_window: Duration) -> Option<Moment> {
        let sent = self.sent_name.as_ref().filter(|sent| sent.value == name && sent.is_settling(now, settle_window));
        sent.map(|sent| sent.ended + settle_window)
    }

    /// Until when AWS may still show the old mode after the last update, which sent `mode`.
    pub fn mode_settles_at(&self, mode: EncryptionMode, now: Moment, settle_window: Duration) -> Option<Moment> {
        let sent = self.sent_mode.as_ref().filter(|sent| sent.value == mode && sent.is_settling(now, settle_window));
        sent.map(|sent| sent.ended + settle_window)
    }

    /// Whether this operator sent `must_encrypt` and has not yet seen MACsec work for `soak` since.
    pub fn is_unproven(&self, soak: Duration) -> bool {
        self.unproven.is_some() && !self.is_soaked(soak)
    }

    /// Whether `must_encrypt` was sent so lately that a read may not show it yet.
    pub fn must_may_still_come(&self, now: Moment, settle_window: Duration) -> bool {
        self.must_settles_at(settle_window).is_some_and(|settled_at| now < settled_at || self.is_unread_since_must())
    }

    /// When reads have to show the unproven `must_encrypt` at the latest, if it is in effect.
    pub fn must_settles_at(&self, settle_window: Duration) -> Option<Moment> {
        self.unproven.map(|since| since + settle_window)
    }

    /// Whether no look has begun since `must_encrypt` was sent, of which nobody knows whether it works.
    pub fn is_unread_since_must(&self) -> bool {
        self.unproven.is_some_and(|since| self.look.as_ref().is_none_or(|look| look.began <= since))
    }

    /// Once looks have proven the last `must_encrypt`, a later outage does not put it in doubt again.
    pub fn prove_if_soaked(&mut self, soak: Duration) {
        if self.is_soaked(soak) {
            self.unproven = None;
        }
    }

    /// The last failed read of this connection alone, if no read succeeded since.
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

/// How old a read may be for an update to be decided on it.
pub const FRESH: Duration = Duration::from_secs(30);
