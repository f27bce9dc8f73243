//! Finds out that resource versions have gone backwards, as after the restore of an older backup of the API server.
//!
//! What the process remembers cannot be matched with such objects, so the process ends and starts again.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource as _, ResourceExt};

use super::Watched;
use crate::clock::jitter;

/// How often to check whether resource versions have gone backwards, and the time limit of one request for that.
const REWIND_CHECK_INTERVAL: Duration = Duration::from_secs(20);
const REQUEST: Duration = Duration::from_secs(10);
/// Pause between attempts to confirm that an object is older than the known one.
const CONFIRM_PAUSE: Duration = Duration::from_secs(1);

/// If a listed object is older than the known one with the same uid, the message that says so.
///
/// Returns only once the API server has confirmed or denied it.
pub(super) async fn went_back(client: &Client, known: &Watched, listed: &Watched) -> Option<String> {
    let newest = version_of(known.meta())?;
    if known.meta().uid != listed.meta().uid || version_of(listed.meta())? >= newest {
        return None;
    }
    // A list may come from the cache of an API server that lags behind. This request is a consistent read.
    let api: Api<Watched> = Api::namespaced(client.clone(), &listed.namespace()?);
    let only = ListParams::default().fields(&format!("metadata.name={}", listed.name_any()));
    let list = loop {
        if let Ok(Ok(list)) = tokio::time::timeout(REQUEST, api.list_metadata(&only)).await {
            break list;
        }
        // An API server that was just restored may not answer yet. Until it does, nothing older is applied.
        tokio::time::sleep(CONFIRM_PAUSE).await;
    };
    let now = version_of(&list.items.first()?.metadata)?;
    (now < newest).then(|| rewound(&listed.id().to_string(), newest, now))
}

fn version_of(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_ref()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_object_that_is_older_than_known_is_not_applied_before_the_api_server_confirms_it() {
        let metadata = |version: &str| json!({ "name": "line", "namespace": "net", "resourceVersion": version });
        let at = |version: &str| -> Watched {
            let object = json!({ "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
                "metadata": metadata(version), "spec": { "connectionId": "dxcon-fg1234ab" } });
            serde_json::from_value(object).expect("a resource")
        };
        for (now, is_older) in [("7", true), ("9", false), ("12", false)] {
            let tries = Arc::new(AtomicUsize::new(0));
            let server = axum::Router::new().fallback(move || {
                let refused = tries.fetch_add(1, Ordering::Relaxed) < 3;
                let list = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                    "metadata": { "resourceVersion": now }, "items": [{ "metadata": metadata(now) }] });
                let status = if refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
                async move { (status, list.to_string()) }
            });
            let client = Client::new(server, "net");
            let told = went_back(&client, &at("9"), &at("7")).await;
            assert_eq!(told.is_some(), is_older, "now at {now}: {told:?}");
        }
    }
}
