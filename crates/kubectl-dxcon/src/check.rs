//! `check`: whether the operator has what it needs, and with `--pre` whether it can be installed.
//!
//! A problem does not stop the other checks. Each problem says what to do next.

mod account;
mod api_server;
mod crd;
mod finding;
mod installation;
mod lease;
mod rights;

use std::process::ExitCode;

use directconnect_operator::kubernetes::Watched;
use serde::Serialize;

use self::finding::{Finding, Outcome};
use self::installation::Installation;
use crate::arguments::{Check, Format};
use crate::cluster::Cluster;
use crate::problem::Problem;
use crate::terminal::{self, API_VERSION};

/// The document that `-o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    api_version: &'static str,
    kind: &'static str,
    ok: bool,
    checks: Vec<Finding>,
}

/// Prints the findings. Fails if one of them is a problem.
pub async fn run(flags: &Check) -> crate::Outcome {
    let (checks, resources) = of_cluster(flags).await;
    let checks = [checks, account::check(flags, &resources).await].concat();
    let ok = checks.iter().all(|finding| finding.outcome != Outcome::Problem);
    let report = Report { api_version: API_VERSION, kind: "CheckReport", ok, checks };
    let text = match flags.output {
        Format::Text => finding::text(&report.checks),
        Format::Json => terminal::json(&report)?,
        Format::Yaml => terminal::yaml(&report)?,
    };
    terminal::print(&text)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the checks of the cluster, and returns its resources.
async fn of_cluster(flags: &Check) -> (Vec<Finding>, Vec<Watched>) {
    let cluster = match reach(flags).await {
        Ok(cluster) => cluster,
        Err(problem) => {
            let next =
                "name another with --context or KUBECONFIG, or bring it up; what else is to be asked of it is left out";
            return (vec![Finding::problem("API server", problem.to_string(), next)], Vec::new());
        }
    };
    let mut checks = vec![api_server::check(&cluster).await];
    let installation = Installation::find(&cluster, flags.cluster.namespace.as_deref()).await;
    if flags.pre {
        checks.push(rights::to_install(&cluster, &installation).await);
        return (checks, Vec::new());
    }
    let crd = crd::check(&cluster).await;
    let is_installed = crd.outcome != Outcome::Problem || crd::is_served(&cluster).await;
    checks.push(crd);
    let resources = if is_installed { resources(&cluster).await } else { Vec::new() };
    checks.push(rights::of_caller(&cluster).await);
    checks.push(installation.finding());
    checks.push(rights::of_operator(&cluster, &installation).await);
    checks.push(lease::check(&cluster, &installation).await);
    (checks, resources)
}

/// Connects to the cluster and checks that it answers.
async fn reach(flags: &Check) -> Result<Cluster, Problem> {
    let cluster = Cluster::connect(&flags.cluster).await?;
    match cluster.client.apiserver_version().await {
        Err(kube::Error::Api(answer)) if answer.code == 401 => Err(cluster.unlisted(&kube::Error::Api(answer))),
        // Any other error answer, such as a refusal, also proves that it is reachable.
        Ok(_) | Err(kube::Error::Api(_)) => Ok(cluster),
        Err(error) => {
            Err(Problem::new(format!("it cannot be reached: {}", directconnect_operator::kubernetes::words(&error))))
        }
    }
}

/// All resources that the user may list.
async fn resources(cluster: &Cluster) -> Vec<Watched> {
    match cluster.list(true).await {
        Ok(all) => all,
        Err(_) => cluster.list(false).await.unwrap_or_default(),
    }
}
