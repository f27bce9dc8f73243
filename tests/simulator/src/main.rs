//! Direct Connect on loopback as a program: start it, point an AWS client at it, watch the calls.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;
use clap::error::ErrorKind;
use direct_connect_simulator::{Seed, Simulator};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// AWS Direct Connect on loopback, for tests and demonstrations
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Settings, connections and faults to start with, as `POST /_sim/seed` takes them
    #[arg(long, value_name = "FILE.json")]
    seed: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) if help.kind() == ErrorKind::DisplayHelp => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // The first line says what is wrong. The rest is usage, which --help shows.
            let error = error.to_string();
            eprintln!("{}", error.lines().next().unwrap_or_default());
            return ExitCode::from(2);
        }
    };
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let seed = arguments.seed.as_deref().map(read).transpose()?;
    let aws = Simulator::start_at(arguments.listen).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{} is in use by another program; choose another address with --listen", arguments.listen)
        }
        _ => format!("cannot listen on {}: {error}", arguments.listen),
    })?;
    if let Some(seed) = seed {
        aws.plant(seed).map_err(|problem| format!("the seed makes no sense: {problem}"))?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    // Before the greeting, since a client calls as soon as it has the address. The reader of the output may be gone, which is no
    // reason to stop serving.
    aws.watch(|call| drop(writeln!(io::stdout(), "{call}")));
    greet(&aws.endpoint());

    tokio::select! {
        interrupted = ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn read(path: &Path) -> Result<Seed, String> {
    let json = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Seed::parse(&json).map_err(|problem| format!("{} is no seed: {problem}", path.display()))
}

fn greet(endpoint: &str) {
    println!(
        "Direct Connect at {endpoint}\n\
         \n  export AWS_ENDPOINT_URL_DIRECT_CONNECT={endpoint}\n\
         \nTry (GET {endpoint}/_sim lists the rest):\n\
         \n  curl {endpoint}/_sim/connections/eu-central-1 -d '{{\"connectionId\": \"dxcon-fg1234ab\"}}'\
         \n  curl {endpoint}/_sim/connections/eu-central-1/dxcon-fg1234ab -X PATCH -d '{{\"connectionState\": \"down\"}}'\
         \n  curl {endpoint}/_sim/calls\n"
    );
}
