//! The witness: what an outside observer knows of each link. It records what AWS was sent and did, which reads were
//! delivered, and what was wanted. It uses nothing from the operator's own state.

mod checks;

use directconnect_core::clock::Moment;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::history::Change;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::settings::Settings;

use super::state::{acting, bits};
use super::world::{Link, Must, Object, Should};

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
    /// The intention of `must_encrypt` was written over a step to `should_encrypt` that is not proven, so `unprovenStep` names
    /// that mode alone, whether it was sent or not.
    is_overwritten: bool,
    /// The resource that the step was made for is gone, and with it all that tells the next leader of the step.
    is_orphaned: bool,
    /// The same of the last update that was sent, whether it has taken effect or not.
    is_sender_gone: bool,
    /// End of the last update of this leader that AWS processed.
    ended: Option<Moment>,
    /// The last read by id, and whether it was late.
    by_id: Option<(Moment, Connection, bool)>,
    /// The mode that was read before the last update. A read of it within the settle window may be late for all that the
    /// operator can know, even where another writer had set a third mode in between.
    read_before: Option<EncryptionMode>,
}

/// Whether `must_encrypt` was sent or seen for a resource while it has wanted it without a break.
#[allow(clippy::struct_excessive_bools, reason = "one follows the other, but each by itself")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct HadMust {
    sent: bool,
    /// This process has seen it, but not decided on a status since.
    seen: bool,
    /// A status that is decided on says so.
    decided: bool,
    written: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    settings: Settings,
    links: Vec<Seen>,
    had_must: Vec<HadMust>,
    /// Whose status is from a process that no longer led. A leader does not believe it.
    is_foreign: Vec<bool>,
}

impl Witness {
    pub fn new(links: &[Link], objects: usize, settings: Settings) -> Self {
        // A link that is at `must_encrypt` from the beginning is at risk like one that was raised.
        let found = |link: &Link| Seen { risk: (link.mode == Must).then_some((Must, None)), ..Seen::default() };
        let links = links.iter().map(found).collect();
        Self { settings, links, had_must: vec![HadMust::default(); objects], is_foreign: vec![false; objects] }
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
            (had.seen, had.decided) = (false, false);
        }
        self.is_foreign.fill(false);
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
        link.is_sender_gone |= link.sent.is_some_and(|(_, of)| of == Some(who));
    }

    /// A status shows `must_encrypt`, or that it was seen.
    pub fn tells(&mut self, objects: &[Option<Object>]) {
        for (object, _) in objects.iter().zip(&self.is_foreign).filter(|(_, is_foreign)| !**is_foreign) {
            let Some(object) = object else { continue };
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
    pub fn wrote(&mut self, who: usize, leads: bool, link: usize, ledger: &Ledger) {
        self.had_must[who].written |= leads && self.had_must[who].decided;
        self.is_foreign[who] = !leads;
        let link = &mut self.links[link];
        let is_on_the_way_to_should = link.risk.is_some_and(|(step, _)| step == Should);
        link.is_overwritten |= ledger.unproven_step == Some(Must) && is_on_the_way_to_should;
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
            (link.is_overwritten, link.is_orphaned) = (link.is_overwritten && mode == Must, link.is_sender_gone);
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
