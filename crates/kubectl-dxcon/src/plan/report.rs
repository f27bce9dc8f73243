//! The whole plan, and its form in JSON and YAML.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use directconnect_core::identity::ResourceId;
use directconnect_core::reason::Reason;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::forecast::{Forecast, Outcome, Step, Who};
use crate::manifests::Location;
use crate::terminal::API_VERSION;

/// A manifest that is planned.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its resource.
    pub resource: ResourceId,
    /// Its location.
    pub location: Location,
    /// What its reader has to know besides.
    pub notes: Vec<String>,
}

/// The plan for all manifests.
pub struct Report {
    /// The forecasts, in the order of the manifests.
    pub connections: Vec<(Location, Forecast)>,
    /// The forecasts of resources of the cluster without a manifest for which something is sent that would not be sent
    /// without the manifests.
    pub others: Vec<Forecast>,
    /// The manifests that the API server would refuse.
    pub refused: Vec<Refused>,
    /// The regions that could not be read, and why.
    pub unread: Vec<String>,
}

/// A manifest that the API server would refuse.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its location.
    pub location: Location,
    /// Its resource.
    pub resource: ResourceId,
    /// Why, in the words of the CRD.
    pub why: Vec<String>,
}

impl Report {
    /// Sorts the forecasts: those of the planned resources, and those of the others that the manifests set going.
    /// `unchanged` returns the forecasts for the cluster as it is. It is only called if they are needed, since they take
    /// as long as the plan.
    pub fn new(
        forecasts: Vec<Forecast>,
        unchanged: impl FnOnce() -> Vec<Forecast>,
        planned: Vec<Planned>,
        refused: Vec<Refused>,
        unread: Vec<String>,
    ) -> Self {
        let mut of: BTreeMap<ResourceId, Forecast> =
            forecasts.into_iter().map(|forecast| (forecast.resource.clone(), forecast)).collect();
        let refused_ones = refused.iter().map(|refused| &refused.resource);
        let with_manifest: BTreeSet<ResourceId> =
            planned.iter().map(|planned| &planned.resource).chain(refused_ones).cloned().collect();
        let connections = planned.into_iter().map(|Planned { resource, location, notes }| {
            // Objects that are being deleted are not simulated, as the operator does not reconcile them.
            let mut forecast = of.remove(&resource).unwrap_or_else(|| Forecast::of_deleted(resource));
            // A manifest that the commit removes cannot be told from one that is elsewhere.
            if let Some(other) = forecast.held_up_by.as_ref().filter(|other| !with_manifest.contains(other)) {
                let _ = write!(
                    forecast.end.message,
                    "; {other} is in the cluster and not in these manifests; if this commit removes it, this goes on"
                );
            }
            (location, Forecast { notes, ..forecast })
        });
        let connections = connections.collect();
        Self { connections, others: set_going(of.into_values(), unchanged), refused, unread }
    }

    /// Whether a part could not be planned.
    pub fn has_errors(&self) -> bool {
        !self.refused.is_empty() || !self.unread.is_empty()
    }

    /// Whether an update would be sent or a person has to act.
    pub fn has_changes(&self) -> bool {
        let differs = |(_, forecast): &(Location, Forecast)| forecast.sends() || forecast.end.outcome != Outcome::Met;
        !self.others.is_empty() || self.connections.iter().any(differs)
    }

    /// All ways in which the plan can interrupt traffic: the resource, and how.
    pub fn can_cut(&self) -> impl Iterator<Item = (&Forecast, String)> {
        let planned = self.connections.iter().map(|(_, forecast)| forecast);
        planned.chain(&self.others).flat_map(|forecast| {
            forecast.steps.iter().filter_map(move |step| match step {
                Step::Update { encryption_mode: Some(mode), can_cut: Some(how), .. } => {
                    Some((forecast, format!("{}: {how}", mode.to)))
                }
                _ => None,
            })
        })
    }
}

/// Those of these forecasts that send what the forecasts for the unchanged cluster do not send for the same resource.
fn set_going(others: impl Iterator<Item = Forecast>, unchanged: impl FnOnce() -> Vec<Forecast>) -> Vec<Forecast> {
    let mut others: Vec<Forecast> = others.filter(Forecast::sends).collect();
    if others.is_empty() {
        return others;
    }
    let unchanged = unchanged();
    let sent_anyway: BTreeMap<&ResourceId, BTreeSet<_>> =
        unchanged.iter().map(|forecast| (&forecast.resource, forecast.sent_values())).collect();
    others.retain(|other| {
        let anyway = sent_anyway.get(&other.resource);
        other.sent_values().iter().any(|sent| anyway.is_none_or(|anyway| !anyway.contains(sent)))
    });
    others
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let connections: Vec<_> =
            self.connections.iter().map(|(location, forecast)| Entry::new(Some(location), forecast)).collect();
        let others: Vec<_> = self.others.iter().map(|forecast| Entry::new(None, forecast)).collect();
        let refused: Vec<_> = self.refused.iter().map(RefusedEntry::new).collect();
        let mut report = serializer.serialize_struct("Plan", 6)?;
        report.serialize_field("apiVersion", API_VERSION)?;
        report.serialize_field("kind", "Plan")?;
        report.serialize_field("connections", &connections)?;
        report.serialize_field("others", &others)?;
        report.serialize_field("refused", &refused)?;
        report.serialize_field("unread", &self.unread)?;
        report.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    steps: &'a [Step],
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Who>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

impl<'a> Entry<'a> {
    fn new(location: Option<&'a Location>, forecast: &'a Forecast) -> Self {
        let circuit = forecast.circuit.as_ref();
        Self {
            namespace: &forecast.resource.namespace,
            name: &forecast.resource.name,
            file: location.map(|location| location.file.as_str()),
            line: location.map(|location| location.line),
            connection_id: circuit.map(|circuit| circuit.id.as_str()),
            region: circuit.map(|circuit| circuit.region.as_str()),
            steps: &forecast.steps,
            outcome: forecast.end.outcome,
            reason: forecast.end.reason.map(Reason::as_str),
            message: &forecast.end.message,
            needs: forecast.needs,
            notes: &forecast.notes,
        }
    }
}

#[derive(Serialize)]
struct RefusedEntry<'a> {
    namespace: &'a str,
    name: &'a str,
    file: &'a str,
    line: usize,
    why: &'a [String],
}

impl<'a> RefusedEntry<'a> {
    fn new(refused: &'a Refused) -> Self {
        Self {
            namespace: &refused.resource.namespace,
            name: &refused.resource.name,
            file: &refused.location.file,
            line: refused.location.line,
            why: &refused.why,
        }
    }
}
