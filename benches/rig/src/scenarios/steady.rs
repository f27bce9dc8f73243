//! Idle: AWS has what every spec asks for, and is polled repeatedly.

use std::sync::Arc;
use std::time::Duration;

use test_support::ControlPlane;
use tokio::time::{Instant, sleep};

use super::{Scenario, progress};
use crate::calls::Answered;
use crate::contestant::{Arena, Contestant, DEADLINE};
use crate::figures::{Beside, Row, Unit, number};
use crate::{process, resources};

const COUNT: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(5);
/// The number of polls or resyncs that are measured in a round.
const CYCLES: usize = 3;

/// Measures it.
pub async fn run(rounds: usize) -> Vec<Row> {
    let what = "steady state of 1,000";
    let mut calls = Row::new(format!("{what}: AWS calls a poll or resync"), Unit::Count, Beside::Peer);
    let mut writes = Row::new(format!("{what}: status writes"), Unit::Count, Beside::Peer);
    let mut cpu = Row::new(format!("{what}: CPU a poll or resync"), Unit::Millis, Beside::Peer);
    let plane = Arc::new(ControlPlane::start().await);
    for round in 0..rounds {
        progress(Scenario::Steady, round, rounds);
        let operator = measure(&plane, Contestant::Operator).await;
        let peer = measure(&plane, Contestant::Peer).await;
        calls.push(operator.calls, peer.calls);
        writes.push(operator.writes, peer.writes);
        cpu.push(operator.cpu, peer.cpu);
    }
    vec![calls, writes, cpu]
}

struct Measured {
    calls: f64,
    writes: f64,
    cpu: f64,
}

async fn measure(plane: &Arc<ControlPlane>, who: Contestant) -> Measured {
    let arena = Arena::adopted(plane, who, INTERVAL, COUNT).await;
    arena.until_ready().await;
    // The remaining work of the start is done by the end of the next cycle.
    arena.calls.clear();
    cycles(&arena, 2).await;

    arena.calls.clear();
    cycles(&arena, 1).await;
    let (cpu, writes) = (process::cpu(arena.process()), arena.writes.seen().writes);
    let calls = cycles(&arena, 1 + CYCLES).await;
    let cpu = process::cpu(arena.process()).saturating_sub(cpu);
    let writes = arena.writes.seen().writes - writes;
    Measured {
        calls: number(calls) / number(CYCLES),
        writes: number(writes),
        cpu: cpu.as_secs_f64() * 1000.0 / number(CYCLES),
    }
}

/// Waits until this many cycles have begun since the calls were cleared, and counts the calls from the first beginning
/// to the last.
async fn cycles(arena: &Arena, count: usize) -> usize {
    let end = Instant::now() + DEADLINE;
    loop {
        let calls = arena.calls.all();
        let begins: Vec<usize> = (0..calls.len()).filter(|at| begins_cycle(&calls[*at])).collect();
        if let Some(last) = begins.get(count - 1) {
            return last - begins[0];
        }
        assert!(Instant::now() < end, "{} of {count} cycles began within {DEADLINE:?}", begins.len());
        sleep(Duration::from_millis(5)).await;
    }
}

/// The first page of a poll, or the first resource of a resync.
fn begins_cycle(call: &Answered) -> bool {
    call.is_first_page || call.connection.as_deref() == Some(&resources::id(0))
}
