//! Access to the cluster and its resources.

use std::time::Duration;

use directconnect_operator::kubernetes::{Watched, words};
use kube::api::{ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::arguments::ClusterFlags;
use crate::problem::Problem;

/// How long the API server may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// The cluster of a kubeconfig context.
pub struct Cluster {
    /// The client for its API server.
    pub client: Client,
    /// The default namespace.
    pub namespace: String,
}

impl Cluster {
    /// Connects to the cluster of the kubeconfig, or to that of the pod.
    pub async fn connect(flags: &ClusterFlags) -> Result<Self, Problem> {
        let mut config = config(flags).await?;
        config.read_timeout = Some(SILENCE);
        config.connect_timeout = Some(SILENCE);
        config.default_retry = false;
        let namespace = flags.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|error| format!("the Kubernetes configuration does not work: {}", words(&error)))?;
        Ok(Self { client, namespace })
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
        Ok(listed.map_err(|error| unlisted(&error))?.items)
    }

    /// Lists the resources of all namespaces as complete objects.
    pub async fn list_whole(&self) -> Result<Vec<serde_json::Value>, Problem> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::erase::<Watched>(&()));
        let listed = api.list(&kube::api::ListParams::default()).await.map_err(|error| unlisted(&error))?;
        let whole = listed.items.into_iter().map(serde_json::to_value).collect::<Result<_, _>>();
        whole.map_err(|error| Problem::new(error.to_string()))
    }
}

async fn config(flags: &ClusterFlags) -> Result<Config, Problem> {
    let options = KubeConfigOptions { context: flags.context.clone(), ..KubeConfigOptions::default() };
    if options.context.is_none() {
        return Config::infer().await.map_err(|error| {
            Problem::new(format!("no Kubernetes cluster: no kubeconfig was found (set KUBECONFIG): {error}"))
        });
    }
    let kubeconfig = Kubeconfig::read().map_err(|error| format!("the kubeconfig cannot be read: {error}"))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    config.map_err(|error| {
        let context = options.context.unwrap_or_default();
        Problem::new(format!("--context {context:?}: {error}; `kubectl config get-contexts` lists them"))
    })
}

/// The message for resources that cannot be listed.
pub fn unlisted(error: &kube::Error) -> Problem {
    Problem::new(match error {
        kube::Error::Api(answer) if answer.code == 404 => {
            "the cluster does not know DirectConnectConnection: install the CRD of directconnect-operator first"
                .to_owned()
        }
        kube::Error::Api(answer) if answer.code == 403 => format!("{}; ask for the right to list them", words(error)),
        _ => format!("the resources of the cluster cannot be listed: {}", words(error)),
    })
}
