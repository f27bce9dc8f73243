//! `import`: writes a manifest for every connection of an AWS account.
//!
//! - [`regions`] determines what is read, and [`selection`] which connections get a manifest.
//! - [`names`] and [`manifest`] are pure: the former assigns names to connections, the latter turns a connection into
//!   text.
//! - [`directory`] writes either all files or none.

pub mod directory;
pub mod manifest;
pub mod names;
pub mod regions;
pub mod selection;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use directconnect_core::identity::CircuitId;
use directconnect_operator::kubernetes::Watched;
use kube::ResourceExt;

use self::manifest::Scope;
use self::selection::Found;
use crate::Outcome;
use crate::arguments::Import;
use crate::aws::{Account, unread};
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal::{self, BAD, GOOD, QUIET, STRONG, quoted, styled};

/// Exit code if not every region could be read.
const INCOMPLETE: u8 = 3;
/// Exit code after Ctrl-C, by the convention of shells.
const INTERRUPTED: u8 = 130;

/// The beginning of kustomization.yaml.
const KUSTOMIZATION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
commonAnnotations:
  # Only Flux reads this: it then leaves a pause alone that was set with kubectl.
  kustomize.toolkit.fluxcd.io/ssa: Merge
resources:
";

/// Writes the manifests.
pub async fn run(flags: &Import) -> Outcome {
    tokio::select! {
        biased;
        Ok(()) = tokio::signal::ctrl_c() => {
            let clear = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
            let made = flags.output.as_ref().map(|folder| format!(", and {} was not made", folder.display()));
            anstream::eprintln!("{clear}kubectl-dxcon: interrupted{}", made.unwrap_or_default());
            Ok(ExitCode::from(INTERRUPTED))
        }
        outcome = import(flags) => outcome,
    }
}

async fn import(flags: &Import) -> Outcome {
    if let Some(folder) = &flags.output {
        directory::check(folder)?;
    }
    let account = Account::open(&flags.aws).await?;
    let default_region = account.default_region();
    let to_read = regions::to_read(flags, &default_region)?;
    let existing = if flags.missing { Some(Existing::read(flags).await?) } else { None };
    let found = Found::of(account.read(to_read).await);
    if found.regions == 0
        && let [(region, fault), others @ ..] = found.unread.as_slice()
    {
        let more = if others.is_empty() { String::new() } else { format!(" (so it is with {} others)", others.len()) };
        return Err(Problem::new(unread(region, fault) + &more));
    }
    let chosen: BTreeSet<CircuitId> = match &existing {
        Some(existing) => selection::missing(&found.connections, &existing.resources, &default_region),
        None => found.connections.keys().cloned().collect(),
    };
    let taken = existing.map(|existing| existing.names).unwrap_or_default();
    let manifests = write(&found, &chosen, &taken, flags)?;
    for (region, fault) in &found.unread {
        anstream::eprintln!("{}", styled(BAD, unread(region, fault)));
    }
    match &flags.output {
        Some(folder) if !manifests.is_empty() => directory::write(folder, &files(&manifests)).await?,
        Some(_) => {}
        None => {
            let texts: Vec<&str> = manifests.iter().map(|manifest| manifest.text.as_str()).collect();
            let stream = texts.join("---\n");
            // Printing blocks if the reader is slow. In a separate thread, it does not delay the reaction to Ctrl-C.
            let printed = tokio::task::spawn_blocking(move || terminal::print(&stream)).await;
            printed.map_err(|error| error.to_string())??;
        }
    }
    for line in summary(&found, &manifests, flags) {
        anstream::eprintln!("{line}");
    }
    Ok(if found.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

/// The resources that the cluster already has.
struct Existing {
    resources: Vec<Watched>,
    /// Names in the namespace that are already taken.
    names: BTreeSet<String>,
}

impl Existing {
    async fn read(flags: &Import) -> Result<Self, Problem> {
        let cluster = Cluster::connect(&flags.cluster).await?;
        let resources = cluster.list(true).await?;
        let beside = resources.iter().filter(|it| it.namespace().as_deref() == Some(cluster.namespace.as_str()));
        let names = beside.map(ResourceExt::name_any).collect();
        Ok(Self { resources, names })
    }
}

/// A manifest, and the name of its resource.
struct Manifest {
    name: String,
    text: String,
}

/// The manifests of the chosen connections, by region and id. Names are assigned to all connections that were found, so
/// that the choice does not change them.
fn write(
    found: &Found,
    chosen: &BTreeSet<CircuitId>,
    taken: &BTreeSet<String>,
    flags: &Import,
) -> Result<Vec<Manifest>, Problem> {
    let in_aws = found.connections.iter().map(|(circuit, it)| (circuit, it.connection_name.as_deref()));
    let names = names::assign(in_aws, taken);
    let namespace = flags.cluster.namespace.as_deref();
    let chosen = found.connections.iter().filter(|(circuit, _)| chosen.contains(circuit));
    chosen
        .filter_map(|(circuit, connection)| Some((names.get(circuit)?, circuit, connection)))
        .map(|(name, circuit, connection)| {
            let text = manifest::write(name, namespace, circuit, connection, Scope(&flags.manage))?;
            Ok(Manifest { name: name.clone(), text })
        })
        .collect()
}

/// The files of the folder, including the one that lists the others.
fn files(manifests: &[Manifest]) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        manifests.iter().map(|it| (format!("{}.yaml", it.name), it.text.clone())).collect();
    files.sort();
    let listed: String = files.iter().map(|(file, _)| format!("  - {file}\n")).collect::<Vec<_>>().concat();
    files.push(("kustomization.yaml".to_owned(), KUSTOMIZATION.to_owned() + &listed));
    files
}

/// The summary: what was written where, what was left out and why, and what to do next.
fn summary(found: &Found, manifests: &[Manifest], flags: &Import) -> Vec<String> {
    let mut lines = Vec::new();
    match &flags.output {
        Some(folder) if !manifests.is_empty() => {
            let written = format!("{} in {}", count(manifests.len(), "manifest"), folder.display());
            lines.push(styled(GOOD, written));
        }
        Some(_) if found.regions > 0 => lines.push("nothing to write, so no folder was made".to_owned()),
        None if found.regions > 0 && manifests.is_empty() => lines.push("nothing to write".to_owned()),
        Some(_) | None => {}
    }
    let gone = found.gone.iter().map(|(state, number)| format!("{number} {state}"));
    let claimed = found.connections.len() - manifests.len();
    let claimed = (claimed > 0).then(|| format!("{claimed} that the cluster has a resource for"));
    let left_out: Vec<String> = gone.chain(claimed).collect();
    if !left_out.is_empty() {
        lines.push(styled(QUIET, format!("left out: {}", left_out.join(", "))));
    }
    if let Some(folder) = flags.output.as_ref().filter(|_| !manifests.is_empty()) {
        let folder = quoted(&folder.display().to_string());
        let next = format!("kubectl apply -k {folder}{}", flags.cluster.as_typed());
        lines.push(format!("next: {}", styled(STRONG, next)));
    }
    lines
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("{number} {what}") } else { format!("{number} {what}s") }
}
