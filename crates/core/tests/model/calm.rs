//! The end state of a story once nothing goes wrong any more.

use super::moves::Move;
use super::state::{State, acting};
use super::without::Without;
use super::world::{Found, Must};

/// Enough for the longest pause of a dispute, and a ladder for each link after it.
const TICKS: u32 = 900;

impl State {
    /// Runs on without further trouble; with `repairs`, the far ends also bring MACsec up. Returns the state if it
    /// violates a rule, or if not every spec that can be met is met and known to be met.
    pub fn unmet_once_calm(&self, repairs: bool, without: Without) -> Option<Self> {
        let mut calm = self.clone();
        calm.deposed = None;
        calm.world.is_unreadable = [false; 2];
        for link in &mut calm.world.links {
            (link.is_strange, link.found, link.is_late) = (false, Found::Always, false);
            (link.hides_mode, link.hides_owner, link.hides_capability) = (false, false, false);
            if repairs {
                link.key = link.key.or((!link.in_lag).then_some(calm.world.now));
                (link.is_up, link.has_light, link.is_associating) = (true, true, false);
            }
        }
        if calm.leader.is_stalled {
            calm.happens(Move::WatchGoesOn, without);
        }
        for _ in 0..TICKS {
            for _ in 0..40 {
                if calm.leader.next_up().is_none() {
                    break;
                }
                calm.happens(Move::Go, without);
            }
            if calm.world.violation.is_some() {
                return Some(calm);
            }
            if calm.is_met() {
                return None;
            }
            calm.happens(Move::Tick, without);
        }
        Some(calm)
    }

    fn is_met(&self) -> bool {
        let links = &self.world.links;
        let by_design = links.iter().enumerate().any(|(at, link)| {
            let wants_must = self.world.objects.iter().flatten().any(|object| object.link == at && object.wants(Must));
            link.mode == Must && !link.works() && !link.in_lag && !link.is_deleted && wants_must
        });
        links.iter().enumerate().all(|(at, link)| {
            let Some((_, object)) = acting(&self.world.objects, at) else { return true };
            let is_possible = !object.spec.paused && !link.in_lag && !link.is_deleted;
            let Some(wanted) = object.spec.mode.filter(|_| is_possible) else { return true };
            let is_out_of_reach = wanted > link.mode && (!link.has_light || (wanted == Must && !link.works()));
            link.mode == wanted || is_out_of_reach || (by_design && wanted > link.mode)
        }) && (by_design || self.leader.passes.is_empty() && self.is_free())
    }

    /// Whether no link on which MACsec works holds the turn any more.
    fn is_free(&self) -> bool {
        let links = self.world.links.iter().enumerate();
        links.filter(|(_, link)| link.works()).all(|(at, _)| self.leader.fleet.hold(&self.world.circuit(at)).is_none())
    }

    /// The parts of a state that explain a failure.
    pub fn summary(&self) -> String {
        let of = |at: usize| {
            let (link, circuit) = (&self.world.links[at], self.world.circuit(at));
            let hold = self.leader.fleet.hold(&circuit);
            let objects = self.world.objects.iter().flatten().filter(|object| object.link == at);
            let objects: Vec<String> = objects.map(|object| format!("{:?} {:?}", object.spec, object.ledger)).collect();
            format!("{at}: {link:?}\n  holds {hold:?}\n  {}", objects.join("\n  "))
        };
        let links: Vec<String> = (0..self.world.links.len()).map(of).collect();
        format!("{:?} after {} ticks\n{}", self.world.violation, self.ticks, links.join("\n"))
    }
}
