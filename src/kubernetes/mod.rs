//! The Kubernetes API server: resources come in by a watch, decisions go out as status and events.
//!
//! Must not know: the AWS SDK. Knows the custom resource, the core's types and the state.

pub mod claims;
pub mod events;
pub mod kubeconfig;
pub mod lease;
pub mod object;
pub mod status;
pub mod watch;

use kube::client::AuthError;
use kube::runtime::reflector::ObjectRef;

pub use self::object::Watched;
use directconnect_core::identity::ResourceId;
use directconnect_core::text;

/// Reference to a resource.
pub type Reference = ObjectRef<Watched>;

/// The reference to a resource.
pub fn reference(resource: &ResourceId) -> Reference {
    Reference::new(&resource.name).within(&resource.namespace)
}

/// The message for a failed request to the API server, with all its causes.
///
/// For an error answer it is the answer's message alone, since kube would add the whole answer. For proxies and logins
/// that the operator does not support, it says what to set in the kubeconfig instead.
pub fn words(error: &kube::Error) -> String {
    let words = match error {
        kube::Error::Api(answer) => answer.to_string(),
        kube::Error::ProxyProtocolDisabled { proxy_url, .. } | kube::Error::ProxyProtocolUnsupported { proxy_url } => {
            let scheme = proxy_url.scheme_str().unwrap_or("no scheme");
            format!(
                "the API server's proxy is of a kind that is not supported ({scheme}): set proxy-url in the kubeconfig, or HTTPS_PROXY, to one that begins with http:// or https://, or add the API server to NO_PROXY"
            )
        }
        kube::Error::Auth(refused @ AuthError::AuthExec(_)) => format!(
            "{refused}: an auth-provider of the kubeconfig is not supported; use a token, a client certificate or an exec plugin (kubelogin, gke-gcloud-auth-plugin)"
        ),
        other => text::with_sources(other),
    };
    text::clean(&words)
}
