//! Types for the identity of regions, connections, accounts and resources, so that they cannot be confused.

use std::fmt;
use std::sync::Arc;

/// A string type with a shared value: cheap to clone, since each name is kept in many places.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type! {
    /// An AWS region, such as `eu-central-1`.
    RegionName
}
name_type! {
    /// Id of a Direct Connect connection, such as `dxcon-fg1234ab`.
    ConnectionId
}
name_type! {
    /// The AWS account that owns a connection, as AWS shows it.
    AccountId
}

impl RegionName {
    /// `^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`, at most 32 characters; anything else is `None`.
    pub fn parse(region: &str) -> Option<Self> {
        let parts: Vec<&str> = region.split('-').collect();
        let [partition, areas @ .., number] = parts.as_slice() else { return None };
        let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let valid = region.len() <= 32
            && (2..=4).contains(&partition.len())
            && letters(partition)
            && (1..=3).contains(&areas.len())
            && areas.iter().all(|area| letters(area))
            && (1..=2).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit());
        valid.then(|| Self(region.into()))
    }
}

impl ConnectionId {
    /// `^dxcon-[a-z0-9]{8,}$`, at most 64 characters; anything else is `None`.
    pub fn parse(id: &str) -> Option<Self> {
        let rest = id.strip_prefix("dxcon-")?;
        let valid =
            id.len() <= 64 && rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        valid.then(|| Self(id.into()))
    }
}

impl AccountId {
    /// Any value that AWS shows; accounts are only compared for equality.
    pub fn new(account: &str) -> Self {
        Self(account.into())
    }
}

/// A connection in a region. Claims, turns, locks, histories and ledgers belong to a circuit, not to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CircuitId {
    /// AWS region.
    pub region: RegionName,
    /// Id of the connection.
    pub id: ConnectionId,
}

impl fmt::Display for CircuitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.id, self.region)
    }
}

/// The credentials that calls are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credentials {
    /// The operator's own.
    Operator,
}

/// The unit of polling, of rate limiting and of fair shares: one region, read with one set of credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Credentials of the calls.
    pub credentials: Credentials,
    /// AWS region.
    pub region: RegionName,
}

impl Scope {
    /// A region, seen with the operator's own credentials.
    pub fn of_operator(region: RegionName) -> Self {
        Self { credentials: Credentials::Operator, region }
    }
}

/// A `DirectConnectConnection` of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    /// Namespace of the resource.
    pub namespace: Arc<str>,
    /// Name of the resource.
    pub name: Arc<str>,
}

impl ResourceId {
    /// The resource of that namespace and name.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
