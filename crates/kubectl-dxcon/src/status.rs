//! `status`: the state of the resources, what each waits for, and who holds the turn.
//!
//! All of this is read from the resources; AWS is not called. The operator's core determines who holds a turn.

mod detail;
mod follow;
mod line;
mod summary;
pub(crate) mod turn;

use std::process::ExitCode;

use directconnect_operator::kubernetes::Watched;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use self::detail::Detailed;
use self::summary::Summary;
pub use self::turn::region;
use crate::Outcome;
use crate::arguments::{Format, Status};
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal::{self, API_VERSION};

/// The document that `-o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<T> {
    api_version: &'static str,
    kind: &'static str,
    connections: Vec<T>,
}

/// Prints the state of the resources. Fails if a person has to act on one of them.
pub async fn run(flags: &Status) -> Outcome {
    let cluster = Cluster::connect(&flags.cluster).await?;
    let survey = Survey::of(&cluster, flags).await?;
    if let Some(name) = &flags.name
        && survey.shown().next().is_none()
    {
        return Err(cluster.not_found(name));
    }
    if flags.watch {
        return follow::run(&cluster, flags, survey).await;
    }
    let summaries = survey.summaries();
    if summaries.is_empty() {
        let scope = if flags.all_namespaces { String::new() } else { format!(" in namespace {}", cluster.namespace) };
        anstream::eprintln!("No connections found{scope}.");
    }
    let code = exit_code(&summaries);
    match (flags.output, &flags.name) {
        (Format::Text, None) if summaries.is_empty() => {}
        (Format::Text, None) => {
            terminal::print(&line::table(&summaries, flags.all_namespaces, Timestamp::now()))?;
        }
        (Format::Text, Some(_)) => {
            for (object, summary) in survey.shown().zip(summaries) {
                terminal::print(&detail::text(&Detailed::new(summary, object), Timestamp::now())?)?;
            }
        }
        (format, None) => print_report(format, summaries)?,
        (format, Some(_)) => {
            let detailed = survey.shown().zip(summaries).map(|(object, summary)| Detailed::new(summary, object));
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

fn exit_code<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> ExitCode {
    let needs_person = summaries.into_iter().any(|summary| summary.verdict.needs_person);
    if needs_person { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The resources that the user may read, and which of them to show.
///
/// Connections share turns across namespaces, so all namespaces are read if that is allowed.
struct Survey {
    objects: Vec<Watched>,
    everywhere: bool,
    namespace: Option<String>,
    name: Option<String>,
    /// The end of commands that are printed.
    flag: String,
}

impl Survey {
    async fn of(cluster: &Cluster, flags: &Status) -> Result<Self, Problem> {
        let listed = cluster.resources(true).list(&kube::api::ListParams::default()).await;
        let (mut objects, everywhere) = match listed {
            Ok(all) => (all.items, true),
            Err(kube::Error::Api(answer)) if answer.code == 403 && !flags.all_namespaces => {
                (cluster.list(false).await?, false)
            }
            Err(error) => return Err(cluster.unlisted(&error)),
        };
        objects.sort_by_key(Watched::id);
        let namespace = Some(cluster.namespace.clone()).filter(|_| !flags.all_namespaces);
        Ok(Self { objects, everywhere, namespace, name: flags.name.clone(), flag: cluster.context_flag.clone() })
    }

    fn is_asked_for(&self, object: &Watched) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object.namespace().as_ref() == Some(namespace))
            && self.name.as_ref().is_none_or(|name| object.name_any() == *name)
    }

    /// The resources to show, by namespace and name.
    fn shown(&self) -> impl Iterator<Item = &Watched> {
        self.objects.iter().filter(|object| self.is_asked_for(object))
    }

    fn summaries(&self) -> Vec<Summary> {
        let holders = turn::TurnHolders::of(&self.objects);
        self.shown().map(|object| Summary::of(object, &holders, &self.flag)).collect()
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
