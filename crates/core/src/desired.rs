//! What people want, validated once into a type that cannot be wrong.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MACsec encryption mode that the connection is to have in AWS. Unset: the mode is not managed.
///
/// `must_encrypt` stops all traffic while MACsec is not up, so under `Guarded` it is sent only after MACsec has been seen
/// working. `no_encrypt` stops all traffic too if the far end insists on MACsec, which AWS cannot show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

/// A connection of one region: what AWS calls are about and claims are made on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// AWS region.
    pub region: String,
    /// `dxcon-…`.
    pub id: String,
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.id, self.region)
    }
}

/// The wish of one generation of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Desired {
    /// The connection it is about.
    pub key: ConnectionKey,
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

/// What a spec says, before anyone has looked at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
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
    /// `spec.connectionName` is empty, too long or has control characters.
    #[error("spec.connectionName: {0:?} is not 1 to 200 characters without control characters")]
    Name(String),
}

impl Desired {
    /// Validates a spec. `default_region` is the operator's own.
    pub fn new(wish: &Wish<'_>, default_region: Option<&str>) -> Result<Self, InvalidSpec> {
        if !is_connection_id(wish.connection_id) {
            return Err(InvalidSpec::ConnectionId(shown(wish.connection_id)));
        }
        let region = wish.region.or(default_region).ok_or(InvalidSpec::NoRegion)?;
        if !is_region(region) {
            return Err(InvalidSpec::Region(shown(region)));
        }
        if let Some(name) = wish.name.filter(|name| !is_name(name)) {
            return Err(InvalidSpec::Name(shown(name)));
        }
        Ok(Self {
            key: ConnectionKey { region: region.to_owned(), id: wish.connection_id.to_owned() },
            name: wish.name.map(str::to_owned),
            mode: wish.mode,
            transition: wish.transition,
            policy: wish.policy,
            paused: wish.paused,
            generation: wish.generation,
        })
    }
}

/// As much of a bad value as fits into a message.
fn shown(value: &str) -> String {
    value.chars().take(80).collect()
}

/// `^dxcon-[a-z0-9]{8,}$`, at most 64 characters.
fn is_connection_id(id: &str) -> bool {
    id.len() <= 64
        && id
            .strip_prefix("dxcon-")
            .is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// `^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`, at most 32 characters.
pub fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let [partition, areas @ .., number] = parts.as_slice() else {
        return false;
    };
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    region.len() <= 32
        && (2..=4).contains(&partition.len())
        && letters(partition)
        && (1..=3).contains(&areas.len())
        && areas.iter().all(|area| letters(area))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// 1 to 200 characters, none of them a control character.
fn is_name(name: &str) -> bool {
    (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}
