//! The API server: what people want comes in by a watch, what was decided goes out as status and events.
//!
//! Must not know: the AWS SDK. Knows the custom resource and the core's types.

pub mod events;
pub mod index;
pub mod lease;
pub mod status;
pub mod watch;

use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;

use crate::api::DirectConnectConnection;

/// A resource as the watch brings it: whole, or what is wrong with it. A malformed one does not stop the others.
pub type Watched = DeserializeGuard<DirectConnectConnection>;

/// Reference to a resource.
pub type Reference = ObjectRef<Watched>;

/// What went wrong with a request to the API server, in its own words: kube would add the whole answer to them.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) => answer.to_string(),
        other => other.to_string(),
    }
}
