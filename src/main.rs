//! Parses the arguments and runs the subcommand.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use directconnect_operator::config::{Arguments, Command};
use directconnect_operator::{api, aws, run, telemetry};

fn main() -> ExitCode {
    let arguments = Arguments::read().unwrap_or_else(|error| exit_with_usage(&error));
    let outcome = match arguments.command {
        Command::Run(flags) => {
            if let Err(problem) = telemetry::start(flags.log_format).and_then(|()| aws::check_environment()) {
                eprintln!("directconnect-operator: {problem}");
                return ExitCode::from(2);
            }
            run::run(&flags)
        }
        Command::Crd => print_crd(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("directconnect-operator: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help and version unchanged. Prints a wrong flag or value as one line, and exits with code 2.
fn exit_with_usage(error: &clap::Error) -> ! {
    if error.use_stderr() && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = error.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let line = line.strip_prefix("error: ").unwrap_or(line);
        let tip = text.lines().map(str::trim).find_map(|line| line.strip_prefix("tip: "));
        let tip = tip.map(|tip| format!(" ({tip})")).unwrap_or_default();
        let allowed = text.lines().map(str::trim).find(|line| line.starts_with("[possible values: "));
        let allowed = allowed.map(|allowed| format!(" {allowed}")).unwrap_or_default();
        eprintln!("directconnect-operator: {line}{allowed}{tip}; see directconnect-operator {}--help", typed_command());
        std::process::exit(2);
    }
    error.exit()
}

/// The command that was typed, with a blank behind it, since its own help lists its flags; empty if none was.
fn typed_command() -> String {
    let program = Arguments::command();
    let typed = std::env::args_os().nth(1).and_then(|typed| program.find_subcommand(typed));
    typed.map(|command| format!("{} ", command.get_name())).unwrap_or_default()
}

fn print_crd() -> Result<(), String> {
    let yaml = serde_saphyr::to_string(&api::crd()).map_err(|error| error.to_string())?;
    let mut out = std::io::stdout().lock();
    match out.write_all(yaml.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads it has read enough, as in `| head`.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written to: {error}"))
        }
        _ => Ok(()),
    }
}
