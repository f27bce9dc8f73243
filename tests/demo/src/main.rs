//! A demo for people to watch: a real API server, the operator's real binary with the permissions of the shipped
//! manifests, and a simulated Direct Connect. Nothing leaves the machine.
//!
//! On a terminal it plays a story and then leaves everything running until Ctrl-C. Without a terminal, or with
//! `DEMO_ONCE=1`, it ends after the story. In both cases every step is checked, and all processes and files are removed
//! at the end, however the demo ends.
//!
//! `DEMO_TRANSCRIPT=check` compares the documents and the recording with the output of the demo, and `write` updates
//! them; see `tests/demo/check-transcript`.
//!
//! `DEMO_HTTP_ADDRESS` is where the operator serves its metrics, for a Prometheus that has to know it beforehand. Without
//! it, that is any free port.

mod print;
mod recording;
mod scene;
mod stage;
mod story;
mod transcript;

use std::fmt::{self, Display};
use std::io::{IsTerminal, stdin, stdout};
use std::panic::{AssertUnwindSafe, set_hook};
use std::process::ExitCode;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::print::Printer;
use crate::stage::Stage;

/// A deviation from the story.
#[derive(Debug)]
struct Wrong(String);

impl Display for Wrong {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut signals = Signals::new();
    // The test fixtures panic when something fails. For the demo, their message is enough.
    set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("it panicked"))));

    // The future that ends first drops the other one, and with it everything that was started.
    let outcome = tokio::select! {
        biased;
        signal = signals.next() => {
            eprintln!("ending");
            Err(ExitCode::from(128 + signal))
        }
        outcome = AssertUnwindSafe(play()).catch_unwind() => match outcome {
            Ok(Ok(stage)) => Ok(stage),
            Ok(Err(wrong)) => Err(report(&wrong)),
            Err(_) => Err(report(&Wrong("see above".to_owned()))),
        },
    };
    let mut stage = match outcome {
        Ok(stage) => stage,
        Err(code) => return code,
    };
    if is_once() {
        return ExitCode::SUCCESS;
    }
    tokio::select! {
        biased;
        _ = signals.next() => ExitCode::SUCCESS,
        wrong = stage.go_on() => report(&wrong),
    }
}

/// Whether to end after the story: if this was asked for, or if there is no terminal for Ctrl-C.
fn is_once() -> bool {
    let asked = std::env::var_os("DEMO_ONCE").is_some_and(|value| !value.is_empty() && value != "0");
    asked || !stdin().is_terminal() || !stdout().is_terminal()
}

async fn play() -> Result<Stage, Wrong> {
    let mut print = Printer::new();
    let scene = scene::set(&mut print).await;
    let mut stage = Stage::new(scene, print).await;
    let outcome = story::play(&mut stage).await;
    if let Err(wrong) = outcome {
        stage.print_operators_log();
        return Err(wrong);
    }
    transcript::settle(stage.excerpts())?;
    if is_once() {
        stage.say("All of it came as expected.");
    } else {
        stage.invite();
    }
    Ok(stage)
}

fn report(wrong: &Wrong) -> ExitCode {
    eprintln!("\nthe demo went wrong: {wrong}");
    ExitCode::FAILURE
}

/// The signals that end the demo.
struct Signals([(u8, Signal); 3]);

impl Signals {
    fn new() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Self(kinds.map(|kind| {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
            (number, signal(kind).expect("signals can be handled"))
        }))
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        let [(first, a), (second, b), (third, c)] = &mut self.0;
        tokio::select! {
            _ = a.recv() => *first,
            _ = b.recv() => *second,
            _ = c.recv() => *third,
        }
    }
}
