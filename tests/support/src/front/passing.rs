//! A request that passes through a front. Tests choose by it which requests get trouble.

use std::fmt;
use std::time::Instant;

/// A request that passes through a front.
#[derive(Clone, Debug)]
pub struct Passing {
    /// `GET`, `PATCH`, ...
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The operation, if it is a call to AWS.
    pub operation: Option<String>,
    /// The body.
    pub body: String,
    /// When it arrived.
    pub at: Instant,
}

impl Passing {
    /// Whether it begins a watch, or a streamed list.
    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }

    /// Whether it is a streamed list.
    pub fn is_streaming_list(&self) -> bool {
        self.is_watch() && self.query.contains("sendInitialEvents=true")
    }

    /// Whether it reads resources, by a list, a watch or both.
    pub fn reads_resources(&self) -> bool {
        self.method == "GET" && self.path.ends_with("/directconnectconnections")
    }

    /// Whether it is a plain list of resources.
    pub fn lists_resources(&self) -> bool {
        self.reads_resources() && !self.is_watch()
    }

    /// Whether it writes the status of a resource.
    pub fn writes_status(&self) -> bool {
        self.method == "PATCH" && self.path.ends_with("/status")
    }

    /// Whether it is for a lease.
    pub fn is_about_a_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Whether it is a call of this AWS operation.
    pub fn calls(&self, operation: &str) -> bool {
        self.operation.as_deref() == Some(operation)
    }
}

impl fmt::Display for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Some(operation) => write!(f, "{operation} {}", self.body),
            None => write!(f, "{} {}?{}", self.method, self.path, self.query),
        }
    }
}
