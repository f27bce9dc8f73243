//! One change while nothing else happens: the time from when the API server has stored it until AWS has it, and until
//! status says so. The duration of the needed AWS calls is not counted.

use std::sync::Arc;
use std::time::Duration;

use test_support::ControlPlane;
use tokio::time::Instant;

use super::{Scenario, progress};
use crate::contestant::{Arena, Contestant, DEADLINE};
use crate::figures::{Beside, Row, Unit, median, percentile};
use crate::resources;

/// The number of changes in a round, each of another resource.
const CHANGES: usize = 100;
const INTERVAL: Duration = Duration::from_mins(1);

/// Measures it.
pub async fn run(rounds: usize) -> Vec<Row> {
    let (mut operator, mut peer) = (Changes::default(), Changes::default());
    let plane = Arc::new(ControlPlane::start().await);
    for round in 0..rounds {
        progress(Scenario::Change, round, rounds);
        operator.add(&measure(&plane, Contestant::Operator).await);
        peer.add(&measure(&plane, Contestant::Peer).await);
    }
    let mut rows = Vec::new();
    for (until, side) in [("AWS has it", 0), ("status says so", 1)] {
        for (name, figure) in [("p50", median as fn(&[f64]) -> f64), ("p99", |values| percentile(values, 99))] {
            let what = format!("one change, beyond AWS's time, until {until}: {name}");
            let mut row = Row::new(what, Unit::Millis, Beside::Peer);
            for (operator, peer) in operator.0[side].iter().zip(&peer.0[side]) {
                row.push(figure(operator), figure(peer));
            }
            rows.push(row.overall(figure(&operator.0[side].concat()), figure(&peer.0[side].concat())));
        }
    }
    rows
}

/// Milliseconds until AWS had the change and until status said so, for each change of each round.
#[derive(Default)]
struct Changes([Vec<Vec<f64>>; 2]);

impl Changes {
    fn add(&mut self, round: &[[f64; 2]]) {
        for (side, rounds) in self.0.iter_mut().enumerate() {
            rounds.push(round.iter().map(|change| change[side]).collect());
        }
    }
}

async fn measure(plane: &Arc<ControlPlane>, who: Contestant) -> Vec<[f64; 2]> {
    let arena = Arena::adopted(plane, who, INTERVAL, CHANGES).await;
    arena.until_ready().await;
    let api = resources::api(&arena.world);
    let mut changes = Vec::new();
    for number in 0..CHANGES {
        let (id, name) = (resources::id(number), resources::name(number));
        arena.calls.clear();
        let generation = resources::rename(&api, number, "another name").await;
        let taken = Instant::now();
        let says_so = arena.writes.until(DEADLINE, "status to show the change", |seen| {
            seen.ready.get(&name).filter(|(ready, _)| *ready >= generation).map(|(_, at)| *at)
        });
        let says_so = says_so.await;
        let calls = arena.calls.all();
        let about = || calls.iter().filter(|call| call.connection.as_ref() == Some(&id));
        let update = about().find(|call| call.is_update).expect("the change was sent");
        let aws_time = |until: Instant| about().filter(|call| call.at <= until).map(|call| call.took).sum();
        let beyond = |until: Instant| {
            let own = until.saturating_duration_since(taken).saturating_sub(aws_time(until));
            own.as_secs_f64() * 1000.0
        };
        changes.push([beyond(update.at), beyond(says_so)]);
    }
    changes
}
