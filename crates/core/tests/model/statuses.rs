//! The statuses that a process writes.

use directconnect_core::ledger::Ledger;
use directconnect_core::turn::Shown;

use super::process::{Mishap, Pending, Process, Running};
use super::state::World;
use super::world::{TICK, resource_id};

impl Process {
    /// Whether the status from the end of the pass differs from the current one. While nothing is known, nothing is
    /// written.
    pub fn has_something_to_write(&self, running: &Running, rest: &Pending) -> bool {
        let Pending::Rest(ledger, shown, _) = rest else { return false };
        let (resource, circuit) = (resource_id(running.who), &running.pass.desired().circuit);
        let claim = self.fleet.circuit(circuit).and_then(|circuit| circuit.claim(&resource));
        let claim = claim.filter(|claim| *claim.uid == *running.uid);
        // The claim does not have the ledger that someone else wrote.
        let seen = self.seen[running.who].as_ref().filter(|object| object.version >= self.written[running.who]);
        (shown.is_some() || self.fleet.has_unwritten(circuit, &resource))
            && claim.is_some_and(|claim| {
                let written = seen.map_or(&claim.ledger, |object| &object.ledger);
                let serves = seen.zip(running.serves).is_some_and(|(object, serves)| object.served < serves);
                serves || written != ledger || shown.as_ref().is_some_and(|shown| *shown != claim.shown)
            })
    }

    /// Ends a pass: writes its status, if it differs.
    pub fn rest(&mut self, running: &Running, rest: Pending, world: &mut World, mishap: Option<Mishap>) {
        let is_due = self.has_something_to_write(running, &rest);
        let Pending::Rest(ledger, shown, next_check) = rest else { return };
        self.wake[running.who] = next_check;
        let (circuit, resource) = (world.circuit(running.link), resource_id(running.who));
        let says_something = shown.is_some() || self.fleet.has_unwritten(&circuit, &resource);
        let version = if is_due { self.write(running, &ledger, shown, world, mishap) } else { Some(running.version) };
        match version {
            Some(version) if says_something => {
                self.written[running.who] = self.written[running.who].max(version);
                self.fleet.note_written(&circuit, &resource, running.uid, ledger, version);
            }
            Some(_) => {}
            None => {
                self.fleet.note_unwritten(&circuit, &resource, running.uid, ledger);
                self.wake[running.who] = Some(world.now + TICK);
            }
        }
    }

    /// Writes a status, guarded by the known version. `None` if the API server refused it, the mishap prevented it or the
    /// answer is lost.
    pub fn write(
        &mut self,
        running: &Running,
        ledger: &Ledger,
        shown: Option<Shown>,
        world: &mut World,
        mishap: Option<Mishap>,
    ) -> Option<u64> {
        if matches!(mishap, Some(Mishap::Refused | Mishap::Rejected | Mishap::Lost { took: false })) {
            return None;
        }
        let guard = (running.uid, running.version);
        let version = world.write(running.who, guard, ledger, shown, running.serves);
        if version.is_some() {
            world.witness.wrote(running.who, self.has_lease, running.link, ledger);
        }
        let version = version.filter(|_| !matches!(mishap, Some(Mishap::Lost { .. })))?;
        self.stored[running.who] = version;
        Some(version)
    }
}
