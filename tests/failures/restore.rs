//! An API server that comes back from an older backup: what it holds, and its resource versions, have gone back.

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use test_support::{ControlPlane, REGION, World, connection, wait};

use crate::replicas::{AFTER_LEASE, last_words};

/// Changed after the backup was made.
const CHANGED: &str = "dxcon-changed0";
/// Its resource was deleted after that.
const DELETED: &str = "dxcon-deleted0";
/// Its resource was made after that.
const MADE: &str = "dxcon-made0000";
/// How long a process may take to find out, and a good deal more for a busy machine.
const FOUND_OUT: Duration = Duration::from_secs(90);

/// Changes between backup and restore.
const CHANGES: usize = 200;

/// Where the API server of one test tells what it was asked.
fn audit_log() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("audit-restore-{}-{number}.jsonl", std::process::id()))
}

/// How often a list of one object was asked for, by which the operator looks how far the API server is.
fn looks_back(audit: &Path) -> usize {
    let log = std::fs::read_to_string(audit).unwrap_or_default();
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_look = |record: &Value| {
        let asked = record["requestURI"].as_str().unwrap_or_default();
        record["stage"] == "ResponseComplete" && asked.split(['?', '&']).any(|parameter| parameter == "limit=1")
    };
    records.filter(is_look).count()
}

/// A world that was backed up, went on, and is back at the backup. What AWS has is newer, and then somebody changes that too:
/// an operator that still believed in what it remembers would put its own back.
async fn restored(leader_elect: &'static str) -> World {
    let audit = audit_log();
    let control_plane = Arc::new(ControlPlane::start_audited(&audit).await);
    let mut world =
        World::builder().on(control_plane).flag("--leader-elect", leader_elect).without_operator().build().await;
    for id in [CHANGED, DELETED, MADE] {
        world.aws.add(REGION, Connection::new(id, "old"));
    }
    world.apply(connection("changed").id(CHANGED).name("in the backup")).await;
    world.apply(connection("deleted").id(DELETED).name("in the backup")).await;
    world.start_operator();
    world.ready("changed").await;
    world.ready("deleted").await;
    world.control_plane.back_up().await;

    world.apply(connection("changed").id(CHANGED).name("after it")).await;
    world.apply(connection("made").id(MADE).name("after it")).await;
    world.delete("deleted").await;
    world.ready("changed").await;
    world.ready("made").await;
    // A backup is older than a look back, and than what a server that starts writes by itself.
    for change in 0..CHANGES {
        world.patch("made", json!({ "metadata": { "labels": { "change": change.to_string() } } })).await;
    }
    let looks = looks_back(&audit);
    wait::until(FOUND_OUT, "the operator to look how far the API server is", async || looks_back(&audit) > looks).await;
    world.aws.clear_calls();

    world.control_plane.restore().await;
    let _ = std::fs::remove_file(&audit);
    for id in [CHANGED, DELETED, MADE] {
        world.aws.edit(REGION, id, |line| line.connection_name = Some("by hand".to_owned()));
    }
    world
}

/// What people want now is in the backup, and nothing else is sent.
async fn is_as_the_backup_says(world: &World) {
    for name in ["changed", "deleted"] {
        world.until(name, "as in the backup", |line| line.status("connectionName") == "in the backup").await;
        world.condition(name, "Ready", "True", "InSync").await;
    }
    world.polls(3).await;
    let sent: BTreeMap<_, _> = world
        .updates()
        .iter()
        .map(|call| (call.parameter("connectionId").map(str::to_owned), call.parameters["connectionName"].clone()))
        .collect();
    let wanted = [CHANGED, DELETED].map(|id| (Some(id.to_owned()), "in the backup".into()));
    assert_eq!(sent, BTreeMap::from(wanted), "{:#?}", world.updates());
    assert_eq!(world.updates().len(), 2, "each once: {:#?}", world.updates());
    let made = world.aws.connection(REGION, MADE).expect("it is there");
    assert_eq!(made.name(), "by hand", "nobody is about it any more");
}

/// The process ends and says why, and a new one, such as a kubelet starts, does what the backup says.
async fn starts_afresh(mut world: World, because: &[&str]) {
    let exit = world.operator().wait_exit(FOUND_OUT).await;
    assert_eq!(exit.code(), Some(1));
    let words = last_words(world.operator());
    assert!(matches!(&words[..], [one] if because.iter().any(|why| one.contains(why))), "{words:?}");
    assert_eq!(world.updates(), [], "what it remembered was not acted on");
    world.start_operator();
    wait::until(AFTER_LEASE, "the new process to lead", async || {
        world.operator().logs().iter().any(|line| line.contains("polling begins"))
    })
    .await;
    is_as_the_backup_says(&world).await;
}

#[tokio::test]
async fn an_api_server_that_is_restored_from_an_older_backup_makes_the_process_start_afresh() {
    starts_afresh(restored("false").await, &["as after the restore of an older backup"]).await;
}

/// The Lease is back at an older version too, and while the API server was away it could not be renewed: whatever is found
/// out first ends the process.
#[tokio::test]
async fn a_leader_whose_api_server_is_restored_from_an_older_backup_starts_afresh() {
    let because = ["as after the restore of an older backup", "could not be renewed in time", "was lost to"];
    starts_afresh(restored("true").await, &because).await;
}
