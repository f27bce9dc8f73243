//! Several processes of one operator, distinguished by their access keys and by the holder of the Lease.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::time::Duration;
use test_support::{Operator, OperatorBuilder, World, wait};

/// How long a lease is valid.
pub const LEASE: Duration = Duration::from_secs(15);
/// The timeout for events that take the duration of a lease, with a generous margin for a busy machine.
pub const AFTER_LEASE: Duration = Duration::from_mins(1);

/// The access key of a process.
pub fn access_key(name: &str) -> String {
    format!("AKIA{:0<16}", name.to_uppercase().replace('-', "0"))
}

/// The world's operator as one of several replicas.
pub fn replica_of(settings: &OperatorBuilder, name: &str) -> OperatorBuilder {
    settings.clone().env("HOSTNAME", name).env("AWS_ACCESS_KEY_ID", access_key(name))
}

/// Starts another replica with the world's settings.
pub fn start(world: &World, name: &str) -> Operator {
    replica_of(&world.settings, name).start()
}

/// The relevant fields of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The `HOSTNAME` of the holder; empty if nobody holds it.
    pub holder: String,
    pub acquired: Timestamp,
    pub renewed: Timestamp,
}

pub fn term_of(lease: Lease) -> Option<Term> {
    let spec = lease.spec?;
    let holder = spec.holder_identity.unwrap_or_default();
    let holder = holder.rsplit_once('_').map(|(host, _)| host.to_owned()).unwrap_or_default();
    Some(Term { holder, acquired: spec.acquire_time?.0, renewed: spec.renew_time?.0 })
}

pub fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

/// Waits until this process leads.
#[track_caller]
pub fn leads(world: &World, name: &str) -> impl Future<Output = Term> {
    let leases = leases(world);
    wait::until(AFTER_LEASE, format!("{name} to lead"), async move || {
        let lease = leases.get("directconnect-operator").await.map_err(|error| error.to_string())?;
        let term = term_of(lease).ok_or("a lease without a holder")?;
        if term.holder == name { Ok(term) } else { Err(format!("{term:?}")) }
    })
}

/// The number of calls of one process.
pub fn calls_of(world: &World, name: &str) -> usize {
    let key = access_key(name);
    world.aws.calls().iter().filter(|call| call.access_key_id == key).count()
}

/// The number of updates of one process.
pub fn updates_of(world: &World, name: &str) -> usize {
    let key = access_key(name);
    world.updates().iter().filter(|call| call.access_key_id == key).count()
}

/// The final error message of a process: its only lines that are not log records.
pub fn last_words(operator: &Operator) -> Vec<String> {
    operator.logs().into_iter().filter(|line| !line.starts_with('{')).collect()
}
