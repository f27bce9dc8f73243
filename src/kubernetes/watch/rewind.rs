//! Finds out that resource versions have gone backwards, as after the restore of an older backup of the API server.
//!
//! What the process remembers cannot be matched with such objects, so the process ends and starts again.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client};

use super::Watched;
use crate::clock::jitter;

/// How often to check whether resource versions have gone backwards, and the time limit of one request for that.
const REWIND_CHECK_INTERVAL: Duration = Duration::from_secs(20);
const REQUEST: Duration = Duration::from_secs(10);

/// If a listed object is older than the known one with the same uid, the message that says so.
///
/// Lists are most recent (see `feed`), so such an object proves it. A version that is not a number counts as 0.
pub(super) fn went_back(known: &Watched, listed: &Watched) -> Option<String> {
    let (newest, now) = (known.version(), listed.version());
    let is_older = known.uid() == listed.uid() && (1..newest).contains(&now);
    is_older.then(|| rewound(&listed.id().to_string(), newest, now))
}

fn rewound(what: &str, newest: u64, now: u64) -> String {
    format!(
        "{what} was at resource version {newest} and is now at {now}, as after the restore of an older backup; all of it has to be read anew"
    )
}

/// Returns, with a message, when the resource versions of the API server have gone backwards.
///
/// A watch from a version that does not exist yet receives nothing until it does, and no error. If the API server was
/// down, the new list shows that versions went backwards; this check is for an outage that the watch did not notice.
pub async fn until_rewound(client: Client, namespaces: Vec<String>) -> String {
    let api: Api<Watched> = match namespaces.first() {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let least = ListParams::default().limit(1);
    let mut newest: u64 = 0;
    loop {
        if let Ok(Ok(list)) = tokio::time::timeout(REQUEST, api.list_metadata(&least)).await
            && let Some(version) = list.metadata.resource_version.and_then(|version| version.parse().ok())
        {
            if version < newest {
                return rewound("the API server", newest, version);
            }
            newest = version;
        }
        tokio::time::sleep(REWIND_CHECK_INTERVAL.mul_f64(0.75 + 0.5 * jitter())).await;
    }
}
