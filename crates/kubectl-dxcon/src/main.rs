//! Parses the arguments, runs the command and returns its exit code.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use directconnect_core::text::printable;
use kubectl_dxcon::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) if !help.use_stderr() => help.exit(),
        // Without arguments, the whole help is printed.
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = help.print();
            return ExitCode::FAILURE;
        }
        Err(error) => return failed(&one_line(&error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(kubectl_dxcon::run(arguments));
            // A DNS lookup that hangs would keep the process alive.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => return failed(&format!("the runtime does not start: {error}")),
    };
    outcome.unwrap_or_else(|problem| failed(&problem.to_string()))
}

fn failed(words: &str) -> ExitCode {
    anstream::eprintln!("kubectl-dxcon: {}", printable(words));
    ExitCode::FAILURE
}

/// An error of the arguments in one line, with what is allowed and where to read on.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let more: Vec<&str> =
        lines.take_while(|line| !line.starts_with("Usage: ") && !line.starts_with("For more")).collect();
    let words = [&[first], more.as_slice()].concat().join(" ");
    // The help of a verb lists its flags.
    let program = Arguments::command();
    let verb = std::env::args_os().nth(1).and_then(|typed| program.find_subcommand(typed));
    let verb = verb.map(|verb| format!("{} ", verb.get_name())).unwrap_or_default();
    format!("{words}; see kubectl dxcon {verb}--help")
}
