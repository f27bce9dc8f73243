//! Adoption: resources without a status get one. Compared with the Go controller, and with a plain flood of patches of
//! the same status by one client with the same concurrency.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use test_support::ControlPlane;
use tokio::time::Instant;

use super::{Scenario, progress};
use crate::contestant::{Arena, Contestant, DEADLINE};
use crate::figures::{Beside, Row, Unit, number};
use crate::resources::{self, flood};
use crate::writes::Seen;

const COUNT: usize = 1_000;
const INTERVAL: Duration = Duration::from_mins(1);

/// Measures it.
pub async fn run(rounds: usize) -> Vec<Row> {
    let what = "first adoption of 1,000";
    let mut against_flood = Row::new(format!("{what}: status writes a second"), Unit::PerSecond, Beside::Flood);
    let mut rate = Row::new(format!("{what}: status writes a second"), Unit::PerSecond, Beside::Peer);
    let mut took = Row::new(format!("{what}: from start to the last status"), Unit::Seconds, Beside::Peer);
    let mut writes = Row::new(format!("{what}: status writes"), Unit::Count, Beside::Peer);
    let plane = Arc::new(ControlPlane::start().await);
    for round in 0..rounds {
        progress(Scenario::Adoption, round, rounds);
        let (operator, status) = adopt(&plane, Contestant::Operator).await;
        let bare = bare_flood(&plane, &status).await;
        let (peer, _) = adopt(&plane, Contestant::Peer).await;
        against_flood.push(operator.rate, bare);
        rate.push(operator.rate, peer.rate);
        took.push(operator.took, peer.took);
        writes.push(operator.writes, peer.writes);
    }
    vec![against_flood, rate, took, writes]
}

struct Adopted {
    /// Writes per second, from the first write to the last.
    rate: f64,
    /// Seconds from the start of the process until every resource was ready.
    took: f64,
    /// The number of writes.
    writes: f64,
}

/// Also returns a status that was written.
async fn adopt(plane: &Arc<ControlPlane>, who: Contestant) -> (Adopted, Value) {
    let mut arena = Arena::new(plane, who, INTERVAL, COUNT).await;
    let began = Instant::now();
    arena.world.start_operator();
    let ready = arena.writes.ready(DEADLINE, COUNT).await;
    let seen = arena.writes.seen();
    let mut resource = arena.world.get(&resources::name(0)).await;
    let adopted =
        Adopted { rate: rate(&seen), took: ready.duration_since(began).as_secs_f64(), writes: number(seen.writes) };
    (adopted, resource.0["status"].take())
}

/// Writes per second of a flood of this status.
async fn bare_flood(plane: &Arc<ControlPlane>, status: &Value) -> f64 {
    let arena = Arena::new(plane, Contestant::Operator, INTERVAL, COUNT).await;
    flood(&arena.world.client, &arena.world.namespace, COUNT, status).await;
    let all_seen = |seen: &Seen| (seen.writes >= COUNT).then(|| rate(seen));
    arena.writes.until(DEADLINE, "the flood to be seen", all_seen).await
}

/// The time begins with the first write, so this one is not counted.
fn rate(seen: &Seen) -> f64 {
    let between = seen.first.zip(seen.last).map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    number(seen.writes.saturating_sub(1)) / between
}
