//! `status`: how the resources stand, what each waits for and whose turn it is.
//!
//! Everything that is said is read from the resources; AWS is not asked. Who holds a turn is decided by the operator's core.

mod detail;
mod follow;
mod line;
mod standing;
mod turn;

use std::process::ExitCode;

use directconnect_operator::kubernetes::Watched;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use self::detail::Detailed;
use self::standing::Standing;
pub use self::turn::region;
use crate::Outcome;
use crate::arguments::{Format, Status};
use crate::cluster::{Cluster, unlisted};
use crate::problem::Problem;
use crate::terminal::{self, API_VERSION};

/// What `-o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<T> {
    api_version: &'static str,
    kind: &'static str,
    connections: Vec<T>,
}

/// Prints how the resources stand; fails when one of them needs a person.
pub async fn run(flags: &Status) -> Outcome {
    let cluster = Cluster::connect(&flags.cluster).await?;
    let survey = Survey::of(&cluster, flags).await?;
    if let Some(name) = &flags.name
        && survey.shown().next().is_none()
    {
        return Err(Problem::new(format!(
            "{name} was not found in namespace {}; `kubectl dxcon status -A` lists what there is",
            cluster.namespace
        )));
    }
    if flags.watch {
        return follow::run(&cluster, flags, survey).await;
    }
    let standings = survey.standings();
    if standings.is_empty() {
        let place = if flags.all_namespaces { String::new() } else { format!(" in namespace {}", cluster.namespace) };
        anstream::eprintln!("No connections found{place}.");
    }
    let code = exit_code(&standings);
    match (flags.output, &flags.name) {
        (Format::Text, None) if standings.is_empty() => {}
        (Format::Text, None) => {
            terminal::print(&line::table(&standings, flags.all_namespaces, Timestamp::now()))?;
        }
        (Format::Text, Some(_)) => {
            for (object, standing) in survey.shown().zip(standings) {
                terminal::print(&detail::text(&Detailed::new(standing, object), Timestamp::now())?)?;
            }
        }
        (format, None) => print_report(format, standings)?,
        (format, Some(_)) => {
            let detailed = survey.shown().zip(standings).map(|(object, standing)| Detailed::new(standing, object));
            print_report(format, detailed.collect())?;
        }
    }
    Ok(code)
}

fn print_report(format: Format, connections: Vec<impl Serialize>) -> Result<(), Problem> {
    let report = Report { api_version: API_VERSION, kind: "StatusReport", connections };
    let text = if format == Format::Yaml { terminal::yaml(&report)? } else { terminal::json(&report)? };
    terminal::print(&text).map(|_| ())
}

fn exit_code<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> ExitCode {
    let needs_person = standings.into_iter().any(|standing| standing.verdict.needs_person);
    if needs_person { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The resources that can be seen, and which of them are asked for.
///
/// Connections take turns whatever namespace they are in, so all namespaces are read where that is allowed.
struct Survey {
    objects: Vec<Watched>,
    everywhere: bool,
    namespace: Option<String>,
    name: Option<String>,
}

impl Survey {
    async fn of(cluster: &Cluster, flags: &Status) -> Result<Self, Problem> {
        let listed = cluster.resources(true).list(&kube::api::ListParams::default()).await;
        let (mut objects, everywhere) = match listed {
            Ok(all) => (all.items, true),
            Err(kube::Error::Api(answer)) if answer.code == 403 && !flags.all_namespaces => {
                (cluster.list(false).await?, false)
            }
            Err(error) => return Err(unlisted(&error)),
        };
        objects.sort_by_key(Watched::id);
        let namespace = Some(cluster.namespace.clone()).filter(|_| !flags.all_namespaces);
        Ok(Self { objects, everywhere, namespace, name: flags.name.clone() })
    }

    fn is_asked_for(&self, object: &Watched) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object.namespace().as_ref() == Some(namespace))
            && self.name.as_ref().is_none_or(|name| object.name_any() == *name)
    }

    /// Those that are asked for, by namespace and name.
    fn shown(&self) -> impl Iterator<Item = &Watched> {
        self.objects.iter().filter(|object| self.is_asked_for(object))
    }

    fn standings(&self) -> Vec<Standing> {
        let turns = turn::Turns::of(&self.objects);
        self.shown().map(|object| Standing::of(object, &turns)).collect()
    }

    fn put(&mut self, object: Watched) {
        let id = object.id();
        match self.objects.binary_search_by_key(&id, Watched::id) {
            Ok(at) => {
                if let Some(known) = self.objects.get_mut(at) {
                    *known = object;
                }
            }
            Err(at) => self.objects.insert(at, object),
        }
    }
}
