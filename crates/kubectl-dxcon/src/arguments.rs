//! The arguments of the command line.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValue, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use directconnect_core::identity::RegionName;

use crate::resource_name::resource_name;
use crate::terminal::quoted;

/// Adopt Direct Connect connections, and see what a commit will do to them
///
/// AWS is only ever read. Changes are made by the operator, from what is applied to the cluster.
#[derive(Debug, Parser)]
#[command(name = "kubectl-dxcon", bin_name = "kubectl dxcon", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a manifest for every connection of an AWS account
    Import(Import),
    /// Say what the operator will do for these manifests, to the end of the ladder
    Plan(Plan),
    /// Show how the connections of the cluster stand, and what each waits for
    Status(Status),
    /// Check what the operator needs: CRD, rights, Lease, AWS
    Check(Check),
    /// Have nothing sent to AWS for these resources
    #[command(after_help = "The reason becomes the value of the annotation that pauses.

Examples:
  kubectl dxcon pause frankfurt-primary frankfurt-secondary
  kubectl dxcon pause frankfurt-primary --reason 'fibre works until noon'")]
    Pause(Annotate),
    /// Let what was paused go on
    #[command(after_help = "The reason is kept beside the time, in the annotation that asks to reconcile.

Examples:
  kubectl dxcon resume frankfurt-primary
  kubectl dxcon resume frankfurt-primary --reason 'works are over'")]
    Resume(Annotate),
    /// Have AWS read afresh for these resources, and what is due be done at once
    #[command(after_help = "The reason is kept beside the time, in the annotation that asks to reconcile.

Examples:
  kubectl dxcon reconcile frankfurt-primary
  kubectl dxcon reconcile frankfurt-primary --reason 'new key'")]
    Reconcile(Annotate),
    /// Print a completion script
    #[command(after_help = "It completes what begins with kubectl-dxcon, and not kubectl dxcon.

Examples:
  source <(kubectl dxcon completion bash)
  kubectl dxcon completion fish > ~/.config/fish/completions/kubectl-dxcon.fish")]
    Completion {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Examples:
  kubectl dxcon man | man -l -")]
    Man,
}

/// Where AWS is.
#[derive(Clone, Debug, Default, Args)]
pub struct AwsFlags {
    /// Profile of the AWS configuration [default: that of `AWS_PROFILE`]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
}

/// Where the cluster is.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterFlags {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Namespace [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = directconnect_operator::config::namespace)]
    pub namespace: Option<String>,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; docs/kubectl-dxcon.md says what is in it.
    Json,
    /// The same, as YAML.
    Yaml,
}

/// Flags of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kubectl dxcon import -o circuits
  kubectl dxcon import --all-regions --manage name,mode -o circuits
  kubectl dxcon import --region eu-central-1,eu-west-1 --missing | kubectl apply -f -")]
pub struct Import {
    /// Regions to read, as a list split at commas [default: that of the AWS configuration]
    #[arg(long, value_name = "REGION", value_delimiter = ',', value_parser = region, conflicts_with = "all_regions")]
    pub region: Vec<RegionName>,
    /// Read every region of the partition
    #[arg(long)]
    pub all_regions: bool,
    /// What the operator is to manage: name, mode or both; without it, it only observes
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub manage: Vec<Managed>,
    /// Only connections that no resource of the cluster is about
    #[arg(long)]
    pub missing: bool,
    /// A new or empty folder that gets one file a connection and a kustomization.yaml [default: standard output]
    #[arg(short, long, value_name = "DIR", value_parser = PathBufValueParser::new().try_map(folder))]
    pub output: Option<PathBuf>,
    /// Where AWS is.
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Where the cluster is.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// What of a connection is managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Managed {
    /// `spec.connectionName`.
    Name,
    /// `spec.encryptionMode`.
    Mode,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// For programs; docs/kubectl-dxcon.md says what is in it.
    Json,
    /// The same, as YAML.
    Yaml,
    /// For a comment on a pull request.
    Markdown,
}

/// Flags of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing to do, 2 something would be sent or needs a person, 1 an error.

Examples:
  kubectl dxcon plan -f circuits
  kubectl dxcon plan -f circuits --cluster
  kustomize build . | kubectl dxcon plan
  helm template circuits | kubectl dxcon plan -f - -o markdown")]
pub struct Plan {
    /// File or folder with manifests, may be given several times; `-` is standard input
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub filename: Vec<PathBuf>,
    /// Take what the cluster has too: other resources, and what is written down of earlier steps
    #[arg(long)]
    pub cluster: bool,
    /// Namespace that the operator watches, as its own flag says; may be given several times, or as a list split at
    /// commas [default: all]
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', value_parser = directconnect_operator::config::namespace, requires = "cluster")]
    pub watch_namespace: Vec<String>,
    /// Region of manifests that name none [default: with --cluster that of its resources that name none, else that of
    /// the AWS configuration]
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<RegionName>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: PlanFormat,
    /// Where AWS is.
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Where the cluster is.
    #[command(flatten)]
    pub at: ClusterFlags,
}

/// Flags of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0, or 1 when any of them needs a person.

Examples:
  kubectl dxcon status
  kubectl dxcon status -A --watch
  kubectl dxcon status frankfurt-primary")]
pub struct Status {
    /// Show all of this one
    #[arg(value_parser = resource_name)]
    pub name: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    pub all_namespaces: bool,
    /// Go on, and print what changes, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where the cluster is.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = "--namespace is that of the operator; without it, its Deployment is looked for.

Exit codes: 0, or 1 when there is a problem.

Examples:
  kubectl dxcon check --pre
  kubectl dxcon check -n directconnect-operator")]
pub struct Check {
    /// Only what has to be there before the operator is installed
    #[arg(long)]
    pub pre: bool,
    /// Region to read [default: those that resources name, and that of the AWS configuration]
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<RegionName>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where AWS is.
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Where the cluster is.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// Flags of `pause`, `resume` and `reconcile`.
#[derive(Debug, Args)]
pub struct Annotate {
    /// Names of the resources
    #[arg(required = true, value_name = "NAME", value_parser = resource_name)]
    pub names: Vec<String>,
    /// Why, for those who read the resource
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the cluster is.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

impl ClusterFlags {
    /// The context, if it was given, as the end of another command for the same cluster.
    pub fn context_flag(&self) -> String {
        flag("--context", self.context.as_deref())
    }

    /// Context and namespace, as far as they were given, as the end of another command.
    pub fn as_typed(&self) -> String {
        self.context_flag() + &flag("--namespace", self.namespace.as_deref())
    }
}

impl Plan {
    /// The same command for manifests that are piped in.
    pub fn from_pipe(&self) -> String {
        let cluster = if self.cluster { " --cluster" } else { "" };
        let watched = Some(self.watch_namespace.join(",")).filter(|watched| !watched.is_empty());
        let region = self.region.as_ref().map(RegionName::as_str);
        let output = self.output.to_possible_value().filter(|_| self.output != PlanFormat::default());
        [
            "kubectl dxcon plan",
            cluster,
            &flag("--watch-namespace", watched.as_deref()),
            &flag("--region", region),
            &flag("--output", output.as_ref().map(PossibleValue::get_name)),
            &flag("--profile", self.aws.profile.as_deref()),
            &self.at.as_typed(),
        ]
        .concat()
    }
}

/// A flag with its value, with a blank before it; empty without a value.
pub fn flag(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name} {}", quoted(value))).unwrap_or_default()
}

/// A folder to write. What other commands take for a format is not taken for its name.
fn folder(typed: PathBuf) -> Result<PathBuf, String> {
    match typed.to_str() {
        Some("-") => Err("it names a folder, and without it manifests go to standard output".to_owned()),
        Some(format @ ("text" | "json" | "yaml" | "markdown" | "wide" | "name")) => Err(format!(
            "it names a folder, and without it manifests go to standard output, as YAML; ./{format} is a folder"
        )),
        _ => Ok(typed),
    }
}

fn region(typed: &str) -> Result<RegionName, String> {
    RegionName::parse(typed).ok_or_else(|| "it is no AWS region; it reads such as eu-central-1".to_owned())
}
