//! Access to the cluster and its resources.

mod retry;

use std::collections::BTreeSet;
use std::time::Duration;

use directconnect_core::text;
use directconnect_operator::kubernetes::kubeconfig::{self, Found};
use directconnect_operator::kubernetes::{Watched, words};
use kube::api::{ApiResource, DynamicObject};
use kube::client::ClientBuilder;
use kube::config::KubeconfigError;
use kube::{Api, Client};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use self::retry::RetryReads;
use crate::arguments::{ClusterFlags, flag};
use crate::problem::Problem;

/// How long the API server may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// More requests than any command makes at once.
const MAX_REQUESTS: usize = 16;

/// The cluster of a kubeconfig context.
pub struct Cluster {
    /// The client for its API server.
    pub client: Client,
    /// The default namespace.
    pub namespace: String,
    /// The end of other commands for this cluster that are printed: the context, if it was given.
    pub context_flag: String,
    /// Its API server, and the context of the kubeconfig that names it.
    server: String,
    context: Option<String>,
}

impl Cluster {
    /// Connects to the cluster of the kubeconfig, or to that of the pod.
    pub async fn connect(flags: &ClusterFlags) -> Result<Self, Problem> {
        let wanted = flags.context.as_deref();
        let found = kubeconfig::find(wanted).await;
        let Found { mut config, context } = found.map_err(|error| unusable(&error, wanted))?;
        let server = config.cluster_url.to_string();
        config.read_timeout = Some(SILENCE);
        config.connect_timeout = Some(SILENCE);
        // kube's own retry makes writes again too, and waits as long as the server says.
        config.default_retry = false;
        let namespace = flags.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = ClientBuilder::try_from(config)
            .map_err(|error| format!("the Kubernetes configuration does not work: {}", words(&error)))?;
        // What is called again has to be cloned, and a buffer can be.
        let client = client.with_layer(&BufferLayer::new(MAX_REQUESTS));
        let client = client.with_layer(&RetryLayer::new(RetryReads::default())).build();
        Ok(Self { client, namespace, context_flag: flags.context_flag(), server, context })
    }

    /// The API for the resources of one namespace or of all.
    pub fn resources(&self, all_namespaces: bool) -> Api<Watched> {
        if all_namespaces {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        }
    }

    /// Lists the resources of one namespace or of all.
    pub async fn list(&self, all_namespaces: bool) -> Result<Vec<Watched>, Problem> {
        let listed = self.resources(all_namespaces).list(&kube::api::ListParams::default()).await;
        Ok(listed.map_err(|error| self.unlisted(&error))?.items)
    }

    /// Lists the resources of these namespaces, or of all if none is named, as complete objects.
    pub async fn list_whole(&self, namespaces: &[String]) -> Result<Vec<serde_json::Value>, Problem> {
        let kind = ApiResource::erase::<Watched>(&());
        let namespaces: BTreeSet<&String> = namespaces.iter().collect();
        let api = |namespace: &&String| Api::namespaced_with(self.client.clone(), namespace, &kind);
        let mut apis: Vec<Api<DynamicObject>> = namespaces.iter().map(api).collect();
        if apis.is_empty() {
            apis.push(Api::all_with(self.client.clone(), &kind));
        }
        let mut whole = Vec::new();
        for api in apis {
            let listed = api.list(&kube::api::ListParams::default()).await.map_err(|error| match &error {
                kube::Error::Api(answer) if answer.code == 403 && namespaces.is_empty() => Problem::new(format!(
                    "{}; ask for the right to list them, or name with --watch-namespace those namespaces that the operator watches, if you may list them there",
                    words(&error)
                )),
                error => self.unlisted(error),
            })?;
            for object in listed.items {
                whole.push(serde_json::to_value(object).map_err(|error| Problem::new(error.to_string()))?);
            }
        }
        Ok(whole)
    }

    /// The message for a name that the namespace does not have.
    pub fn not_found(&self, name: &str) -> Problem {
        let Self { namespace, context_flag, .. } = self;
        Problem::new(format!(
            "{name} was not found in namespace {namespace}; `kubectl dxcon status -A{context_flag}` lists what there is"
        ))
    }

    /// The message for resources that cannot be listed.
    pub fn unlisted(&self, error: &kube::Error) -> Problem {
        match error {
            kube::Error::Api(answer) if answer.code == 404 => Problem::new(
                "the cluster does not know DirectConnectConnection: install the CRD of directconnect-operator first",
            ),
            kube::Error::Api(answer) if answer.code == 403 => {
                Problem::new(format!("{}; ask for the right to list them", words(error)))
            }
            kube::Error::Api(answer) if answer.code == 401 => Problem::new(format!(
                "{}: the API server {} does not accept your login; log in again, or name another with --context",
                words(error),
                self.server
            )),
            kube::Error::Api(_) => {
                Problem::new(format!("the resources of the cluster cannot be listed: {}", words(error)))
            }
            _ => self.unanswered(error),
        }
    }

    /// The message for an API server that gives no answer, or none that can be read.
    pub fn unanswered(&self, error: &kube::Error) -> Problem {
        let why = match error {
            kube::Error::Service(error) => text::clean(&text::with_sources(&**error)),
            error => words(error),
        };
        let of = self.context.as_ref().map(|context| format!(" of context {context:?}")).unwrap_or_default();
        let flag = flag("--context", self.context.as_deref());
        Problem::new(format!(
            "the API server {}{of} does not answer: {why}; see with `kubectl version{flag}` whether it is up, or name another with --context",
            self.server
        ))
    }
}

/// The message for a kubeconfig that names no cluster.
fn unusable(error: &KubeconfigError, wanted: Option<&str>) -> Problem {
    let kubeconfig = kubeconfig::named();
    let lists = "`kubectl config get-contexts` lists them";
    Problem::new(match error {
        KubeconfigError::CurrentContextNotSet => {
            format!("{kubeconfig} has no current context: name one with --context; {lists}")
        }
        KubeconfigError::LoadContext(_) if let Some(wanted) = wanted => {
            format!("--context {wanted:?}: {kubeconfig} has no such context; {lists}")
        }
        KubeconfigError::LoadContext(gone) => format!(
            "the current context of {kubeconfig} is {gone:?}, which it does not have: name another with --context; {lists}"
        ),
        other => kubeconfig::unusable(other),
    })
}
