//! `kubectl dxcon import` as a user runs it, with a simulated Direct Connect and, if a cluster is needed, a real API
//! server and the operator's real binary.

mod account;
mod failures;
mod fleet;
mod missing;
mod page;
#[path = "../typed/mod.rs"]
mod typed;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tokio::task::spawn_blocking;

use self::typed::{Printed, Typed};

/// Runs the command to its end in another thread, while the runtime of the test serves what it talks to.
async fn run(typed: Typed) -> Printed {
    spawn_blocking(|| typed.run()).await.expect("no panic")
}

/// The manifests of a stream, by the name of the resource.
#[track_caller]
fn manifests(stream: &str) -> BTreeMap<String, Value> {
    let read: Vec<Value> = serde_saphyr::from_multiple(stream).unwrap_or_else(|error| panic!("{error}: {stream}"));
    let count = read.len();
    let named: BTreeMap<String, Value> = read.into_iter().map(|it| (name_of(&it), it)).collect();
    assert_eq!(named.len(), count, "each has a name of its own");
    named
}

fn name_of(manifest: &Value) -> String {
    manifest["metadata"]["name"].as_str().expect("it has a name").to_owned()
}

/// The content of a folder, by file name.
#[track_caller]
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            let entry = entry.expect("it is read");
            let text = std::fs::read_to_string(entry.path()).expect("it is a file of text");
            (entry.file_name().into_string().expect("its name is text"), text)
        })
        .collect()
}

/// A path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}
