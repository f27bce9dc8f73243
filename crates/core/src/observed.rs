//! A Direct Connect connection as AWS shows it, with the values of its API.
//!
//! AWS may return values that its documentation does not list. Such a value is kept unchanged (`Other`), is shown in
//! status, and never leads to an update.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::EncryptionMode;

/// A connection as `DescribeConnections` or `UpdateConnection` returned it, field for field.
///
/// What AWS left out is absent. Lists are in a fixed order, since AWS may reorder them between two calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Name of the connection in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<String>,
    /// State of the connection: `ordering`, `requested`, `pending`, `available`, `down`, `deleting`, `deleted`,
    /// `rejected` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_state: Option<ConnectionState>,
    /// MACsec encryption mode in AWS: `no_encrypt`, `should_encrypt` or `must_encrypt`. Absent or `unknown` on
    /// connections without MACsec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_mode: Option<ObservedMode>,
    /// Whether the MACsec session of the port is up: `Encryption Up` or `Encryption Down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_encryption_status: Option<PortEncryptionStatus>,
    /// Whether the port supports MACsec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_sec_capable: Option<bool>,
    /// MACsec keys associated with the connection, ordered by `ckn`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mac_sec_keys: Vec<MacSecKey>,
    /// AWS account that owns the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_account: Option<String>,
    /// AWS region of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Direct Connect location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Bandwidth of the connection, such as `10Gbps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<String>,
    /// VLAN of a hosted connection. Absent on dedicated connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<i32>,
    /// Partner that the connection belongs to, as AWS names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_name: Option<String>,
    /// Service provider of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<String>,
    /// When AWS last issued the letter of authorization, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loa_issue_time: Option<String>,
    /// Link aggregation group that the connection is a member of. A member takes its encryption mode from the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_id: Option<String>,
    /// Endpoint device on the AWS side (earlier form of `awsDeviceV2`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_device: Option<String>,
    /// Endpoint device on the AWS side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_device_v2: Option<String>,
    /// Endpoint that terminates the logical connection on the AWS side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_logical_device_id: Option<String>,
    /// Whether the connection supports a secondary BGP peer in the same address family: `yes`, `no` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_logical_redundancy: Option<String>,
    /// Whether jumbo frames are supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumbo_frame_capable: Option<bool>,
    /// Tags of the connection in AWS, ordered by key.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<Tag>,
    /// Use of the rate limiters of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiter_status: Option<RateLimiterStatus>,
    /// Whether the partner's interconnect supports MACsec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_interconnect_mac_sec_capable: Option<bool>,
    /// Size of the IPv4 prefix pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_size_ipv4: Option<i32>,
    /// Size of the IPv6 prefix pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_size_ipv6: Option<i32>,
    /// IPv4 prefixes of the pool that are not yet allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_unallocated_count_ipv4: Option<i32>,
    /// IPv6 prefixes of the pool that are not yet allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_unallocated_count_ipv6: Option<i32>,
    /// How the connection is billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_mode: Option<String>,
}

/// A MACsec key of a connection. Its secret is never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MacSecKey {
    /// Connection key name, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ckn: Option<String>,
    /// ARN of the secret in AWS Secrets Manager that holds the key.
    #[serde(rename = "secretARN", skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    /// `associating`, `associated`, `disassociating` or `disassociated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the key takes effect, as AWS writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on: Option<String>,
}

/// Use of the rate limiters of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimiterStatus {
    /// Rate limiters that the connection may have.
    pub max_allowed: i32,
    /// Rate limiters in use.
    pub in_use: i32,
    /// Rate limiters that can still be added.
    pub remaining: i32,
    /// Bandwidth that the rate limiters in use add up to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bandwidth: Option<String>,
}

/// A tag of a connection in AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Tag {
    /// Key of the tag.
    pub key: String,
    /// Value of the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Declares an enum of the values that AWS documents, with a variant for all others.
macro_rules! open_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(from = "String", into = "String")]
        // In a CRD the description of a type takes the place of that of an optional field, which says more.
        #[schemars(description = "")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that AWS does not document, unchanged.
            Other(String),
        }

        impl $name {
            /// The value as AWS writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    };
}

open_words! {
    /// `connectionState` (AWS API reference, `Connection`).
    ConnectionState {
        /// A hosted connection that its owner has not confirmed yet.
        Ordering = "ordering",
        /// Ordered; no letter of authorization yet.
        Requested = "requested",
        /// Approved, being set up.
        Pending = "pending",
        /// The network link is up.
        Available = "available",
        /// The network link is down.
        Down = "down",
        /// Being deleted.
        Deleting = "deleting",
        /// Deleted.
        Deleted = "deleted",
        /// A hosted connection that its owner refused.
        Rejected = "rejected",
        /// AWS does not know.
        Unknown = "unknown",
    }
}

open_words! {
    /// `encryptionMode`; `unknown` is not documented, and is what some connections without MACsec show.
    ObservedMode {
        /// Clear text.
        NoEncrypt = "no_encrypt",
        /// Encrypted while the MACsec session is up, clear text otherwise.
        ShouldEncrypt = "should_encrypt",
        /// Encrypted or nothing: with the MACsec session down the link is down.
        MustEncrypt = "must_encrypt",
        /// The connection has no MACsec.
        Unknown = "unknown",
    }
}

open_words! {
    /// `portEncryptionStatus`.
    PortEncryptionStatus {
        /// The MACsec session is up.
        Up = "Encryption Up",
        /// The MACsec session is down.
        Down = "Encryption Down",
    }
}

impl Connection {
    /// Sorts the lists, so that two answers with the same content are equal.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.mac_sec_keys.sort();
        self.tags.sort();
        self
    }

    /// Whether the connection can have an encryption mode: the port is capable of MACsec and AWS shows a mode other
    /// than `unknown`.
    ///
    /// Hosted connections (`vlan` set) and ports without MACsec have none.
    pub fn takes_a_mode(&self) -> bool {
        self.has_macsec_port() && !matches!(self.encryption_mode, None | Some(ObservedMode::Unknown))
    }

    /// Whether it is a dedicated connection on a port that is capable of MACsec, whatever mode this read shows.
    pub fn has_macsec_port(&self) -> bool {
        self.mac_sec_capable == Some(true) && self.vlan.is_none()
    }

    /// Whether it may have an encryption mode. A read that does not say whether the port is capable of MACsec does not
    /// rule it out.
    pub fn may_have_a_mode(&self) -> bool {
        self.mac_sec_capable != Some(false) && self.vlan.is_none()
    }

    /// Whether a MACsec key is `associated`. Only in this state a key works.
    pub fn has_associated_key(&self) -> bool {
        self.has_key_in(&["associated"])
    }

    /// Whether a key is associated or being associated.
    pub fn has_key_at_all(&self) -> bool {
        self.has_key_in(&["associated", "associating"])
    }

    /// Whether there may be a key: its state is neither `disassociating` nor `disassociated`, but may be one that the
    /// operator does not know.
    pub fn may_have_a_key(&self) -> bool {
        let is_gone = |state: &str| matches!(state, "disassociating" | "disassociated");
        self.mac_sec_keys.iter().any(|key| !key.state.as_deref().is_some_and(is_gone))
    }

    fn has_key_in(&self, states: &[&str]) -> bool {
        self.mac_sec_keys.iter().any(|key| key.state.as_deref().is_some_and(|state| states.contains(&state)))
    }

    /// Whether the MACsec session works: a key is associated and the port says `Encryption Up`.
    pub fn encryption_works(&self) -> bool {
        self.has_associated_key() && self.port_encryption_status == Some(PortEncryptionStatus::Up)
    }

    /// Whether the connection was deleted, is being deleted, or was rejected.
    pub fn is_gone(&self) -> bool {
        matches!(
            self.connection_state,
            Some(ConnectionState::Deleting | ConnectionState::Deleted | ConnectionState::Rejected)
        )
    }

    /// The mode, if it is one that the operator knows.
    pub fn mode(&self) -> Option<EncryptionMode> {
        match self.encryption_mode {
            Some(ObservedMode::NoEncrypt) => Some(EncryptionMode::NoEncrypt),
            Some(ObservedMode::ShouldEncrypt) => Some(EncryptionMode::ShouldEncrypt),
            Some(ObservedMode::MustEncrypt) => Some(EncryptionMode::MustEncrypt),
            Some(ObservedMode::Unknown | ObservedMode::Other(_)) | None => None,
        }
    }
}

impl From<EncryptionMode> for ObservedMode {
    fn from(mode: EncryptionMode) -> Self {
        match mode {
            EncryptionMode::NoEncrypt => Self::NoEncrypt,
            EncryptionMode::ShouldEncrypt => Self::ShouldEncrypt,
            EncryptionMode::MustEncrypt => Self::MustEncrypt,
        }
    }
}
