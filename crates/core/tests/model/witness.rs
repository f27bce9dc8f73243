//! The witness: what an outside observer knows of each link. It records what AWS was sent and did, which reads were
//! delivered, and what was wanted. It uses nothing from the operator's own state.

use directconnect_core::clock::Moment;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::history::Change;
use directconnect_core::observed::{Connection, ConnectionState};
use directconnect_core::settings::{FRESH, Settings};

use super::state::{World, acting, bits};
use super::world::{Link, Must, No, Object, Should};

/// Reads without a large gap that all showed the same mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ReadChain {
    mode: EncryptionMode,
    since: Moment,
    last: Moment,
}

/// What is known of one link.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// A step of this operator that took effect and is not proven to work, and the resource that it was made for.
    risk: Option<(EncryptionMode, Option<usize>)>,
    /// The last mode that was sent and the resource that it was sent for, and whether the read before it showed that it can
    /// interrupt traffic.
    sent: Option<(EncryptionMode, Option<usize>)>,
    interrupts: bool,
    up: Option<ReadChain>,
    down: Option<ReadChain>,
    /// What the previous leader had seen.
    up_before: Option<ReadChain>,
    /// When the newest delivered read began, what it showed, and whether it was late.
    newest: Option<(Moment, Connection, bool)>,
    /// Since when the first listing of this leader is awaited.
    awaited_since: Option<Moment>,
    /// A status has told this leader of `must_encrypt`.
    is_told: bool,
    /// The last known mode that this leader has read, and whether that shows that another writer raised the link.
    heard: Option<EncryptionMode>,
    is_raised: bool,
    /// Whether this operator has ever sent `must_encrypt`.
    was_sent_must: bool,
    /// `must_encrypt` was sent over a step to `should_encrypt` that is not proven, so `unprovenStep` names that mode alone.
    is_overwritten: bool,
    /// The resource that the step was made for is gone, and with it all that tells the next leader of the step.
    is_orphaned: bool,
    /// End of the last update of this leader that AWS processed.
    ended: Option<Moment>,
    /// The last read by id, and whether it was late.
    by_id: Option<(Moment, Connection, bool)>,
}

/// Whether `must_encrypt` was sent or seen for a resource while it has wanted it without a break.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct HadMust {
    sent: bool,
    /// This process has seen it, but not decided on a status since.
    seen: bool,
    /// A status that is decided on says so.
    decided: bool,
    written: bool,
    /// Its status is from a process that no longer led, which a leader does not believe.
    is_foreign: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    settings: Settings,
    links: Vec<Seen>,
    had_must: Vec<HadMust>,
}

impl Witness {
    pub fn new(links: &[Link], objects: usize, settings: Settings) -> Self {
        // A link that is at `must_encrypt` from the beginning is at risk like one that was raised.
        let found = |link: &Link| Seen { risk: (link.mode == Must).then_some((Must, None)), ..Seen::default() };
        Self { settings, links: links.iter().map(found).collect(), had_must: vec![HadMust::default(); objects] }
    }

    /// Another process leads. It knows nothing of what was seen before.
    pub fn new_leader(&mut self) {
        for link in &mut self.links {
            link.up_before = link.up;
            (link.ended, link.is_told) = (None, false);
            // What only the status of a resource told that is gone, reads have to show: they show that a link is at
            // `must_encrypt`, but not that a step to `should_encrypt` is not proven.
            let risk = link.risk.filter(|&(mode, _)| mode == Must || !link.is_orphaned);
            link.risk = risk.map(|(mode, who)| (mode, who.filter(|_| !link.is_orphaned)));
            link.forget_reads();
        }
        for had in &mut self.had_must {
            (had.seen, had.decided, had.is_foreign) = (false, false, false);
        }
    }

    /// The first listing of a region is awaited since then, or has come.
    pub fn awaits_listing(&mut self, links: &[Link], region: usize, since: Option<Moment>) {
        for (seen, _) in self.links.iter_mut().zip(links).filter(|(_, link)| link.region == region) {
            seen.awaited_since = since;
        }
    }

    pub fn reading_ends(&mut self, links: &[Link], region: usize) {
        for (seen, _) in self.links.iter_mut().zip(links).filter(|(_, link)| link.region == region) {
            seen.forget_reads();
        }
    }

    /// A resource is gone, and its status with it.
    pub fn loses_status(&mut self, who: usize, link: usize) {
        let link = &mut self.links[link];
        link.is_told = false;
        link.is_orphaned |= link.risk.is_some_and(|(_, of)| of == Some(who));
    }

    /// A status shows `must_encrypt`, or that it was seen.
    pub fn tells(&mut self, objects: &[Option<Object>]) {
        let believed = self.had_must.iter().zip(objects).filter(|(had, _)| !had.is_foreign);
        for object in believed.filter_map(|(_, object)| object.as_ref()) {
            let had_must = object.ledger.must_encrypt_generation.is_some();
            self.links[object.link].is_told |= had_must || object.shown.mode == Some(Must);
        }
    }

    /// A read is delivered.
    #[allow(clippy::too_many_arguments, reason = "all of it is what there is to a read")]
    pub fn hears(
        &mut self,
        at: usize,
        shown: &Connection,
        began: Moment,
        ended: Moment,
        is_late: bool,
        is_by_id: bool,
        objects: &[Option<Object>],
    ) {
        let (soak, deadline) = (self.settings.encryption_soak, self.settings.progress_deadline);
        let gap = self.settings.max_gap();
        let link = &mut self.links[at];
        if link.ended.is_some_and(|ended| began <= ended) {
            return;
        }
        if let Some((_, newest, is_late)) = link.newest.as_ref().filter(|(newest, ..)| began < *newest) {
            // It counts as a read by id, unless another one began later, but what a listing has shown since counts more.
            if is_by_id && link.by_id.as_ref().is_none_or(|(known, ..)| *known < began) {
                link.by_id = Some((began, newest.clone(), *is_late));
            }
            return;
        }
        link.newest = Some((began, shown.clone(), is_late));
        if is_by_id {
            link.by_id = Some((began, shown.clone(), is_late));
        }
        let Some(mode) = shown.mode() else { return };
        if !is_late {
            let was_lower = link.heard.is_some_and(|heard| heard < Must) && !link.was_sent_must;
            link.is_raised = mode == Must && (link.is_raised || was_lower);
            link.heard = Some(mode);
        }
        // A late read may extend a chain, but does not break one.
        if is_late && (!shown.encryption_works() || link.up.is_some_and(|up| up.mode != mode)) {
            return;
        }
        let extend = |chain: &mut Option<ReadChain>| match chain {
            Some(chain) if chain.mode == mode && began.since(chain.last) <= gap => chain.last = began,
            _ => *chain = Some(ReadChain { mode, since: ended, last: began }),
        };
        if shown.encryption_works() {
            link.down = None;
            extend(&mut link.up);
        } else {
            link.up = None;
            extend(&mut link.down);
        }
        let (up, down) = (link.up, link.down);
        link.risk = link.risk.filter(|&(step, _)| {
            let is_proven = up.is_some_and(|up| up.mode >= step && up.last.since(up.since) >= soak);
            let is_given_back = step == Should && down.is_some_and(|down| down.last.since(down.since) >= deadline);
            !is_proven && !is_given_back
        });
        // `unprovenStep` is cleared when a settled read shows a known mode below it, and with it the step before is forgotten.
        let settles_at = link.ended.map(|ended| ended + self.settings.settle_window);
        if link.is_overwritten && mode < Must && !is_late && settles_at.is_none_or(|settles_at| began > settles_at) {
            (link.risk, link.is_overwritten) = (None, false);
        }
        let has_been = |chain: Option<ReadChain>, time| {
            chain.is_some_and(|chain| chain.mode == Must && chain.last.since(chain.since) >= time)
        };
        link.is_raised &= !has_been(up, soak) && !has_been(down, deadline);
        if mode == Must && !is_late {
            self.see_must(at, objects);
        }
    }

    /// A read is delivered to a process that no longer leads. It may be the last one of a soak.
    pub fn deposed_hears(&mut self, at: usize, shown: &Connection, began: Moment) {
        let link = &mut self.links[at];
        let gap = self.settings.max_gap();
        let goes_on = |up: &ReadChain| shown.mode() == Some(up.mode) && began.since(up.last) <= gap;
        link.up_before = link.up_before.filter(|up| shown.encryption_works() && goes_on(up));
        if let Some(up) = link.up_before {
            let is_soaked = began.since(up.since) >= self.settings.encryption_soak;
            link.risk = link.risk.filter(|&(step, _)| !is_soaked || up.mode < step);
        }
    }

    /// An update is answered, which counts as a read of the mode.
    pub fn answered(&mut self, at: usize, answer: &Connection, objects: &[Option<Object>]) {
        if answer.mode() == Some(Must) {
            self.see_must(at, objects);
        }
    }

    fn see_must(&mut self, link: usize, objects: &[Option<Object>]) {
        for (had, object) in self.had_must.iter_mut().zip(objects) {
            had.seen |= object.as_ref().is_some_and(|object| object.link == link && object.wants(Must));
        }
    }

    /// An update has ended, from the view of its sender.
    pub fn call_ended(&mut self, at: usize, may_have_effect: bool, now: Moment) {
        let link = &mut self.links[at];
        link.ended = Some(now);
        if may_have_effect {
            (link.up, link.down) = (None, None);
        }
    }

    /// AWS has certainly not carried the update out.
    pub fn unsent(&mut self, who: usize, change: &Change) {
        if change.mode == Some(Must) {
            self.had_must[who].sent = false;
        }
    }

    /// A pass has decided on a status, with what was seen so far.
    pub fn decides(&mut self, who: usize) {
        self.had_must[who].decided |= self.had_must[who].seen;
    }

    /// The status was written, by the leader or by a process that no longer leads.
    pub fn wrote(&mut self, who: usize, leads: bool) {
        let had = &mut self.had_must[who];
        had.written |= leads && had.decided;
        had.is_foreign = !leads;
    }

    /// The resource wants another mode, or was replaced by another object.
    pub fn reset_had_must(&mut self, who: usize) {
        self.had_must[who] = HadMust::default();
    }

    /// Where, as far as these objects say, the acting resource of a link wants another mode, a new wish begins.
    pub fn note_wishes(&mut self, objects: &[Option<Object>]) {
        for (had, object) in self.had_must.iter_mut().zip(objects) {
            let acting = object.as_ref().and_then(|object| acting(objects, object.link));
            if acting.is_some_and(|(_, acting)| acting.spec.mode != Some(Must)) {
                *had = HadMust::default();
            }
        }
    }

    /// A step took effect.
    pub fn risks(&mut self, at: usize, mode: EncryptionMode) {
        let link = &mut self.links[at];
        if link.interrupts {
            link.risk = Some((mode, link.sent.and_then(|(_, who)| who)));
            (link.is_overwritten, link.is_orphaned) = (link.is_overwritten && mode == Must, false);
        }
    }

    /// A step whose mode is no longer there is no risk.
    pub fn notices(&mut self, links: &[Link]) {
        for (seen, link) in self.links.iter_mut().zip(links) {
            let may_be_there = !link.in_lag && !link.is_deleted;
            let stays = |mode| may_be_there && link.mode >= mode && (mode == Must || link.key.is_some());
            seen.risk = seen.risk.filter(|&(mode, _)| stays(mode));
            seen.is_raised &= stays(Must);
        }
    }

    /// As far as the leader knows, no resource wants this step any more. If it was to `must_encrypt`, the link is from now on
    /// like one that was found there: it matters to the resource that acts, and no longer to the one that made the step.
    pub fn lets_go(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.risk = link.risk.filter(|&(mode, _)| mode == Must).map(|(mode, _)| (mode, None));
        link.sent = link.sent.map(|(mode, _)| (mode, None));
    }

    /// No resource is for the link any more: the operator may forget that another writer raised it.
    pub fn is_unclaimed(&mut self, at: usize) {
        self.links[at].is_raised = false;
    }

    /// Whether the newest read showed this mode.
    pub fn has_read(&self, at: usize, mode: EncryptionMode) -> bool {
        self.links[at].newest.as_ref().is_some_and(|(_, read, _)| read.mode() == Some(mode))
    }

    /// The step that took effect, or the one that was sent and may.
    pub fn step(&self, at: usize) -> Option<(EncryptionMode, Option<usize>)> {
        self.links[at].risk.or(self.links[at].sent)
    }

    /// The links at risk, as bits.
    pub fn at_risk(&self) -> u8 {
        bits(self.links.iter().map(|link| link.risk.is_some()))
    }

    /// The links of which the leader knows that they are at risk, or awaits the first read. That a link was at
    /// `must_encrypt` before the operator came is known only by reads and by statuses.
    fn known(&self, now: Moment) -> u8 {
        let is_awaited =
            |link: &Seen| link.awaited_since.is_some_and(|since| now.since(since) < self.settings.stale_after());
        let is_known = |link: &Seen| link.heard == Some(Must) || link.is_told || is_awaited(link);
        bits(self.links.iter().map(|link| link.risk.is_some_and(|(_, who)| who.is_some() || is_known(link))))
    }
}

impl Seen {
    fn forget_reads(&mut self) {
        (self.up, self.down, self.newest, self.by_id) = (None, None, None, None);
        (self.heard, self.is_raised, self.awaited_since) = (None, false, None);
    }
}

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
        let known = &mut self.witness.links[link];
        known.sent = change.mode.map(|mode| (mode, Some(who))).or(known.sent);
        known.was_sent_must |= change.mode == Some(Must);
        known.is_overwritten |= change.mode == Some(Must) && known.risk.is_some();
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
        // A late read says nothing of the mode, and the answer to the update before it does.
        let goes_up = change.mode.zip(shown).is_some_and(|(mode, shown)| mode > shown);
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
