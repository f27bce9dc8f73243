//! An API server that is restored from an older backup: objects and resource versions have gone back.

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use test_support::{ControlPlane, REGION, World, connection, wait};

use crate::replicas::{AFTER_LEASE, last_words};

/// Changed after the backup.
const CHANGED: &str = "dxcon-changed0";
/// Its resource was deleted after the backup.
const DELETED: &str = "dxcon-deleted0";
/// Its resource was created after the backup.
const MADE: &str = "dxcon-made0000";
/// How long a process may take to notice, with a generous margin for a busy machine.
const FOUND_OUT: Duration = Duration::from_secs(90);

/// Number of changes between backup and restore.
const CHANGES: usize = 200;

/// The audit log of the API server of one test.
fn audit_log() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("audit-restore-{}-{number}.jsonl", std::process::id()))
}

/// Number of list requests for one object, by which the operator checks the version of the API server.
fn version_checks(audit: &Path) -> usize {
    let log = std::fs::read_to_string(audit).unwrap_or_default();
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_check = |record: &Value| {
        let asked = record["requestURI"].as_str().unwrap_or_default();
        record["stage"] == "ResponseComplete" && asked.split(['?', '&']).any(|parameter| parameter == "limit=1")
    };
    records.filter(is_check).count()
}

/// A world that is restored from a backup after further changes. AWS has the newer values, and then someone changes
/// those too. An operator that relied on its memory would send old values.
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
    // So many versions that the restored API server's own writes at its start do not catch up with them.
    for change in 0..CHANGES {
        world.patch("made", json!({ "metadata": { "labels": { "change": change.to_string() } } })).await;
    }
    let before = version_checks(&audit);
    wait::until(FOUND_OUT, "the operator to look how far the API server is", async || version_checks(&audit) > before)
        .await;
    world.aws.clear_calls();

    world.control_plane.restore().await;
    let _ = std::fs::remove_file(&audit);
    for id in [CHANGED, DELETED, MADE] {
        world.aws.edit(REGION, id, |line| line.connection_name = Some("by hand".to_owned()));
    }
    world
}

/// The backup contains the current specs, and nothing else is sent.
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

/// The process ends and says why. A new one, as a kubelet starts it, does what the backup says.
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

/// The Lease went back as well, and could not be renewed while the API server was away. Whatever is noticed first ends
/// the process.
#[tokio::test]
async fn a_leader_whose_api_server_is_restored_from_an_older_backup_starts_afresh() {
    let because = ["as after the restore of an older backup", "could not be renewed in time", "was lost to"];
    starts_afresh(restored("true").await, &because).await;
}
