//! `status --watch`: prints changes until it is interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::pin;

use directconnect_core::identity::ResourceId;
use directconnect_operator::kubernetes::{Watched, words};
use futures::{Stream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use serde::Serialize;

use super::line::{Columns, cells, header};
use super::summary::Summary;
use super::{Survey, exit_code};
use crate::Outcome;
use crate::arguments::{Format, Status};
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal::{self, API_VERSION};

/// Duration of one watch in seconds. It is shorter than the time that the API server may be silent.
const WATCH: u32 = 10;

/// The document that `-o json` prints for each change, on one line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    api_version: &'static str,
    kind: &'static str,
    r#type: ChangeType,
    connection: &'a Summary,
}

/// The kind of a change.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
enum ChangeType {
    Shown,
    Changed,
    Deleted,
}

/// Prints the resources and then each change, until Ctrl-C or until the reader of the output is gone.
pub async fn run(cluster: &Cluster, flags: &Status, mut survey: Survey) -> Outcome {
    let config = watcher::Config::default().timeout(WATCH);
    let mut events = pin!(watch(cluster.resources(survey.everywhere), config).default_backoff());
    let mut shown = by_id(survey.summaries());
    let printer = Printer::new(flags, &shown);
    let mut reads_on = printer.begin(&shown)?;
    let mut unlisted = BTreeSet::new();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    while reads_on {
        let Some(event) = until_interrupted(&mut interrupted, &mut events).await? else { break };
        match event {
            Ok(event) => note(&mut survey, &mut unlisted, event),
            Err(error) => {
                anstream::eprintln!("kubectl-dxcon: the watch broke and is begun again: {}", broken(&error));
                continue;
            }
        }
        let now = by_id(survey.summaries());
        reads_on = printer.changes(&shown, &now)?;
        shown = now;
    }
    Ok(exit_code(shown.values()))
}

/// The next event; `None` after Ctrl-C. All calls get the same `interrupted`, since a Ctrl-C that comes while nothing
/// listens is lost.
async fn until_interrupted<E>(
    interrupted: &mut (impl Future<Output = io::Result<()>> + Unpin),
    events: &mut (impl Stream<Item = E> + Unpin),
) -> Result<Option<E>, Problem> {
    tokio::select! {
        biased;
        interrupted = interrupted => interrupted.map(|()| None).map_err(Problem::from),
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

fn by_id(summaries: Vec<Summary>) -> BTreeMap<ResourceId, Summary> {
    let keyed = summaries.into_iter().map(|summary| (ResourceId::new(&summary.namespace, &summary.name), summary));
    keyed.collect()
}

/// Prints in the chosen format. Each method returns whether the reader of the output is still there.
struct Printer {
    format: Format,
    with_namespace: bool,
    columns: Columns,
}

impl Printer {
    fn new(flags: &Status, shown: &BTreeMap<ResourceId, Summary>) -> Self {
        let with_namespace = flags.all_namespaces;
        let rows: Vec<_> = shown.values().map(|summary| cells(summary, with_namespace, Timestamp::now())).collect();
        let columns = Columns::of(&header(with_namespace), &rows);
        Self { format: flags.output, with_namespace, columns }
    }

    fn begin(&self, shown: &BTreeMap<ResourceId, Summary>) -> Result<bool, Problem> {
        let mut text = String::new();
        if self.format == Format::Text {
            text += &self.columns.header(&header(self.with_namespace));
        }
        for summary in shown.values() {
            text += &self.one(summary, ChangeType::Shown)?;
        }
        terminal::emit(&text)
    }

    fn changes(
        &self,
        before: &BTreeMap<ResourceId, Summary>,
        now: &BTreeMap<ResourceId, Summary>,
    ) -> Result<bool, Problem> {
        let mut text = String::new();
        for (id, summary) in now {
            if before.get(id) != Some(summary) {
                text += &self.one(summary, ChangeType::Changed)?;
            }
        }
        for (id, summary) in before {
            if !now.contains_key(id) {
                text += &self.one(summary, ChangeType::Deleted)?;
            }
        }
        terminal::emit(&text)
    }

    fn one(&self, summary: &Summary, r#type: ChangeType) -> Result<String, Problem> {
        let change = Change { api_version: API_VERSION, kind: "StatusChange", r#type, connection: summary };
        match self.format {
            Format::Text if r#type == ChangeType::Deleted => {
                Ok(format!("{}/{} was deleted\n", summary.namespace, summary.name))
            }
            Format::Text => Ok(self.columns.line(&cells(summary, self.with_namespace, Timestamp::now()))),
            Format::Json => {
                serde_json::to_string(&change).map(|line| line + "\n").map_err(|error| Problem::new(error.to_string()))
            }
            Format::Yaml => Ok(format!("---\n{}", terminal::yaml(&change)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::process::{Command, id};
    use std::time::Duration;

    #[tokio::test]
    async fn a_ctrl_c_that_comes_while_a_change_is_printed_is_not_lost() {
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let mut events = stream::iter(["a change"]).chain(stream::pending());
        let first = until_interrupted(&mut interrupted, &mut events).await;
        assert_eq!(first.expect("no problem"), Some("a change"));
        let mut heard = pin!(tokio::signal::ctrl_c());
        assert!(futures::poll!(&mut heard).is_pending());
        let sent = Command::new("kill").args(["-INT", &id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
        // It has come by now, and whoever begins to listen after this hears nothing of it.
        heard.await.expect("it is heard");
        let next =
            tokio::time::timeout(Duration::from_secs(30), until_interrupted(&mut interrupted, &mut events)).await;
        assert_eq!(next.expect("it ends").expect("no problem"), None);
    }
}
