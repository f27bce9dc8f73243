//! Logs: text for people on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// The default levels. These libraries log things at `info` that operators do not need.
const LEVELS: &str = "info,kube_client=warn,kube_runtime=warn,aws_config=warn,hyper=warn,tower=warn";

/// The level names of `RUST_LOG`.
const NAMES: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Targets of this program, which may stand without a level: this enables all their logs, and nothing else.
const OWN: [&str; 2] = ["directconnect_operator", "directconnect_core"];

/// Starts logging to stdout. `RUST_LOG` sets levels, such as `info,directconnect_operator=debug`.
pub fn start(format: Option<LogFormat>) -> Result<(), String> {
    let levels = levels(&std::env::var("RUST_LOG").unwrap_or_default())?;
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer();
    let lines = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(terminal).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_ansi(false).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
    Ok(())
}

/// Parses `RUST_LOG`; if empty, the default levels.
///
/// A word that is not a level would be taken for a target, so `warning` would silence nearly everything. Such a word is
/// an error instead.
fn levels(typed: &str) -> Result<Targets, String> {
    let parts: Vec<&str> = typed.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return LEVELS.parse().map_err(|error| format!("the usual levels: {error}"));
    }
    let reads = "it reads such as info,directconnect_operator=debug";
    for part in &parts {
        let is_level = |word: &str| NAMES.iter().any(|name| word.eq_ignore_ascii_case(name));
        let is_own = |word: &str| word.split("::").next().is_some_and(|start| OWN.contains(&start));
        let level = part.rsplit_once('=').map(|(_, level)| level);
        if !level.map_or_else(|| is_level(part) || is_own(part), is_level) {
            let names = NAMES.join(", ");
            return Err(format!("RUST_LOG: {:?} is no level ({names}); {reads}", level.unwrap_or(part)));
        }
    }
    parts.join(",").parse().map_err(|error| format!("RUST_LOG: {typed:?} sets no levels: {error}; {reads}"))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn levels_are_taken_for_everything_and_for_parts() {
        for typed in ["", ",", " , "] {
            assert_eq!(levels(typed).expect("it is the usual").default_level(), Some(LevelFilter::INFO), "{typed:?}");
        }
        let good = [
            ("warn", LevelFilter::WARN),
            ("WARN", LevelFilter::WARN),
            ("off", LevelFilter::OFF),
            (" info , ", LevelFilter::INFO),
            ("info,directconnect_operator=debug", LevelFilter::INFO),
            ("directconnect_operator::aws,error", LevelFilter::ERROR),
        ];
        for (typed, level) in good {
            assert_eq!(levels(typed).expect(typed).default_level(), Some(level), "{typed}");
        }
        assert!(levels("directconnect_operator").is_ok() && levels("kube=debug,hyper::client=trace").is_ok());
    }
}
