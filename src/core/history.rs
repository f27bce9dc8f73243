//! What must be remembered of a connection between two looks at it.
//!
//! All of it may be lost in a restart without harm: a soak begins anew, a dispute is counted anew, and what was sent
//! last is in `status.lastUpdate`.

use std::time::Duration;

use super::clock::Moment;
use super::contention::Contention;
use super::desired::EncryptionMode;
use super::fault::{self, Class, Fault};
use super::observed::Connection;

/// One read of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// When the read began. What AWS showed may have changed since, but is no older.
    pub began: Moment,
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

/// An update that was sent and may have taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    change: Change,
    ended: Moment,
    /// Name and mode before it; `None` after a restart.
    before: Option<Change>,
    name: Stage,
    mode: Stage,
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
    /// End of the last update: looks that began before it are late.
    barrier: Moment,
    sent: Option<Sent>,
    /// Since which look MACsec has worked at every look.
    working_since: Option<Moment>,
    /// Since which look there has been a key, but MACsec down.
    down_since: Option<Moment>,
    /// Since when `must_encrypt`, sent by this operator, has not yet proven itself.
    unproven: bool,
    read_failure: Option<Failure>,
    update_failure: Option<Failure>,
    name_contention: Contention,
    mode_contention: Contention,
    /// Whose wish failures and disputes are about.
    wish: Option<(String, i64)>,
    wished_at: Moment,
}

impl History {
    /// Takes in a read of this connection. False when it is older than what is known and was passed over.
    pub fn saw(&mut self, mut look: Look, settle_window: Duration) -> bool {
        let newest = self.look.as_ref().map_or(Moment::START, |look| look.began);
        if look.began < self.barrier || look.began < newest {
            return false;
        }
        self.read_failure = None;
        if let Some(connection) = &mut look.connection {
            self.reconcile_with_sent(connection, look.began, settle_window);
            self.track_encryption(connection, look.began);
        } else {
            self.working_since = None;
            self.down_since = None;
        }
        self.look = Some(look);
        true
    }

    /// A read that shows, within the settle window, what was there before an update is late: the update's own answer
    /// stands. Anything else that is not what was sent is somebody else's doing.
    fn reconcile_with_sent(&mut self, connection: &mut Connection, now: Moment, settle_window: Duration) {
        let Some(sent) = &mut self.sent else { return };
        let settling = now < sent.ended + settle_window;
        if let Some(name) = &sent.change.name {
            let shows_before = sent.before.as_ref().is_some_and(|before| before.name == connection.connection_name);
            if connection.connection_name.as_ref() == Some(name) {
                sent.name = Stage::Read;
            } else if settling && sent.name < Stage::Read && (shows_before || sent.before.is_none()) {
                if sent.name > Stage::Sent {
                    connection.connection_name = Some(name.clone());
                }
            } else if sent.name > Stage::Sent {
                self.name_contention.put_back(sent.ended, now);
                sent.change.name = None;
            }
        }
        if let Some(mode) = sent.change.mode {
            let shown = connection.mode();
            let shows_before = sent.before.as_ref().is_some_and(|before| before.mode == shown);
            if shown == Some(mode) {
                sent.mode = Stage::Read;
            } else if settling && sent.mode < Stage::Read && (shows_before || sent.before.is_none()) {
                if sent.mode > Stage::Sent {
                    connection.encryption_mode = Some(mode.into());
                }
            } else {
                // AWS itself lowers the mode when the last key goes; that is no other writer.
                let lowered_by_aws = mode == EncryptionMode::MustEncrypt && !connection.has_associated_key();
                if sent.mode > Stage::Sent && !lowered_by_aws {
                    self.mode_contention.put_back(sent.ended, now);
                }
                sent.change.mode = None;
                self.unproven = false;
            }
        }
    }

    fn track_encryption(&mut self, connection: &Connection, now: Moment) {
        if connection.encryption_works() {
            self.working_since.get_or_insert(now);
            self.down_since = None;
        } else {
            self.working_since = None;
            if connection.has_key_at_all() {
                self.down_since.get_or_insert(now);
            } else {
                self.down_since = None;
            }
        }
    }

    /// An update was answered at `now`. The answer counts as a read of name, mode and state.
    pub fn answered(&mut self, change: Change, answer: &Connection, now: Moment) {
        let stage = |shown: bool| if shown { Stage::Answered } else { Stage::Sent };
        let name = stage(change.name.is_some() && change.name == answer.connection_name);
        let mode = stage(change.mode.is_some() && change.mode == answer.mode());
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
        if fault.in_doubt {
            self.ended(change, now, Stage::Sent, Stage::Sent);
            // Whether it took effect is for a read to say; a failure to wait for there is none.
            self.update_failure = None;
        } else {
            // A throttled request was not looked at, so the read before it is as good as it was.
            if fault.class != Class::Throttled {
                self.barrier = self.barrier.max(now);
            }
            // A server that failed may have done it all the same.
            if change.mode == Some(EncryptionMode::MustEncrypt) && fault.class == Class::Unavailable {
                self.unproven = true;
            }
            Self::failed(&mut self.update_failure, fault, now, poll_interval, dice);
        }
    }

    fn ended(&mut self, change: Change, now: Moment, name: Stage, mode: Stage) {
        self.barrier = self.barrier.max(now);
        // The soak counts only reads that began after the last update ended.
        self.working_since = None;
        self.down_since = None;
        if let Some(mode) = change.mode {
            self.unproven = mode == EncryptionMode::MustEncrypt;
        }
        let before = self
            .look
            .as_ref()
            .and_then(|look| look.connection.as_ref())
            .map(|connection| Change { name: connection.connection_name.clone(), mode: connection.mode() });
        self.sent = Some(Sent { change, ended: now, before, name, mode });
    }

    /// What `status.lastUpdate` says an earlier process sent, `age` ago by the wall clock. Does nothing when this
    /// process already knows more.
    pub fn resume(&mut self, change: Change, age: Duration, now: Moment) {
        if self.sent.is_some() || self.barrier > Moment::START {
            return;
        }
        self.unproven = change.mode == Some(EncryptionMode::MustEncrypt);
        self.sent = Some(Sent { change, ended: now - age, before: None, name: Stage::Sent, mode: Stage::Sent });
    }

    /// A read of this connection alone failed at `now`.
    pub fn read_failed(&mut self, fault: Fault, now: Moment, poll_interval: Duration, dice: f64) {
        Self::failed(&mut self.read_failure, fault, now, poll_interval, dice);
    }

    fn failed(slot: &mut Option<Failure>, fault: Fault, now: Moment, poll_interval: Duration, dice: f64) {
        let tries = slot.as_ref().map_or(0, |earlier| earlier.tries).saturating_add(1);
        let retry_at = now + fault::retry_after(fault.class, tries, poll_interval, dice);
        *slot = Some(Failure { fault, tries, retry_at });
    }

    /// The wish of generation `generation` of the resource `uid` is at hand. A new wish is tried at once, and what
    /// earlier ones met with is forgotten.
    pub fn wished(&mut self, uid: &str, generation: i64, now: Moment) {
        let wish = (uid.to_owned(), generation);
        if self.wish.as_ref() != Some(&wish) {
            self.wish = Some(wish);
            self.wished_at = now;
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

    /// Whether the newest look is one that an update may be decided on: of this connection alone, begun after the last
    /// update ended and no more than [`FRESH`] ago.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.look
            .as_ref()
            .is_some_and(|look| look.by_id && look.began >= self.barrier && now.since(look.began) <= FRESH)
    }

    /// Whether nothing has been read yet that began after the last update ended.
    pub fn is_behind_update(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.began < self.barrier)
    }

    /// Since when MACsec has worked at every look that began after the last update.
    pub fn working_since(&self) -> Option<Moment> {
        self.working_since
    }

    /// Whether the looks prove that MACsec has worked for `soak`. Looks prove it, not the clock.
    pub fn is_soaked(&self, soak: Duration) -> bool {
        match (self.working_since, &self.look) {
            (Some(since), Some(look)) => look.began.since(since) >= soak,
            _ => false,
        }
    }

    /// Since which look there has been a key, but MACsec down.
    pub fn down_since(&self) -> Option<Moment> {
        self.down_since
    }

    /// Whether AWS may still show the old name after the last update, which sent `name`.
    pub fn name_is_settling(&self, name: &str, now: Moment, settle_window: Duration) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            sent.change.name.as_deref() == Some(name) && sent.name < Stage::Read && now < sent.ended + settle_window
        })
    }

    /// Whether AWS may still show the old mode after the last update, which sent `mode`.
    pub fn mode_is_settling(&self, mode: EncryptionMode, now: Moment, settle_window: Duration) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            sent.change.mode == Some(mode) && sent.mode < Stage::Read && now < sent.ended + settle_window
        })
    }

    /// When the settle window of the last update ends.
    pub fn settled_at(&self, settle_window: Duration) -> Option<Moment> {
        self.sent.as_ref().map(|sent| sent.ended + settle_window)
    }

    /// Whether this operator sent `must_encrypt` and has not yet seen MACsec work for `soak` since.
    pub fn is_unproven(&self, soak: Duration) -> bool {
        self.unproven && !self.is_soaked(soak)
    }

    /// Once looks have proven the last `must_encrypt`, a later outage does not put it in doubt again.
    pub fn prove_if_soaked(&mut self, soak: Duration) {
        if self.is_soaked(soak) {
            self.unproven = false;
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
