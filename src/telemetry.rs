//! Logs: for people on a terminal, for machines elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Libraries that say at `info` what nobody operating this needs to know.
const LEVELS: &str = "info,kube_client=warn,kube_runtime=warn,aws_config=warn,hyper=warn,tower=warn";

/// Sends logs to stdout from now on. `RUST_LOG` sets levels.
pub fn start(format: Option<LogFormat>) -> Result<(), String> {
    let directives = std::env::var("RUST_LOG").unwrap_or_default();
    let levels = if directives.is_empty() { LEVELS } else { &directives };
    let filter = EnvFilter::builder().parse(levels).map_err(|error| {
        format!("RUST_LOG: {directives:?} sets no levels: {error}; it reads such as info,directconnect_operator=debug")
    })?;
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stdout);
    match format {
        LogFormat::Text => builder.with_target(false).with_ansi(terminal).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
    Ok(())
}
