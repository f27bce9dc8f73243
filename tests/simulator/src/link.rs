//! The behaviour of one connection over time: keys take effect after a delay, sessions come up after keys, and
//! `must_encrypt` without a session takes the link down. Time is a parameter; everything that was due by then has
//! happened.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::connection::{Connection, ENCRYPTION_DOWN, ENCRYPTION_UP};
use crate::faults::Age;
use crate::settings::Settings;

/// At most this many earlier states of a connection are kept.
const PAST_KEPT: usize = 32;

/// A connection, and its pending changes.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    /// Whether it is down because `must_encrypt` has no session, and not because the fibre is cut. Only the former
    /// recovers by itself.
    cut_by_mode: bool,
    session_up_at: Option<Instant>,
    keys_due: BTreeMap<String, Instant>,
    late: Option<Late>,
    /// Its earlier states, oldest first.
    past: VecDeque<Past>,
}

/// A state of a connection until some time.
#[derive(Debug)]
struct Past {
    connection: Connection,
    until: Instant,
}

/// The old name and mode that late reads show.
#[derive(Debug)]
struct Late {
    name: Option<String>,
    mode: Option<String>,
    until: Instant,
    reads: u32,
}

impl Link {
    /// A connection with these fields, except that `must_encrypt` without a session takes the link down.
    pub(crate) fn new(connection: Connection) -> Self {
        let cut_by_mode = connection.state() == "down" && fails_closed(&connection);
        let mut link = Self {
            connection,
            cut_by_mode,
            session_up_at: None,
            keys_due: BTreeMap::new(),
            late: None,
            past: VecDeque::new(),
        };
        link.cut_or_heal();
        link
    }

    /// Applies all pending changes that are due by `now`, in order.
    pub(crate) fn advance(&mut self, now: Instant, settings: &Settings) {
        loop {
            let key = self.keys_due.iter().min_by_key(|(_, due)| **due).map(|(ckn, due)| (*due, ckn.clone()));
            match (key, self.session_up_at) {
                (Some((due, ckn)), session) if due <= now && session.is_none_or(|at| due <= at) => {
                    self.keys_due.remove(&ckn);
                    self.key_is_due(&ckn, due, settings);
                }
                (_, Some(at)) if at <= now => {
                    self.session_up_at = None;
                    let before = self.connection.clone();
                    self.connection.port_encryption_status = Some(ENCRYPTION_UP.to_owned());
                    self.cut_or_heal();
                    self.remember(before, at);
                }
                _ => return,
            }
        }
    }

    /// Makes a change as AWS or someone else would, with its consequences. If the change sets the encryption status,
    /// the set value is kept.
    pub(crate) fn change(&mut self, now: Instant, settings: &Settings, change: impl FnOnce(&mut Connection)) {
        let before = self.connection.clone();
        let wanted_session = self.wants_session();
        change(&mut self.connection);
        let after = &mut self.connection;

        if before.connection_state != after.connection_state {
            self.cut_by_mode = false;
        }
        let joined_lag = before.lag_id.is_none() && after.lag_id.is_some();
        if joined_lag {
            after.mac_sec_keys = None;
        }
        let alone = after.lag_id.is_none();
        if alone && before.has_working_key() && !after.has_working_key() && after.mode() == "must_encrypt" {
            after.encryption_mode = Some("should_encrypt".to_owned());
        }

        let status_given = before.port_encryption_status != after.port_encryption_status;
        if alone && !status_given && after.encryption_is_up() && !self.wants_session() {
            self.connection.port_encryption_status = Some(ENCRYPTION_DOWN.to_owned());
        }
        self.cut_or_heal();

        if status_given || self.connection.encryption_is_up() || !self.wants_session() {
            self.session_up_at = None;
        } else if !wanted_session {
            self.session_up_at = Some(now + settings.macsec_up_after);
        }
        self.remember(before, now);
    }

    /// Makes a change by `UpdateConnection`. Reads may be late after it.
    pub(crate) fn update(&mut self, now: Instant, settings: &Settings, change: impl FnOnce(&mut Connection)) {
        let before = (self.connection.connection_name.clone(), self.connection.encryption_mode.clone());
        self.change(now, settings, change);
        if !settings.reads_late(&self.connection.connection_id) {
            return;
        }
        let until = now + settings.late_reads_for;
        let reads = settings.late_reads;
        match &mut self.late {
            // Reads are still late from the update before, so the state in between is never shown.
            Some(late) if late.holds(now) => {
                late.until = late.until.max(until);
                late.reads = late.reads.max(reads);
            }
            late => *late = Some(Late { name: before.0, mode: before.1, until, reads }),
        }
    }

    /// What a read shows, which may be late.
    pub(crate) fn read(&mut self, now: Instant) -> Connection {
        let mut shown = self.connection.clone();
        match &mut self.late {
            Some(late) if late.holds(now) => {
                late.reads = late.reads.saturating_sub(1);
                shown.connection_name.clone_from(&late.name);
                shown.encryption_mode.clone_from(&late.mode);
            }
            _ => self.late = None,
        }
        shown
    }

    /// An earlier state of the connection: the oldest known one if `age` is too great, and `None` if it has not changed
    /// since.
    pub(crate) fn past(&self, age: Age, now: Instant) -> Option<&Connection> {
        let past = match age {
            Age::Changes(changes) => self.past.get(self.past.len().saturating_sub(changes)),
            Age::Millis(millis) => {
                let age = Duration::from_millis(millis);
                self.past.iter().find(|past| now.saturating_duration_since(past.until) < age)
            }
        };
        past.map(|past| &past.connection)
    }

    fn remember(&mut self, before: Connection, until: Instant) {
        if before == self.connection {
            return;
        }
        if self.past.len() >= PAST_KEPT {
            self.past.pop_front();
        }
        self.past.push_back(Past { connection: before, until });
    }

    /// Begins to associate a key, or says why that is not possible.
    pub(crate) fn associate(&mut self, ckn: &str, now: Instant, settings: &Settings) -> Result<(), String> {
        let connection = &mut self.connection;
        let id = &connection.connection_id;
        if connection.mac_sec_capable != Some(true) {
            return Err(format!("{id} is not MACsec-capable, so it takes no key"));
        }
        if connection.lag_id.is_some() {
            return Err(format!("{id} is a member of a LAG, which holds the keys"));
        }
        if connection.keys().iter().any(|key| key.ckn.as_deref() == Some(ckn)) {
            return Err(format!("{id} already has the key {ckn}"));
        }
        if connection.keys().len() >= 3 {
            return Err(format!("{id} already has three keys, which is the most"));
        }
        let start_on = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let key = connection.key(ckn, "associating", &start_on);
        let before = connection.clone();
        connection.mac_sec_keys.get_or_insert_default().push(key);
        self.remember(before, now);
        self.schedule_key(ckn, now, settings.key_change_after);
        Ok(())
    }

    /// Begins to disassociate a key, or says why that is not possible.
    pub(crate) fn disassociate(&mut self, ckn: &str, now: Instant, settings: &Settings) -> Result<(), String> {
        let before = self.connection.clone();
        let id = before.connection_id.clone();
        let keys = self.connection.mac_sec_keys.iter_mut().flatten();
        let Some(key) = keys.into_iter().find(|key| key.ckn.as_deref() == Some(ckn)) else {
            return Err(format!("{id} has no key {ckn}"));
        };
        key.state = Some("disassociating".to_owned());
        self.remember(before, now);
        self.schedule_key(ckn, now, settings.key_change_after);
        Ok(())
    }

    fn schedule_key(&mut self, ckn: &str, now: Instant, after: Duration) {
        self.keys_due.insert(ckn.to_owned(), now + after);
    }

    fn key_is_due(&mut self, ckn: &str, due: Instant, settings: &Settings) {
        let mut arrived = false;
        let mut leaves_later = false;
        self.change(due, settings, |connection| {
            let keys = connection.mac_sec_keys.get_or_insert_default();
            let Some(at) = keys.iter().position(|key| key.ckn.as_deref() == Some(ckn)) else {
                return;
            };
            match keys[at].state.as_deref() {
                Some("associating") => {
                    keys[at].state = Some("associated".to_owned());
                    arrived = true;
                }
                Some("disassociating") => {
                    keys[at].state = Some("disassociated".to_owned());
                    leaves_later = true;
                }
                Some("disassociated") => {
                    keys.remove(at);
                }
                _ => {}
            }
        });
        if leaves_later {
            self.schedule_key(ckn, due, settings.key_change_after);
        }
        // A second key may be the one that the far end has, so the session is tried again.
        if arrived && self.wants_session() && !self.connection.encryption_is_up() && self.session_up_at.is_none() {
            self.session_up_at = Some(due + settings.macsec_up_after);
        }
    }

    /// Whether a session can be up: there is a working key, the mode uses it, and the link has light.
    fn wants_session(&self) -> bool {
        let connection = &self.connection;
        let light = connection.state() == "available" || (connection.state() == "down" && self.cut_by_mode);
        let uses_it = matches!(connection.mode(), "should_encrypt" | "must_encrypt");
        light && uses_it && connection.lag_id.is_none() && connection.has_working_key()
    }

    fn cut_or_heal(&mut self) {
        if fails_closed(&self.connection) {
            if self.connection.state() == "available" {
                self.connection.connection_state = Some("down".to_owned());
                self.cut_by_mode = true;
            }
        } else if self.cut_by_mode {
            self.cut_by_mode = false;
            if self.connection.state() == "down" {
                self.connection.connection_state = Some("available".to_owned());
            }
        }
    }
}

impl Late {
    fn holds(&self, now: Instant) -> bool {
        self.reads > 0 || now < self.until
    }
}

fn fails_closed(connection: &Connection) -> bool {
    connection.mac_sec_capable == Some(true) && connection.mode() == "must_encrypt" && !connection.encryption_is_up()
}
