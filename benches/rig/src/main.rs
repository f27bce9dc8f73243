//! Compares the operator with a small controller that is built the usual way, and with a plain flood of status patches.
//! All are real processes, with a real API server and a simulated Direct Connect whose calls take time.
//!
//! `bench [SCENARIO]...` measures the named scenarios (adoption, steady, change, burst, memory), or all. Environment
//! variables:
//!
//! - `BENCH_ROUNDS`: the number of rounds, which alternate between the two; the default is 5.
//! - `OPERATOR_BINARY`: the operator, which should be a release build.
//! - `PEER_BINARY`: the controller of `benches/peer`.
//!
//! Prints a table. If everything was measured in five or more rounds, also writes it into README.md and
//! docs/benchmarks.md. See `make bench`. Ctrl-C ends it and everything that it has started.

mod calls;
mod contestant;
mod figures;
mod process;
mod report;
mod resources;
mod scenarios;
mod writes;

use std::panic::{AssertUnwindSafe, set_hook};
use std::process::ExitCode;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::scenarios::Scenario;

#[tokio::main]
async fn main() -> ExitCode {
    let (scenarios, rounds) = match arguments() {
        Ok(wanted) => wanted,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let mut interrupted = signal(SignalKind::interrupt()).expect("signals can be handled");
    let mut terminated = signal(SignalKind::terminate()).expect("signals can be handled");
    // The test fixtures panic when something fails. For the benchmark, their message is enough.
    set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("it panicked"))));

    // The future that ends first drops the other one, and with it everything that was started.
    let number = tokio::select! {
        biased;
        _ = interrupted.recv() => 2,
        _ = terminated.recv() => 15,
        outcome = AssertUnwindSafe(measure(&scenarios, rounds)).catch_unwind() => return match outcome {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(wrong)) => {
                eprintln!("{wrong}");
                ExitCode::FAILURE
            }
            Err(_) => ExitCode::FAILURE,
        },
    };
    eprintln!("ending");
    ExitCode::from(128 + number)
}

/// The scenarios to measure, and the number of rounds.
fn arguments() -> Result<(Vec<Scenario>, usize), String> {
    let named = |name: String| {
        let names = || Scenario::ALL.map(Scenario::name).join(", ");
        let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| format!("there is no scenario {name:?}; there are {}", names()))
    };
    let mut scenarios = std::env::args().skip(1).map(named).collect::<Result<Vec<_>, _>>()?;
    if scenarios.is_empty() {
        scenarios = Scenario::ALL.to_vec();
    }
    let rounds = std::env::var("BENCH_ROUNDS").ok().filter(|rounds| !rounds.is_empty());
    let rounds = rounds.map_or(Ok(report::ENOUGH_ROUNDS), |rounds| {
        let whole = rounds.parse().ok().filter(|rounds| *rounds > 0);
        whole.ok_or_else(|| format!("BENCH_ROUNDS is {rounds:?}, but must be a number from 1"))
    })?;
    Ok((scenarios, rounds))
}

async fn measure(scenarios: &[Scenario], rounds: usize) -> Result<(), String> {
    let mut rows = Vec::new();
    for scenario in scenarios {
        rows.extend(scenario.run(rounds).await);
    }
    let block = report::block(&figures::table(&rows), rounds);
    print!("{block}");
    let all = Scenario::ALL.iter().all(|scenario| scenarios.contains(scenario));
    if all && rounds >= report::ENOUGH_ROUNDS {
        report::write(&block)?;
    } else {
        eprintln!("not written to documents: that takes all scenarios and {} rounds", report::ENOUGH_ROUNDS);
    }
    Ok(())
}
