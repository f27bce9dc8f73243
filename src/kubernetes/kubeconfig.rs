//! Finds the cluster as kubectl does: in the files of `KUBECONFIG`, else in `~/.kube/config`, else it is that of the pod.

use std::io::ErrorKind;

use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

/// The environment variable that names the files.
const VARIABLE: &str = "KUBECONFIG";

/// A cluster.
pub struct Found {
    /// How to connect to it.
    pub config: Config,
    /// The context of the kubeconfig that names it; `None` for that of the pod.
    pub context: Option<String>,
}

/// Finds the cluster of this context, or of the current one; without a kubeconfig that of the pod. A kubeconfig that is there
/// and cannot be used is an error: the cluster of the pod is not the one that was meant.
pub async fn find(context: Option<&str>) -> Result<Found, KubeconfigError> {
    match read() {
        Ok(kubeconfig) if says_nothing(&kubeconfig) => in_pod(context).ok_or(KubeconfigError::CurrentContextNotSet),
        Ok(kubeconfig) => {
            let context = context.map(str::to_owned).or_else(|| kubeconfig.current_context.clone());
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await?;
            set_proxy(&mut config, &kubeconfig, context.as_deref());
            Ok(Found { config, context })
        }
        Err(error) if is_missing(&error) => in_pod(context).ok_or(error),
        Err(error) => Err(error),
    }
}

/// The cluster of the pod, unless a context is asked for: only a kubeconfig has one.
fn in_pod(context: Option<&str>) -> Option<Found> {
    let config = if context.is_some() { None } else { Config::incluster().ok() };
    config.map(|config| Found { config, context: None })
}

/// What is wrong with the kubeconfig, and what to do next.
pub fn unusable(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::FindPath => {
            "no Kubernetes cluster: neither a kubeconfig nor a pod's service account was found; set KUBECONFIG to one"
                .to_owned()
        }
        KubeconfigError::ReadConfig(_, path) if is_missing(error) => {
            format!(
                "no Kubernetes cluster: there is no kubeconfig {}, nor a pod's service account; set KUBECONFIG to one",
                path.display()
            )
        }
        other => {
            // What follows the first line of a parser's message only shows the position.
            let words = other.to_string();
            let first = words.lines().next().unwrap_or_default();
            format!("{} cannot be used: {first}; correct it, or set KUBECONFIG to another", named())
        }
    }
}

/// The kubeconfig as messages call it.
pub fn named() -> String {
    let named = std::env::var(VARIABLE).ok().filter(|named| !named.is_empty());
    format!("the kubeconfig {}", named.as_deref().unwrap_or("~/.kube/config"))
}

/// The files of `KUBECONFIG` that are there, merged; if it is not set, the usual file. The error for files of which none is
/// there is that of the first.
fn read() -> Result<Kubeconfig, KubeconfigError> {
    let named = std::env::var_os(VARIABLE).unwrap_or_default();
    let mut files = std::env::split_paths(&named).filter(|file| !file.as_os_str().is_empty());
    let Some(first) = files.next() else { return Kubeconfig::read().map(without_empty_context) };
    let read_file = |file| Kubeconfig::read_from(file).map(without_empty_context);
    let mut merged = read_file(first);
    for file in files {
        merged = match (merged, read_file(file)) {
            (Ok(merged), Ok(next)) => merged.merge(next),
            (Ok(merged), Err(error)) if is_missing(&error) => Ok(merged),
            (Err(error), next @ Ok(_)) if is_missing(&error) => next,
            (Err(error), Err(next)) if is_missing(&error) && !is_missing(&next) => Err(next),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    merged
}

/// `kubectl config unset current-context` leaves an empty one.
fn without_empty_context(mut kubeconfig: Kubeconfig) -> Kubeconfig {
    kubeconfig.current_context = kubeconfig.current_context.filter(|context| !context.is_empty());
    kubeconfig
}

/// Whether there is no kubeconfig.
fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => {
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

/// Whether a kubeconfig is empty, as `/dev/null` is. Then it counts as none.
fn says_nothing(kubeconfig: &Kubeconfig) -> bool {
    kubeconfig.current_context.is_none()
        && kubeconfig.contexts.is_empty()
        && kubeconfig.clusters.is_empty()
        && kubeconfig.auth_infos.is_empty()
}

/// Sets the proxy for the API server: that of the kubeconfig, else that of the environment unless `NO_PROXY` names the API
/// server. kube compares `NO_PROXY` with the address of the proxy instead, whoever names it. In a pod there is none.
fn set_proxy(config: &mut Config, kubeconfig: &Kubeconfig, context: Option<&str>) {
    let of_environment = || {
        let variable = |name| std::env::var(name).ok().filter(|proxy| !proxy.is_empty());
        let proxy = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(variable)?;
        Matcher::from_env().intercept(&config.cluster_url)?;
        Some(proxy)
    };
    let proxy = of_kubeconfig(kubeconfig, context).or_else(of_environment);
    config.proxy_url = proxy.and_then(|proxy| proxy.parse().ok());
}

/// The proxy that a kubeconfig names for this context.
fn of_kubeconfig(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|named| Some(named.name.as_str()) == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|proxy| !proxy.is_empty())
}
