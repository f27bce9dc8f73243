//! The reads of a link by its id, for a pass.

use std::sync::Arc;

use directconnect_core::clock::Moment;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::history::{Observation, Source};
use directconnect_core::identity::CircuitId;
use directconnect_core::observed::Connection;

use super::process::{Mishap, Pending, Process, Running};
use super::state::World;
use super::world::TICK;

/// What AWS answers to a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReadAnswer {
    Fails,
    NotFound,
    /// The connection, and whether that is the state before the last update.
    Shows(Box<Connection>, bool),
}

impl World {
    pub fn answers_read(&self, link: usize, mishap: Option<Mishap>) -> ReadAnswer {
        let link = &self.links[link];
        if mishap.is_some() || self.is_unreadable[link.region] {
            ReadAnswer::Fails
        } else if link.is_found_by_id(self.now) {
            let (connection, is_late) = link.shown(self.now);
            ReadAnswer::Shows(Box::new(connection), is_late)
        } else {
            ReadAnswer::NotFound
        }
    }
}

impl Process {
    /// AWS answers the read of the pass that goes first, and the answer takes its time.
    pub fn reads_slowly(&mut self, world: &World) {
        let Some(who) = self.next_up() else { return };
        let reads = |running: &&mut Running| running.who == who && running.at == Pending::Read;
        if let Some(running) = self.passes.iter_mut().find(reads) {
            running.at = Pending::Reading(world.now, world.answers_read(running.link, None));
        }
    }

    /// The answer to a read arrives.
    pub fn read(
        &mut self,
        running: &Running,
        circuit: &CircuitId,
        (began, answer): (Moment, ReadAnswer),
        world: &mut World,
    ) {
        let now = world.now;
        let connection = match answer {
            ReadAnswer::Fails => {
                let fault = Fault::new(FaultKind::Unavailable, "DescribeConnections", "AWS is down");
                self.fleet.with_history(circuit, |history| history.record_read_failure(fault, now, TICK, 1.0));
                return;
            }
            // It says nothing of the mode.
            ReadAnswer::NotFound => None,
            ReadAnswer::Shows(connection, is_late) if self.has_lease => {
                let current = world.current(&self.seen);
                world.witness.hears(running.link, &connection, began, now, is_late, true, &current);
                Some(Arc::new(*connection))
            }
            ReadAnswer::Shows(connection, _) => {
                world.witness.deposed_hears(running.link, &connection, began);
                Some(Arc::new(*connection))
            }
        };
        let observation = Observation { began, ended: now, source: Source::ById, connection };
        if self.fleet.record_read(circuit, observation) {
            self.wake_others(running);
        }
    }
}
