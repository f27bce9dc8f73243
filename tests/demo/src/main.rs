//! The operator at work, for people to watch: a real API server, the operator's real binary with the rights that ship
//! with it, and a simulated Direct Connect. Nothing leaves the machine.
//!
//! On a terminal it plays a story and then leaves everything running until Ctrl-C. Without one, or with `DEMO_ONCE=1`,
//! it ends after the story. Either way every step is checked, and nothing is left behind, however it ends: what it
//! starts ends with it.
//!
//! `DEMO_TRANSCRIPT=check` compares the documents with what the demo has just printed, and `write` corrects them; see
//! `tests/demo/check-transcript`.

mod print;
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

/// What is not as the story has it.
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
    // The fixtures of the tests panic when something fails. Here what they have to say is enough.
    set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("it panicked"))));

    // Whichever comes first, the other is dropped, and with it all that was started.
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

/// Whether it is to end after the story: asked for, or with nobody to end it by Ctrl-C.
fn is_once() -> bool {
    let asked = std::env::var_os("DEMO_ONCE").is_some_and(|value| !value.is_empty() && value != "0");
    asked || !stdin().is_terminal() || !stdout().is_terminal()
}

async fn play() -> Result<Stage, Wrong> {
    let mut print = Printer::new();
    let scene = scene::set(&mut print).await;
    let mut stage = Stage::new(scene, print).await;
    let told = story::tell(&mut stage).await;
    if let Err(wrong) = told {
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

/// The signals that ask a program to end.
struct Signals([(u8, Signal); 3]);

impl Signals {
    fn new() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Self(kinds.map(|kind| {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
            (number, signal(kind).expect("signals can be handled"))
        }))
    }

    /// The number of the next.
    async fn next(&mut self) -> u8 {
        let [(first, a), (second, b), (third, c)] = &mut self.0;
        tokio::select! {
            _ = a.recv() => *first,
            _ = b.recv() => *second,
            _ = c.recv() => *third,
        }
    }
}
