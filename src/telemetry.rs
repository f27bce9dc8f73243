//! Logs: for people on a terminal, for machines elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Libraries that say at `info` what nobody operating this needs to know.
const LEVELS: &str = "info,kube_client=warn,kube_runtime=warn,aws_config=warn,hyper=warn,tower=warn";

/// Sends logs to stdout from now on. `RUST_LOG` sets levels, such as `info,directconnect_operator=debug`.
pub fn start(format: Option<LogFormat>) -> Result<(), String> {
    let typed = std::env::var("RUST_LOG").unwrap_or_default();
    let levels = if typed.is_empty() { LEVELS } else { &typed };
    let levels: Targets = levels.parse().map_err(|error| {
        format!("RUST_LOG: {typed:?} sets no levels: {error}; it reads such as info,directconnect_operator=debug")
    })?;
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
