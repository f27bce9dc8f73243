//! The pollers of a process: they list each region that its resources need.

use directconnect_core::clock::Moment;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::identity::RegionName;
use directconnect_core::observed::Connection;

use super::process::{Pending, Process, Running};
use super::state::World;
use super::without::Without;
use super::world::{MOMENT, connection_id, region};

/// The regions of the model.
const REGIONS: [usize; 2] = [0, 1];

impl Process {
    /// Takes the lease and begins to read.
    pub fn lead(&mut self, world: &mut World, without: Without) {
        if without != Without::WaitForThoseBefore {
            self.fleet.lead(world.now);
        }
        self.has_lease = true;
        world.witness.new_leader();
        self.follow(world);
        self.due = vec![true; self.due.len()];
        self.list(world);
    }

    /// Whether a region is polled.
    pub fn reads(&self, region: &RegionName) -> bool {
        self.fleet.region(region).is_some()
    }

    /// Whether a poller has to begin or to end.
    pub fn is_behind(&self) -> bool {
        REGIONS.into_iter().any(|at| self.reads(&region(at)) != self.needs(at))
    }

    /// A region is needed while a resource is in it. If only a link that another writer raised is left, it is read on.
    fn needs(&self, at: usize) -> bool {
        let region = region(at);
        let is_held = self.reads(&region) && self.fleet.watched(&region).1;
        is_held || self.seen.iter().flatten().any(|object| self.circuits[object.link].region == region)
    }

    /// Pollers of regions that are not needed any more end, and others begin.
    pub fn follow(&mut self, world: &mut World) {
        for at in REGIONS {
            let (reads, needs) = (self.reads(&region(at)), self.needs(at));
            if reads && !needs {
                self.end_reading(at, world);
            } else if needs && !reads {
                self.fleet.begin_reading(&region(at), world.now);
                world.witness.awaits_listing(&world.links, at, Some(world.now));
            }
        }
        self.wake_waiting();
    }

    fn end_reading(&mut self, at: usize, world: &mut World) {
        self.fleet.end_reading(&region(at));
        world.witness.reading_ends(&world.links, at);
        if at == 0 {
            world.held = None;
        }
        // Passes that wait for the poller end with it.
        let waits = |running: &mut Running| {
            world.links[running.link].region == at
                && matches!(running.at, Pending::Read | Pending::Reading(..) | Pending::Pace)
        };
        let ended: Vec<Running> = self.passes.extract_if(.., waits).collect();
        for mut running in ended {
            running.pass.withdraw(&mut self.fleet);
            self.wake[running.who] = Some(world.now + MOMENT);
        }
    }

    /// Lists all regions.
    pub fn list(&mut self, world: &mut World) {
        let read = world.regions().into_iter().filter(|&at| self.reads(&region(at))).collect::<Vec<_>>();
        for at in read {
            if world.is_unreadable[at] {
                let fault = Fault::new(FaultKind::Unavailable, "DescribeConnections", "AWS is down");
                if self.fleet.record_failed_listing(&region(at), fault, world.now) {
                    self.wake(|object| world.links[object.link].region == at);
                }
            } else {
                let shown = world.listing(at);
                self.record_listing(world, at, world.now, shown);
            }
        }
    }

    /// A listing of a region arrives.
    pub fn record_listing(
        &mut self,
        world: &mut World,
        at: usize,
        began: Moment,
        shown: Vec<(usize, Connection, bool)>,
    ) {
        // The first listing wakes all, and so does the first one after a failure.
        if self.fleet.region(&region(at)).is_some_and(|known| known.fault.is_some() || known.listed.is_none()) {
            self.wake(|object| world.links[object.link].region == at);
        }
        let current = world.current(&self.seen);
        for (link, connection, is_late) in &shown {
            world.witness.hears(*link, connection, began, world.now, *is_late, false, &current);
        }
        world.witness.awaits_listing(&world.links, at, None);
        let shown = shown.into_iter().map(|(link, connection, _)| (connection_id(link), connection)).collect();
        let changed = self.fleet.record_listing(&region(at), (began, world.now), shown);
        self.wake(|object| changed.contains(&connection_id(object.link)));
        self.wake_waiting();
    }
}
