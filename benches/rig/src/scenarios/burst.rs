//! Many changes at once: the time from the first patch of a spec until the last status shows that AWS has its change.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use test_support::ControlPlane;
use tokio::time::Instant;

use super::{Scenario, progress};
use crate::contestant::{Arena, Contestant, DEADLINE};
use crate::figures::{Beside, Row, Unit};
use crate::resources::{self, AT_ONCE};

const COUNT: usize = 200;
const INTERVAL: Duration = Duration::from_mins(1);

/// Measures it.
pub async fn run(rounds: usize) -> Vec<Row> {
    let mut row = Row::new("200 changes at once, until every status says so", Unit::Seconds, Beside::Peer);
    let plane = Arc::new(ControlPlane::start().await);
    for round in 0..rounds {
        progress(Scenario::Burst, round, rounds);
        let operator = measure(&plane, Contestant::Operator).await;
        let peer = measure(&plane, Contestant::Peer).await;
        row.push(operator, peer);
    }
    vec![row]
}

async fn measure(plane: &Arc<ControlPlane>, who: Contestant) -> f64 {
    let arena = Arena::adopted(plane, who, INTERVAL, COUNT).await;
    arena.until_ready().await;
    let api = resources::api(&arena.world);
    let began = Instant::now();
    // All resources had generation 1 before.
    stream::iter(0..COUNT)
        .for_each_concurrent(AT_ONCE, |number| {
            let api = api.clone();
            async move {
                resources::rename(&api, number, "another name").await;
            }
        })
        .await;
    let served = arena.writes.until(DEADLINE, "every status to show its change", |seen| {
        let changed: Vec<Instant> =
            seen.ready.values().filter(|(generation, _)| *generation >= 2).map(|it| it.1).collect();
        if changed.len() < COUNT { None } else { changed.into_iter().max() }
    });
    served.await.duration_since(began).as_secs_f64()
}
