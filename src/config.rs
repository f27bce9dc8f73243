//! Command line and environment: parses what was typed into settings.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use directconnect_core::settings::Settings;

/// Name of the Lease and of the controller in events.
pub const NAME: &str = "directconnect-operator";

/// Keeps AWS Direct Connect connections as git says.
#[derive(Debug, Parser)]
#[command(
    name = "directconnect-operator",
    version,
    about,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Reads the command line of this process, and its environment.
    pub fn read() -> Result<Self, clap::Error> {
        let command = empty_is_unset(Self::command());
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

/// Ignores environment variables that are empty, as templates often leave them. clap would take them for values.
fn empty_is_unset(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| {
        let name = arg.get_env();
        name.and_then(std::env::var_os).is_some_and(|value| value.is_empty())
    };
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    command.mut_subcommands(empty_is_unset)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller until SIGTERM or Ctrl-C
    Run(Box<Run>),
    /// Print the custom resource definition, ready for `kubectl apply --server-side -f -`
    Crd,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line an event, for people.
    Text,
    /// One JSON object an event, for machines.
    Json,
}

/// Flags of `run`. Every one has an environment variable of the same name in capitals; an empty one counts as unset.
///
/// The cluster comes from the pod or KUBECONFIG; AWS credentials, region and endpoint from the usual AWS places.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// How often each AWS account and region is read; jittered by 10 %
    #[arg(long, env, default_value = "60s", value_parser = positive, value_name = "DURATION")]
    poll_interval: Duration,

    /// Namespace to serve; may be given several times, or as a list split at commas [default: all]
    #[arg(long = "watch-namespace", env = "WATCH_NAMESPACE", value_delimiter = ',', action = ArgAction::Append, value_parser = namespace, value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,

    /// How long `Encryption Up` must be seen before `must_encrypt` is sent
    #[arg(long, env, default_value = "60s", value_parser = duration, value_name = "DURATION")]
    encryption_soak: Duration,

    /// How long AWS may still show old values after an update
    #[arg(long, env, default_value = "60s", value_parser = duration, value_name = "DURATION")]
    settle_window: Duration,

    /// How long to wait for `Encryption Up` before a person is asked
    #[arg(long, env, default_value = "10m", value_parser = duration, value_name = "DURATION")]
    progress_deadline: Duration,

    /// Reconciles at once, 1 to 1024
    #[arg(long, env, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "COUNT")]
    pub concurrency: u16,

    /// Where to serve /metrics, /healthz and /readyz
    #[arg(long, env, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub http_address: SocketAddr,

    /// Whether to take the Lease before acting
    #[arg(long, env, default_value = "true", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL")]
    pub leader_elect: bool,

    /// Name of the Lease
    #[arg(long, env, default_value = NAME, value_parser = name, value_name = "NAME")]
    pub lease_name: String,

    /// Namespace of the Lease [default: the operator's own]
    #[arg(long, env, value_parser = namespace, value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// How logs are written [default: text on a terminal, else json]
    #[arg(long, env, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl Run {
    /// The durations that decisions depend on.
    pub fn settings(&self) -> Settings {
        Settings {
            poll_interval: self.poll_interval,
            encryption_soak: self.encryption_soak,
            settle_window: self.settle_window,
            progress_deadline: self.progress_deadline,
        }
    }

    /// The durations without any flags and environment variables.
    pub fn default_settings() -> Result<Settings, clap::Error> {
        let flags = Self::augment_args(clap::Command::new(NAME)).mut_args(|flag| flag.env(None));
        Ok(Self::from_arg_matches(&flags.try_get_matches_from([NAME])?)?.settings())
    }

    /// Namespaces to serve, without duplicates; empty: all.
    pub fn namespaces(&self) -> Vec<String> {
        let mut namespaces = self.watch_namespaces.clone();
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }
}

/// Parses a duration such as `500ms`, `30s` or `10m`, up to a day.
fn duration(typed: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_hours(24);
    let reads = "it reads such as 500ms, 30s or 10m";
    if !typed.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(reads.to_owned());
    }
    let signed: SignedDuration = typed.parse().map_err(|_| reads.to_owned())?;
    let duration: Duration = signed.try_into().map_err(|_| reads.to_owned())?;
    if duration > MAX {
        return Err("it is longer than a day (24h)".to_owned());
    }
    Ok(duration)
}

fn positive(typed: &str) -> Result<Duration, String> {
    const MIN: Duration = Duration::from_millis(100);
    let duration = duration(typed)?;
    if duration < MIN { Err("it is shorter than 100ms".to_owned()) } else { Ok(duration) }
}

/// Parses the name of a namespace, a DNS label (RFC 1123).
pub fn namespace(typed: &str) -> Result<String, String> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&typed.len()) && typed.chars().all(valid) && !typed.starts_with('-') && !typed.ends_with('-') {
        Ok(typed.to_owned())
    } else {
        Err("it is no name of a namespace: lower-case letters, digits and -, at most 63".to_owned())
    }
}

/// A DNS subdomain (RFC 1123), the form of names of Leases.
fn name(typed: &str) -> Result<String, String> {
    if typed.len() <= 253 && typed.split('.').all(|label| namespace(label).is_ok()) {
        Ok(typed.to_owned())
    } else {
        Err("it is no name of a Lease: lower-case letters, digits, - and ., at most 253".to_owned())
    }
}
