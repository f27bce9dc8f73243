//! Memory with 0, 1,000 and 10,000 resources, and the time to start with 10,000. The resources are created once, and
//! get their status from the measured program. Each round has a new process for each size.

use std::sync::Arc;
use std::time::Duration;

use test_support::ControlPlane;
use tokio::time::{Instant, sleep};

use super::{Scenario, progress};
use crate::contestant::{Arena, Contestant};
use crate::figures::{Beside, Row, Unit, number};
use crate::process::{self, Memory};

const COUNTS: [usize; 3] = [0, 1_000, 10_000];
const MANY: usize = 2;
const INTERVAL: Duration = Duration::from_mins(1);
/// After everything was read, the time to release memory that was only needed for that.
const REST: Duration = Duration::from_secs(2);

/// Measures it.
pub async fn run(rounds: usize) -> Vec<Row> {
    let plane = Arc::new(ControlPlane::start().await);
    let mut operator = Side::prepare(&plane, Contestant::Operator).await;
    let mut peer = Side::prepare(&plane, Contestant::Peer).await;
    for round in 0..rounds {
        progress(Scenario::Memory, round, rounds);
        for size in 0..COUNTS.len() {
            operator.start(size).await;
            peer.start(size).await;
        }
    }
    let row = |what: String, unit, figure: &dyn Fn(&Side, usize) -> f64| {
        let mut row = Row::new(what, unit, Beside::Peer);
        (0..rounds).for_each(|round| row.push(figure(&operator, round), figure(&peer, round)));
        row
    };
    let mut rows = vec![
        row("start with 10,000: until it says that it is ready".to_owned(), Unit::Seconds, &|side, round| {
            side.starts[MANY][round].ready
        }),
        row("start with 10,000: until AWS was read about each".to_owned(), Unit::Seconds, &|side, round| {
            side.starts[MANY][round].read
        }),
    ];
    for (size, count) in COUNTS.into_iter().enumerate() {
        let what = format!("memory with {}", Unit::Count.show(number(count)));
        rows.push(row(format!("{what}: resident"), Unit::Mebibytes, &|side, round| {
            side.starts[size][round].memory.resident
        }));
        rows.push(row(format!("{what}: peak"), Unit::Mebibytes, &|side, round| side.starts[size][round].memory.peak));
        if count > 0 {
            rows.push(row(format!("{what}: for each"), Unit::Kibibytes, &|side, round| {
                let resident = |size: usize| side.starts[size][round].memory.resident;
                (resident(size) - resident(0)) / number(count)
            }));
        }
    }
    let mut adoption = Row::new("memory after first adoption of 10,000: resident", Unit::Mebibytes, Beside::Peer);
    adoption.push(operator.after_adoption.resident, peer.after_adoption.resident);
    let mut peak = Row::new("memory after first adoption of 10,000: peak", Unit::Mebibytes, Beside::Peer);
    peak.push(operator.after_adoption.peak, peer.after_adoption.peak);
    let mut binary = Row::new("binary", Unit::Mebibytes, Beside::Peer);
    binary.push(bytes(Contestant::Operator), bytes(Contestant::Peer));
    rows.extend([adoption, peak, binary]);
    rows
}

/// One of the two programs, with its resources of each size.
struct Side {
    arenas: Vec<Arena>,
    /// By size, then by round.
    starts: [Vec<Start>; COUNTS.len()],
    after_adoption: Memory,
}

/// A new process with resources that are in sync.
struct Start {
    /// Seconds until it said that it was ready.
    ready: f64,
    /// Seconds until AWS had been read for each resource.
    read: f64,
    memory: Memory,
}

impl Side {
    async fn prepare(plane: &Arc<ControlPlane>, who: Contestant) -> Self {
        let mut arenas = Vec::new();
        let mut after_adoption = Memory::default();
        for count in COUNTS {
            eprintln!("memory: {who:?} gives each of {count} resources its status");
            let mut arena = Arena::adopted(plane, who, INTERVAL, count).await;
            arena.until_ready().await;
            sleep(REST).await;
            after_adoption = process::memory(arena.process());
            arena.end().await;
            arenas.push(arena);
        }
        Self { arenas, starts: Default::default(), after_adoption }
    }

    /// Starts a process, measures it and ends it.
    async fn start(&mut self, size: usize) {
        let arena = &mut self.arenas[size];
        arena.calls.clear();
        let began = Instant::now();
        arena.world.start_operator();
        let (ready, read) = tokio::join!(arena.until_ready(), arena.until_read(COUNTS[size]));
        sleep(REST).await;
        let seconds = |until: Option<Instant>| until.map_or(0.0, |until| until.duration_since(began).as_secs_f64());
        let memory = process::memory(arena.process());
        arena.end().await;
        self.starts[size].push(Start { ready: seconds(Some(ready)), read: seconds(read), memory });
    }
}

fn bytes(who: Contestant) -> f64 {
    let binary = who.binary();
    let length = std::fs::metadata(&binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display())).len();
    number(usize::try_from(length).expect("some megabytes"))
}
