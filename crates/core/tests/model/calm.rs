//! What comes of a state once nothing goes wrong any more.

use super::moves::Move;
use super::state::{State, acting};
use super::without::Without;
use super::world::Must;

/// As long as the longest wait of a dispute that a bounded number of moves can raise, and a ladder for each line after it.
const TICKS: u8 = 60;

impl State {
    /// Misfortune ends; where `repairs`, the far ends do their best too. What comes of it, if that is not that every wish
    /// that can be met is met, and the operator knows it.
    pub fn unmet_once_calm(&self, repairs: bool, without: Without) -> Option<Self> {
        let mut calm = self.clone();
        calm.deposed = None;
        calm.world.is_unreadable = [false; 2];
        for line in &mut calm.world.lines {
            (line.is_strange, line.is_left_out, line.is_late) = (false, false, false);
            if repairs {
                line.key = line.key.or((!line.in_lag).then_some(calm.world.now));
                (line.is_up, line.has_light) = (true, true);
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
        let lines = &self.world.lines;
        let by_design = lines.iter().enumerate().any(|(at, line)| {
            let wants_must = self.world.objects.iter().flatten().any(|object| object.line == at && object.wants(Must));
            line.mode == Must && !line.works() && !line.in_lag && wants_must
        });
        lines.iter().enumerate().all(|(at, line)| {
            let Some((_, object)) = acting(&self.world.objects, at) else { return true };
            let Some(wanted) = object.wish.mode.filter(|_| !object.wish.paused && !line.in_lag) else { return true };
            let is_out_of_reach = wanted > line.mode && (!line.has_light || (wanted == Must && !line.works()));
            line.mode == wanted || is_out_of_reach || (by_design && wanted > line.mode)
        }) && (by_design || self.leader.passes.is_empty() && self.is_free())
    }

    /// Nobody holds a turn who has shown what there is to show.
    fn is_free(&self) -> bool {
        let lines = self.world.lines.iter().enumerate();
        lines.filter(|(_, line)| line.works()).all(|(at, _)| self.leader.fleet.hold(&self.world.circuit(at)).is_none())
    }

    /// What of a state bears on what went wrong.
    pub fn summary(&self) -> String {
        let of = |at: usize| {
            let (line, circuit) = (&self.world.lines[at], self.world.circuit(at));
            let hold = self.leader.fleet.hold(&circuit);
            let objects = self.world.objects.iter().flatten().filter(|object| object.line == at);
            let objects: Vec<String> = objects.map(|object| format!("{:?} {:?}", object.wish, object.ledger)).collect();
            format!("{at}: {line:?}\n  holds {hold:?}\n  {}", objects.join("\n  "))
        };
        let lines: Vec<String> = (0..self.world.lines.len()).map(of).collect();
        format!("{:?} after {} ticks\n{}", self.world.violation, self.ticks, lines.join("\n"))
    }
}
