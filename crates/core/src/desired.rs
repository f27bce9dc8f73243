//! What people want: a spec, validated once into a type that cannot be wrong.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{CircuitId, ConnectionId, RegionName};

/// A MACsec encryption mode of AWS; the order is that of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

impl fmt::Display for EncryptionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEncrypt => "no_encrypt",
            Self::ShouldEncrypt => "should_encrypt",
            Self::MustEncrypt => "must_encrypt",
        })
    }
}

/// How a change of the encryption mode is made on a live link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EncryptionTransition {
    /// `must_encrypt` is sent only after MACsec has been seen working for a while.
    #[default]
    Guarded,
    /// `must_encrypt` is sent at once, whatever it does to the link.
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

/// What one generation of one resource asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Desired {
    /// The connection it is about.
    pub circuit: CircuitId,
    /// Name to have in AWS; `None`: not managed.
    pub name: Option<String>,
    /// Mode to have in AWS; `None`: not managed.
    pub mode: Option<EncryptionMode>,
    /// How a mode change is made.
    pub transition: EncryptionTransition,
    /// Whether it may be changed at all.
    pub policy: ManagementPolicy,
    /// Whether people asked for no change for now.
    pub paused: bool,
    /// Generation of the spec that says all this.
    pub generation: i64,
}

/// The region of the operator itself, for resources that name none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DefaultRegion {
    /// Nothing sets one.
    #[default]
    Unset,
    /// `AWS_REGION`, a profile or the instance says it.
    Set(RegionName),
    /// One of those says something that is no region: which, and what, as words that go on with a colon.
    Invalid(String),
}

/// What a spec says, before anyone has looked at it.
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
    /// The annotation that pauses.
    pub paused: bool,
    /// `metadata.generation`.
    pub generation: i64,
}

/// A spec that the CRD of today would have refused, or that lacks a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// `spec.connectionId` is no connection id.
    #[error(
        "spec.connectionId: {0:?} is not a Direct Connect connection id; it reads dxcon- and eight or more lower-case letters or digits, such as dxcon-fg1234ab"
    )]
    ConnectionId(String),
    /// `spec.region` is no region.
    #[error("spec.region: {0:?} is not an AWS region; it reads such as eu-central-1")]
    Region(String),
    /// Neither the spec nor the operator says a region.
    #[error(
        "spec.region is not set and the operator has no region of its own: set AWS_REGION on the operator, or create the resource anew with spec.region (it cannot be added later)"
    )]
    NoRegion,
    /// The operator's own region is no region.
    #[error(
        "the operator's own region is set wrong: {0}: correct it on the operator, or create the resource anew with spec.region (it cannot be added later)"
    )]
    DefaultRegion(String),
    /// `spec.connectionName` is empty, too long, has control characters or a blank at an end.
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

    /// Whether nothing is ever sent for it.
    pub fn observes_only(&self) -> bool {
        self.policy == ManagementPolicy::Observe
    }

    /// Whether it wants this mode, or a stricter one on the way to which this mode lies.
    pub fn wants_at_least(&self, mode: EncryptionMode) -> bool {
        self.mode.is_some_and(|wanted| wanted >= mode)
    }
}

/// As much of a bad value as fits into a message.
fn excerpt(value: &str) -> String {
    value.chars().take(80).collect()
}

/// 1 to 200 characters, none of them a control character, no blank at either end.
fn is_name(name: &str) -> bool {
    (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) && name.trim() == name
}
