//! `status --watch`: goes on, and prints what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use directconnect_core::identity::ResourceId;
use directconnect_operator::kubernetes::{Watched, words};
use futures::{Stream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use serde::Serialize;

use super::line::{Columns, cells, header};
use super::standing::Standing;
use super::{Survey, exit_code};
use crate::Outcome;
use crate::arguments::{Format, Status};
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal::{self, API_VERSION};

/// How long one watch lasts before it is begun anew, in seconds: shorter than the cluster may be silent.
const WATCH: u32 = 10;

/// What `-o json` prints for each change, on a line of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    api_version: &'static str,
    kind: &'static str,
    r#type: ChangeType,
    connection: &'a Standing,
}

/// What has become of a resource.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
enum ChangeType {
    Shown,
    Changed,
    Deleted,
}

/// Prints the survey, and then each change of it, until Ctrl-C or until nobody reads any more.
pub async fn run(cluster: &Cluster, flags: &Status, mut survey: Survey) -> Outcome {
    let config = watcher::Config::default().timeout(WATCH);
    let mut events = pin!(watch(cluster.resources(survey.everywhere), config).default_backoff());
    let mut shown = by_id(survey.standings());
    let printer = Printer::new(flags, &shown);
    let mut reads_on = printer.begin(&shown)?;
    let mut unlisted = BTreeSet::new();
    while reads_on {
        let Some(event) = until_interrupted(&mut events).await? else { break };
        match event {
            Ok(event) => note(&mut survey, &mut unlisted, event),
            Err(error) => {
                anstream::eprintln!("kubectl-dxcon: the watch broke and is begun again: {}", broken(&error));
                continue;
            }
        }
        let now = by_id(survey.standings());
        reads_on = printer.changes(&shown, &now)?;
        shown = now;
    }
    Ok(exit_code(shown.values()))
}

/// The next event; `None` on Ctrl-C.
async fn until_interrupted<E>(events: &mut (impl Stream<Item = E> + Unpin)) -> Result<Option<E>, Problem> {
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Problem::from),
        event = events.next() => Ok(event),
    }
}

fn broken(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => words(error),
        other => other.to_string(),
    }
}

fn note(survey: &mut Survey, unlisted: &mut BTreeSet<ResourceId>, event: Event<Watched>) {
    match event {
        Event::Init => *unlisted = survey.objects.iter().map(Watched::id).collect(),
        Event::InitApply(object) | Event::Apply(object) => {
            unlisted.remove(&object.id());
            survey.put(object);
        }
        Event::Delete(object) => survey.objects.retain(|known| known.id() != object.id()),
        Event::InitDone => {
            let gone = std::mem::take(unlisted);
            survey.objects.retain(|known| !gone.contains(&known.id()));
        }
    }
}

fn by_id(standings: Vec<Standing>) -> BTreeMap<ResourceId, Standing> {
    let keyed = standings.into_iter().map(|standing| (ResourceId::new(&standing.namespace, &standing.name), standing));
    keyed.collect()
}

/// Prints in the format that was asked for. Each method tells whether somebody still reads.
struct Printer {
    format: Format,
    with_namespace: bool,
    columns: Columns,
}

impl Printer {
    fn new(flags: &Status, shown: &BTreeMap<ResourceId, Standing>) -> Self {
        let with_namespace = flags.all_namespaces;
        let rows: Vec<_> = shown.values().map(|standing| cells(standing, with_namespace, Timestamp::now())).collect();
        let columns = Columns::of(&header(with_namespace), &rows);
        Self { format: flags.output, with_namespace, columns }
    }

    fn begin(&self, shown: &BTreeMap<ResourceId, Standing>) -> Result<bool, Problem> {
        let mut text = String::new();
        if self.format == Format::Text {
            text += &self.columns.header(&header(self.with_namespace));
        }
        for standing in shown.values() {
            text += &self.one(standing, ChangeType::Shown)?;
        }
        terminal::emit(&text)
    }

    fn changes(
        &self,
        before: &BTreeMap<ResourceId, Standing>,
        now: &BTreeMap<ResourceId, Standing>,
    ) -> Result<bool, Problem> {
        let mut text = String::new();
        for (id, standing) in now {
            if before.get(id) != Some(standing) {
                text += &self.one(standing, ChangeType::Changed)?;
            }
        }
        for (id, standing) in before {
            if !now.contains_key(id) {
                text += &self.one(standing, ChangeType::Deleted)?;
            }
        }
        terminal::emit(&text)
    }

    fn one(&self, standing: &Standing, r#type: ChangeType) -> Result<String, Problem> {
        let change = Change { api_version: API_VERSION, kind: "StatusChange", r#type, connection: standing };
        match self.format {
            Format::Text if r#type == ChangeType::Deleted => {
                Ok(format!("{}/{} was deleted\n", standing.namespace, standing.name))
            }
            Format::Text => Ok(self.columns.line(&cells(standing, self.with_namespace, Timestamp::now()))),
            Format::Json => {
                serde_json::to_string(&change).map(|line| line + "\n").map_err(|error| Problem::new(error.to_string()))
            }
            Format::Yaml => Ok(format!("---\n{}", terminal::yaml(&change)?)),
        }
    }
}
