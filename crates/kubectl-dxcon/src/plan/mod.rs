//! `plan`: what the operator will do for these manifests, up to the end of the ladder.
//!
//! AWS is read once. Then the operator's own code decides in simulated time. It is assumed that what can be waited for
//! happens: MACsec comes up if there is a key, and a turn becomes free once its holder is proven.

mod forecast;
mod merge;
mod obstacle;
mod region;
mod report;
mod simulation;
mod text;
mod track;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;
use directconnect_operator::config::Run;
use directconnect_operator::kubernetes::Watched;
use serde_json::Value;

use self::merge::Merged;
use self::region::Assumed;
use self::report::Report;
use self::simulation::Simulation;
use self::world::World;
use crate::arguments::{Plan, PlanFormat};
use crate::aws::{Account, unread};
use crate::cluster::Cluster;
use crate::manifests::Manifest;
use crate::problem::Problem;
use crate::{Outcome, manifests, terminal};

/// Exit code if an update would be sent or a person has to act.
const CHANGES: u8 = 2;

/// The regions of these objects.
fn regions<'a>(objects: impl Iterator<Item = &'a Value>, default_region: &DefaultRegion) -> BTreeSet<RegionName> {
    let region = |object: &Value| match object.pointer("/spec/region").and_then(Value::as_str) {
        Some(region) => RegionName::parse(region),
        None if let DefaultRegion::Set(region) = default_region => Some(region.clone()),
        None => None,
    };
    objects.filter_map(region).collect()
}

/// Prints the plan.
pub async fn run(flags: &Plan) -> Outcome {
    let manifests = manifests::read(&flags.filename, &flags.from_pipe())?;
    if manifests.is_empty() {
        let files: Vec<String> = flags.filename.iter().map(|file| file.display().to_string()).collect();
        return Err(Problem::new(format!(
            "there is no DirectConnectConnection in {}: name files or folders with -f",
            files.join(", ")
        )));
    }
    let (namespace, live) = if flags.cluster {
        let cluster = Cluster::connect(&flags.at).await?;
        // What another operator watches, this one neither acts on nor waits for.
        let live = cluster.list_whole(&flags.watch_namespace).await?;
        (cluster.namespace, live)
    } else {
        (flags.at.namespace.clone().unwrap_or_else(|| "default".to_owned()), Vec::new())
    };
    for Manifest { location, object } in &manifests {
        let id = merge::id(object, &namespace);
        if !flags.watch_namespace.is_empty() && !flags.watch_namespace.contains(&id.namespace.to_string()) {
            return Err(Problem::new(format!(
                "{id} in {location} is in a namespace that --watch-namespace does not name: name it too, or plan it for the operator that watches it"
            )));
        }
    }
    let unchanged: Vec<Watched> = live.iter().map(merge::watched).collect::<Result<_, _>>()?;
    let account = Account::open(&flags.aws).await?;
    let Assumed { region: default_region, warning } = match flags.region.clone() {
        Some(region) => Assumed { region: DefaultRegion::Set(region), warning: None },
        None => region::assumed(&unchanged, account.default_region()),
    };
    if let Some(warning) = warning {
        anstream::eprintln!("{}: {warning}", terminal::styled(terminal::WAITING, "note"));
    }
    let regions = regions(manifests.iter().map(|manifest| &manifest.object).chain(&live), &default_region);
    // Both take some time, so the manifests are checked while AWS is read.
    let merging = tokio::task::spawn_blocking(move || merge::merge(manifests, live, &namespace));
    let read = account.read(regions).await;
    let Merged { objects, planned, refused } =
        merging.await.map_err(|error| Problem::new(format!("the manifests could not be checked: {error}")))??;
    let unread: Vec<String> =
        read.iter().filter_map(|(region, listing)| Some(unread(region, listing.as_ref().err()?))).collect();
    // Other durations would change when updates are sent, but neither which nor their order.
    let settings = Run::default_settings().map_err(|error| Problem::new(error.to_string()))?;
    let world = World::new(read);
    let forecasts = |objects: &[Watched]| Simulation::new(world.clone(), objects, &default_region, settings).run();
    let report = Report::new(forecasts(&objects), || forecasts(&unchanged), planned, refused, unread);
    let text = match flags.output {
        PlanFormat::Text => text::text(&report),
        PlanFormat::Markdown => text::markdown(&report),
        PlanFormat::Json => terminal::json(&report)?,
        PlanFormat::Yaml => terminal::yaml(&report)?,
    };
    terminal::print(&text)?;
    Ok(if report.has_errors() {
        ExitCode::FAILURE
    } else if report.has_changes() {
        ExitCode::from(CHANGES)
    } else {
        ExitCode::SUCCESS
    })
}
