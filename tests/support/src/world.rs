//! The world of a test: everything that a test of the operator needs.

use crate::control_plane::ControlPlane;
use crate::front::{Front, kubeconfig_via};
use crate::operator::{Operator, OperatorBuilder, Response};
use crate::resource::{self, GROUP, Manifest, Resource};
use crate::{shipped_rbac, wait};
use direct_connect_simulator::{Call, Simulator};
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The operator's own region, unless a test sets another.
pub const REGION: &str = "eu-central-1";

/// A namespace, an operator that serves it, and a simulated Direct Connect, for one test.
pub struct World {
    /// This field is dropped first, so that a failed test prints the operator's log last.
    operator: Option<Operator>,
    /// How the operator was started, and will be started again.
    pub settings: OperatorBuilder,
    /// The simulated Direct Connect.
    pub aws: Simulator,
    /// The namespace of the resources.
    pub namespace: String,
    /// A client with an administrator's permissions.
    pub client: Client,
    /// The API server. It is shared with other tests unless the builder was given one.
    pub control_plane: Arc<ControlPlane>,
    /// The operator's kubeconfig: a service account with the permissions of the shipped manifests.
    pub kubeconfig: PathBuf,
}

/// Builds a world.
#[derive(Default)]
pub struct WorldBuilder {
    control_plane: Option<Arc<ControlPlane>>,
    changes: Vec<Box<dyn FnOnce(OperatorBuilder) -> OperatorBuilder>>,
    without_crd: bool,
    without_operator: bool,
}

impl WorldBuilder {
    /// Uses this API server and not the shared one.
    #[must_use]
    pub fn on(mut self, control_plane: Arc<ControlPlane>) -> Self {
        self.control_plane = Some(control_plane);
        self
    }

    /// Sets a flag of the operator, given by its name with the dashes.
    #[must_use]
    pub fn flag(self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.operator(|operator| operator.flag(name, value))
    }

    /// Sets an environment variable of the operator.
    #[must_use]
    pub fn env(self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.operator(|operator| operator.env(name, value))
    }

    /// Changes how the operator is started.
    #[must_use]
    pub fn operator(mut self, change: impl FnOnce(OperatorBuilder) -> OperatorBuilder + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Does not install the CRD. This needs a separate API server.
    #[must_use]
    pub fn without_crd(mut self) -> Self {
        self.without_crd = true;
        self
    }

    /// Does not start the operator; see [`World::start_operator`].
    #[must_use]
    pub fn without_operator(mut self) -> Self {
        self.without_operator = true;
        self
    }

    /// Builds the world.
    pub async fn build(self) -> World {
        let control_plane = match self.control_plane {
            Some(given) => given,
            None => ControlPlane::shared().await,
        };
        if !self.without_crd {
            control_plane.install_crd().await;
        }
        let namespace = control_plane.namespace().await;
        let kubeconfig = control_plane.service_account_kubeconfig(&namespace, &shipped_rbac()).await;
        let aws = Simulator::start().await;
        let settings = Operator::builder()
            .env("KUBECONFIG", kubeconfig.to_string_lossy())
            .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", aws.endpoint())
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", REGION)
            .env("RUST_LOG", "info,directconnect_operator=debug")
            .flag("--poll-interval", "200ms")
            .flag("--settle-window", "1s")
            .flag("--encryption-soak", "400ms")
            .flag("--watch-namespace", &namespace)
            .flag("--lease-namespace", &namespace)
            .flag("--http-address", "127.0.0.1:0")
            .flag("--log-format", "json");
        let settings = self.changes.into_iter().fold(settings, |settings, change| change(settings));
        let client = control_plane.client().await;
        let mut world = World { operator: None, settings, aws, namespace, client, control_plane, kubeconfig };
        if !self.without_operator {
            world.start_operator();
        }
        world
    }
}

impl World {
    /// A world whose operator has short poll intervals and settle windows.
    pub async fn new() -> Self {
        Self::builder().build().await
    }

    /// Builds a world with other properties.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// The operator.
    #[track_caller]
    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("the test has started the operator")
    }

    /// Starts the operator. A running one is killed first.
    pub fn start_operator(&mut self) -> &Operator {
        self.stop_operator();
        self.operator.insert(self.settings.start())
    }

    /// Kills the operator.
    pub fn stop_operator(&mut self) {
        self.operator = None;
    }

    /// Puts a front between Direct Connect and the next operator that is started.
    pub async fn front_of_aws(&mut self) -> Front {
        let front = Front::of_http(&self.aws.endpoint()).await;
        self.settings = self.settings.clone().env("AWS_ENDPOINT_URL_DIRECT_CONNECT", front.url());
        front
    }

    /// Puts a front between the API server and the next operator that is started.
    pub async fn front_of_api_server(&mut self) -> Front {
        let front = Front::of_api_server(&self.kubeconfig).await;
        let kubeconfig = kubeconfig_via(&self.kubeconfig, &front.url(), "front");
        self.settings = self.settings.clone().env("KUBECONFIG", kubeconfig.to_string_lossy());
        front
    }

    /// Gets a path from the operator's HTTP server.
    pub async fn http_get(&self, path: &str) -> Response {
        self.operator().http_get(path).await
    }

    /// Applies a manifest, as `kubectl apply --server-side` does.
    pub async fn apply(&self, manifest: Manifest) -> Resource {
        let shown = manifest.json();
        self.try_apply(manifest).await.unwrap_or_else(|error| panic!("{error}: {shown}"))
    }

    /// Applies a manifest that the API server may refuse.
    pub async fn try_apply(&self, manifest: Manifest) -> kube::Result<Resource> {
        let parameters = PatchParams::apply("test").force();
        self.api().patch(&manifest.name, &parameters, &Patch::Apply(manifest.json())).await.map(into_resource)
    }

    /// Merges a patch into a resource.
    pub async fn patch(&self, name: &str, patch: Value) -> Resource {
        let patched = self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        into_resource(patched.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Merges a patch into the status of a resource, as an administrator can.
    pub async fn patch_status(&self, name: &str, status: Value) -> Resource {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self.api().patch_status(name, &PatchParams::default(), &patch).await;
        into_resource(patched.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Sets an annotation of the operator, given by its name after the slash; `None` removes it.
    pub async fn annotate(&self, name: &str, annotation: &str, value: Option<&str>) -> Resource {
        let annotation = format!("{GROUP}/{annotation}");
        self.patch(name, json!({ "metadata": { "annotations": { annotation: value } } })).await
    }

    /// Deletes a resource.
    pub async fn delete(&self, name: &str) {
        let deleted = self.api().delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Waits until a deleted resource is gone.
    #[track_caller]
    pub fn gone(&self, name: &str) -> impl Future<Output = ()> {
        wait::until(wait::SOON, format!("{name} to be gone"), async move || match self.api().get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(left)) => Err(into_resource(left).to_string()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// The current resource.
    pub async fn get(&self, name: &str) -> Resource {
        into_resource(self.api().get(name).await.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Waits until a condition holds for a resource.
    #[track_caller]
    pub fn until(
        &self,
        name: &str,
        what: impl Display,
        is_met: impl Fn(&Resource) -> bool,
    ) -> impl Future<Output = Resource> {
        wait::until(wait::SOON, format!("{name} to be {what}"), async move || {
            let resource = self.api().get(name).await.map(into_resource).map_err(|error| error.to_string())?;
            if is_met(&resource) { Ok(resource) } else { Err(format!("{resource}{}", self.operators_end())) }
        })
    }

    /// Waits until a resource is ready in its newest generation.
    #[track_caller]
    pub fn ready(&self, name: &str) -> impl Future<Output = Resource> {
        self.until(name, "ready", |resource| {
            resource.is_observed() && resource.condition("Ready").is_some_and(|ready| ready.status == "True")
        })
    }

    /// Waits until a condition has this status and this reason, for the newest generation.
    #[track_caller]
    pub fn condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> impl Future<Output = Resource> {
        self.until(name, format!("{kind} {status} {reason}"), move |resource| resource.is(kind, status, reason))
    }

    /// The events of a resource.
    pub async fn events(&self, name: &str) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let about = ListParams::default().fields(&format!("regarding.name={name}"));
        events.list(&about).await.expect("events can be listed").items
    }

    /// All calls of `UpdateConnection` so far.
    pub fn updates(&self) -> Vec<Call> {
        let is_update = |call: &Call| call.operation == "UpdateConnection";
        self.aws.calls().into_iter().filter(is_update).collect()
    }

    /// Waits for this many more polls of a whole account. When it returns, the operator has reacted to the poll before
    /// the last.
    #[track_caller]
    pub fn polls(&self, count: usize) -> impl Future<Output = ()> {
        let begun = self.aws.calls().len();
        let deadline = wait::SOON + Duration::from_secs(count as u64);
        wait::until(deadline, format!("{count} polls"), async move || {
            let calls = self.aws.calls();
            let ended = calls.iter().skip(begun).filter(|call| starts_poll(call)).count();
            if ended >= count { Ok(()) } else { Err(format!("{ended}{}", self.operators_end())) }
        })
    }

    fn api(&self) -> Api<DynamicObject> {
        resource::api(self.client.clone(), Some(&self.namespace))
    }

    /// The message to add to a failure if the operator has ended.
    fn operators_end(&self) -> String {
        let status = self.operator.as_ref().and_then(Operator::exit);
        status.map(|status| format!("\nand the operator has ended: {status}")).unwrap_or_default()
    }
}

/// Whether a call has read the first page of a whole account.
fn starts_poll(call: &Call) -> bool {
    let parameter = |name| call.parameter(name).is_some();
    call.operation == "DescribeConnections"
        && call.finished.is_some()
        && !parameter("connectionId")
        && !parameter("nextToken")
}

fn into_resource(object: DynamicObject) -> Resource {
    Resource(serde_json::to_value(object).expect("an object is JSON"))
}
