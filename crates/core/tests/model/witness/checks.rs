//! What the witness says of an update at the moment when it is sent.

use std::time::Duration;

use directconnect_core::desired::EncryptionMode;
use directconnect_core::history::Change;
use directconnect_core::observed::ConnectionState;
use directconnect_core::settings::FRESH;

use crate::state::{World, acting, bits};
use crate::world::{Must, No, Object, Should};

use super::Seen;

impl World {
    /// Checks that this update does not put a second link at risk.
    pub fn check_risk(&mut self, who: usize, link: usize, change: &Change, seen: &[Option<Object>]) {
        let known = &mut self.witness.links[link];
        let shows_clear_text = known
            .by_id
            .as_ref()
            .is_none_or(|(_, read, is_late)| !is_late && read.mode() == Some(No) && read.has_key_at_all());
        known.interrupts = change.mode == Some(Must) || shows_clear_text;
        let is_risky =
            known.interrupts && change.mode.is_some_and(|mode| self.links[link].is_interrupted_by(mode, self.now));
        if is_risky && self.witness.known(self.now) & self.wanted(seen) & self.sharing(link) != 0 {
            self.violation = self.violation.or(Some("two links of an account at once"));
        }
        let raised = bits(self.witness.links.iter().map(|link| link.is_raised));
        if is_risky && raised & self.sharing(link) != 0 {
            self.violation = self.violation.or(Some("a step beside a link that another writer raised"));
        }
        let settle_window = self.settings.settle_window;
        let known = &mut self.witness.links[link];
        let before = known.mode_read_for_certain(settle_window);
        known.read_before = before.or(known.read_before);
        if let Some(mode) = change.mode {
            (known.sent, known.is_sender_gone) = (Some((mode, Some(who))), false);
        }
        known.was_sent_must |= change.mode == Some(Must);
    }

    /// Checks that this update may be sent, by what the witness knows.
    pub fn check_update(&mut self, who: usize, link: usize, change: &Change, seen: &[Option<Object>]) {
        let broken = self.broken_by(who, link, change, seen);
        self.violation = self.violation.or(broken);
        self.check_risk(who, link, change, seen);
        if change.mode == Some(Must) && self.current(seen)[who].is_some() {
            self.witness.had_must[who].sent = true;
        }
    }

    fn broken_by(&self, who: usize, link: usize, change: &Change, seen: &[Option<Object>]) -> Option<&'static str> {
        let known = &self.witness.links[link];
        let Some(object) = &seen[who] else { return Some("an update for a resource that is gone") };
        let Some((began, read, is_late)) = &known.by_id else { return Some("an update without a read") };
        let shown = read.mode().filter(|_| !is_late);
        // A read that may be late says nothing of the mode, and the answer to the update before it does.
        let certain = known.mode_read_for_certain(self.settings.settle_window);
        let goes_up = change.mode.zip(certain).is_some_and(|(mode, shown)| mode > shown);
        let is_available = read.connection_state == Some(ConnectionState::Available);
        let is_on_the_way = change.mode == object.spec.mode || (object.wants(Must) && change.mode == Some(Should));
        let had = &self.witness.had_must[who];
        let at_once = object.spec.is_immediate && !had.sent && !had.seen && !had.written;
        let is_soaked = known.up.is_some_and(|up| {
            up.last.since(up.since) >= self.settings.encryption_soak && self.now.since(up.last) <= FRESH
        });
        // Within the settle window, a read that shows the mode may be from before the last update.
        let is_settled = known.ended.is_none_or(|ended| *began >= ended + self.settings.settle_window);
        let rules = [
            (object.is_being_deleted, "an update for a resource that is being deleted"),
            (object.spec.observes, "an update for one that only observes"),
            (object.spec.paused, "an update while paused"),
            (acting(seen, link).is_none_or(|(at, _)| at != who), "an update of what another resource manages"),
            (change.mode.is_some() && !is_on_the_way, "a mode that nobody asked for"),
            (change.name.is_some() && (!object.spec.renames), "a name that nobody asked for"),
            (change.mode.is_none() && change.name.is_none(), "an update of nothing"),
            (change.mode.is_some() && read.lag_id.is_some(), "a mode to a member of a LAG"),
            (change.mode.is_some() && read.mode().is_none(), "a mode from one that nobody knows"),
            (change.mode.is_some() && shown == change.mode && is_settled, "a mode that AWS shows already"),
            (change.name.is_some() && read.connection_name == change.name, "a name that AWS shows already"),
            (goes_up && !is_available, "a mode up the ladder while not available"),
            (self.now.since(*began) > FRESH, "an update on a read that is too old"),
            (known.ended.is_some_and(|ended| *began <= ended), "an update on a read from before the last one"),
            (change.mode == Some(Must) && !at_once && !is_soaked, "must_encrypt without a soak"),
        ];
        rules.into_iter().find(|(broken, _)| *broken).map(|(_, rule)| rule)
    }
}

impl Seen {
    /// The mode of the last read by id, unless it may be the one from before the last update.
    fn mode_read_for_certain(&self, settle_window: Duration) -> Option<EncryptionMode> {
        let (began, read, _) = self.by_id.as_ref().filter(|(.., is_late)| !is_late)?;
        let is_settled = self.ended.is_none_or(|ended| *began > ended + settle_window);
        read.mode().filter(|mode| is_settled || Some(*mode) != self.read_before)
    }
}
