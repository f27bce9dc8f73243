//! Records every version of each resource, as a watch shows them.

use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use std::sync::{Arc, Mutex};
use test_support::{Resource, World, wait};
use tokio::task::AbortHandle;

/// Watches the resources of a world from its start to its end.
pub struct Witness {
    seen: Arc<Mutex<Vec<Resource>>>,
    watch: AbortHandle,
}

impl Witness {
    /// Begins to watch. Everything applied after this is seen in every version.
    pub async fn of(world: &World) -> Self {
        let kind = GroupVersionKind::gvk("directconnect-operator.dev", "v1alpha1", "DirectConnectConnection");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
        let start = api.list_metadata(&kube::api::ListParams::default()).await.expect("resources can be listed");
        let version = start.metadata.resource_version.unwrap_or_default();
        let seen: Arc<Mutex<Vec<Resource>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let watch = tokio::spawn(async move {
            let parameters = WatchParams::default().timeout(290);
            let events = api.watch(&parameters, &version).await.expect("resources can be watched");
            let mut events = events.boxed();
            while let Ok(Some(event)) = events.try_next().await {
                if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                    let value = serde_json::to_value(object).expect("an object is JSON");
                    kept.lock().expect("nobody panics with it").push(Resource(value));
                }
            }
        });
        Self { seen, watch: watch.abort_handle() }
    }

    /// All versions of a resource up to this one, which was read from the API server.
    pub async fn versions(&self, until: &Resource) -> Vec<Resource> {
        let name = &until.0["metadata"]["name"];
        wait::until(wait::SOON, format!("the watch to show version {} of {name}", until.version()), async || {
            let seen = self.seen.lock().expect("nobody panics with it");
            let mine = || seen.iter().filter(|one| &one.0["metadata"]["name"] == name);
            let end = mine().position(|one| one.version() == until.version());
            end.map(|end| mine().take(end + 1).cloned().collect::<Vec<_>>())
        })
        .await
    }

    /// The reasons that `Ready` has had, without repetitions.
    ///
    /// # Panics
    ///
    /// If a version breaks a general rule: never `Reconciling` with `Stalled`, both only while true, and `Ready` with
    /// the same reason as the one that is present.
    pub async fn reasons(&self, until: &Resource) -> Vec<String> {
        let versions = self.versions(until).await;
        versions.iter().for_each(assert_well_formed);
        let mut reasons: Vec<String> =
            versions.iter().filter_map(|one| one.condition("Ready")).map(|ready| ready.reason).collect();
        reasons.dedup();
        reasons
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

#[track_caller]
fn assert_well_formed(resource: &Resource) {
    let Some(ready) = resource.condition("Ready") else { return };
    let (reconciling, stalled) = (resource.condition("Reconciling"), resource.condition("Stalled"));
    assert!(reconciling.is_none() || stalled.is_none(), "Reconciling and Stalled at once: {resource}");
    for one in [&reconciling, &stalled].into_iter().flatten() {
        assert_eq!(one.status, "True", "present only while true: {resource}");
        assert_ne!(ready.status, "True", "ready and on its way at once: {resource}");
        assert!(ready.status == "Unknown" || one.reason == ready.reason, "two reasons: {resource}");
    }
}
