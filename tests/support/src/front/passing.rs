//! A request on its way through, as tests choose which are in trouble.

use std::fmt;
use std::time::Instant;

/// A request on its way through.
#[derive(Clone, Debug)]
pub struct Passing {
    /// `GET`, `PATCH`, ...
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// The operation, where it goes to AWS.
    pub operation: Option<String>,
    /// What it carries.
    pub body: String,
    /// When it came.
    pub at: Instant,
}

impl Passing {
    /// Whether it begins a watch, or a list that is streamed.
    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }

    /// Whether it is a list that is streamed.
    pub fn is_streaming_list(&self) -> bool {
        self.is_watch() && self.query.contains("sendInitialEvents=true")
    }

    /// Whether it reads resources: by a list, a watch or both.
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

    /// Whether it is about a lease.
    pub fn is_about_a_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Whether it is a call of this operation of AWS.
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
