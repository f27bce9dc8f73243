//! The desired state: a spec that was validated once and cannot be invalid any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::identity::{CircuitId, ConnectionId, RegionName};

/// A MACsec encryption mode of AWS; the order is that of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
// In a CRD the description of a type takes the place of that of an optional field, which says more.
#[schemars(description = "")]
pub enum EncryptionMode {
    /// Clear text.
    NoEncrypt,
    /// Encrypted while MACsec is up, clear text otherwise.
    ShouldEncrypt,
    /// Encrypted or nothing: while MACsec is down, no packet passes.
    MustEncrypt,
}

/// How a change of the encryption mode is made on a live link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EncryptionTransition {
    /// `must_encrypt` is sent only after MACsec has been seen working for a while.
    #[default]
    Guarded,
    /// `must_encrypt` is sent without waiting for MACsec, in its turn, and once.
    Immediate,
}

/// Whether the operator may change the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Make AWS match the spec.
    #[default]
    Manage,
    /// Only report what differs.
    Observe,
}

/// The validated spec of one generation of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Desired {
    /// The connection it is about.
    pub circuit: CircuitId,
    /// Desired name; `None`: the name is not managed.
    pub name: Option<String>,
    /// Desired mode; `None`: the mode is not managed.
    pub mode: Option<EncryptionMode>,
    /// How a mode change is made.
    pub transition: EncryptionTransition,
    /// Whether the operator may change the connection at all.
    pub policy: ManagementPolicy,
    /// Whether the annotation pauses the resource.
    pub paused: bool,
    /// Generation of the spec.
    pub generation: i64,
}

/// The region for resources that name none: the operator's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DefaultRegion {
    /// No region is configured.
    #[default]
    Unset,
    /// The region from `AWS_REGION`, a profile or instance metadata.
    Set(RegionName),
    /// The configured value is not a region. The text says where it came from and what it is.
    Invalid(String),
}

/// A spec before validation.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpecInput<'a> {
    /// `spec.connectionId`.
    pub connection_id: &'a str,
    /// `spec.region`.
    pub region: Option<&'a str>,
    /// `spec.connectionName`.
    pub name: Option<&'a str>,
    /// `spec.encryptionMode`.
    pub mode: Option<EncryptionMode>,
    /// `spec.encryptionTransition`.
    pub transition: EncryptionTransition,
    /// `spec.managementPolicy`.
    pub policy: ManagementPolicy,
    /// Whether the pause annotation is set.
    pub paused: bool,
    /// `metadata.generation`.
    pub generation: i64,
}

/// A spec that the current CRD would have refused, or that lacks a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// `spec.connectionId` is not a connection id.
    #[error(
        "spec.connectionId: {0:?} is not a Direct Connect connection id; it reads dxcon- and eight or more lower-case letters or digits, such as dxcon-fg1234ab"
    )]
    ConnectionId(String),
    /// `spec.region` is not a region.
    #[error("spec.region: {0:?} is not an AWS region; it reads such as eu-central-1")]
    Region(String),
    /// Neither the spec nor the operator's configuration names a region.
    #[error(
        "spec.region is not set and the operator has no region of its own: set AWS_REGION on the operator, or create the resource anew with spec.region (it cannot be added later)"
    )]
    NoRegion,
    /// The configured region of the operator is not a region.
    #[error(
        "the operator's own region is set wrong: {0}: correct it on the operator, or create the resource anew with spec.region (it cannot be added later)"
    )]
    DefaultRegion(String),
    /// `spec.connectionName` is empty, is too long, contains control characters, or begins or ends with white space.
    #[error(
        "spec.connectionName: {0:?} is not 1 to 200 characters without control characters and without a blank at either end"
    )]
    Name(String),
}

impl Desired {
    /// Validates a spec. `default_region` is the operator's own.
    pub fn new(spec: &SpecInput<'_>, default_region: &DefaultRegion) -> Result<Self, InvalidSpec> {
        let id = ConnectionId::parse(spec.connection_id)
            .ok_or_else(|| InvalidSpec::ConnectionId(excerpt(spec.connection_id)))?;
        let region = match (spec.region, default_region) {
            (Some(region), _) => RegionName::parse(region).ok_or_else(|| InvalidSpec::Region(excerpt(region)))?,
            (None, DefaultRegion::Set(region)) => region.clone(),
            (None, DefaultRegion::Unset) => return Err(InvalidSpec::NoRegion),
            (None, DefaultRegion::Invalid(problem)) => return Err(InvalidSpec::DefaultRegion(problem.clone())),
        };
        if let Some(name) = spec.name.filter(|name| !is_name(name)) {
            return Err(InvalidSpec::Name(excerpt(name)));
        }
        Ok(Self {
            circuit: CircuitId { region, id },
            name: spec.name.map(str::to_owned),
            mode: spec.mode,
            transition: spec.transition,
            policy: spec.policy,
            paused: spec.paused,
            generation: spec.generation,
        })
    }

    /// Whether the policy is `Observe`, so that nothing is ever sent.
    pub fn observes_only(&self) -> bool {
        self.policy == ManagementPolicy::Observe
    }
}

/// The part of an invalid value that a message shows.
fn excerpt(value: &str) -> String {
    value.chars().take(80).collect()
}

/// Valid names have 1 to 200 characters, no control characters, and no white space at either end.
fn is_name(name: &str) -> bool {
    (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) && name.trim() == name
}
