//! A connection with all fields of the API, and builder methods for tests.

use serde::{Deserialize, Serialize};

/// The default account of connections and access keys.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// `portEncryptionStatus` of a port whose MACsec session is up.
pub const ENCRYPTION_UP: &str = "Encryption Up";
/// `portEncryptionStatus` of a port whose MACsec session is not up.
pub const ENCRYPTION_DOWN: &str = "Encryption Down";

/// All fields of a connection in `DescribeConnections`. `None` is absent on the wire.
///
/// States and modes are plain strings, because AWS sends values that it does not document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the AWS API, which documents them")]
pub struct Connection {
    pub connection_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_name: Option<String>,
    /// Serializes a time as seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loa_issue_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jumbo_frame_capable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_device_v2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_logical_device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_logical_redundancy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_sec_capable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_encryption_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_sec_keys: Option<Vec<MacSecKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiter_status: Option<RateLimiterStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_interconnect_mac_sec_capable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_size_ipv4: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_size_ipv6: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_unallocated_count_ipv4: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_pool_unallocated_count_ipv6: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_mode: Option<String>,
}

/// A tag of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value. AWS allows tags without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A MACsec key of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MacSecKey {
    /// The ARN of the secret with the key.
    #[serde(rename = "secretARN", skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    /// The connection key name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ckn: Option<String>,
    /// `associating`, `associated`, `disassociating` or `disassociated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the key takes effect, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_on: Option<String>,
}

/// How many rate limiters of a connection are in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the AWS API, which documents them")]
pub struct RateLimiterStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_allowed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bandwidth: Option<String>,
}

impl Connection {
    /// An ordinary connection: dedicated, 10 Gbit/s, available, capable of MACsec, `should_encrypt` as AWS creates
    /// them, and without a key, so `Encryption Down`.
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            connection_id: id.to_owned(),
            owner_account: text(DEFAULT_ACCOUNT),
            connection_name: text(name),
            connection_state: text("available"),
            region: text("eu-central-1"),
            location: text("EqFA5"),
            bandwidth: text("10Gbps"),
            jumbo_frame_capable: Some(true),
            aws_device: text("EqFA5-2f9n0w1q7a3k"),
            aws_device_v2: text("EqFA5-2f9n0w1q7a3k"),
            aws_logical_device_id: text("EqFA5-2f9n0w1q7a3k"),
            has_logical_redundancy: text("unknown"),
            tags: Some(Vec::new()),
            mac_sec_capable: Some(true),
            port_encryption_status: text(ENCRYPTION_DOWN),
            encryption_mode: text("should_encrypt"),
            mac_sec_keys: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.connection_name = text(name);
        self
    }

    /// Sets the account.
    #[must_use]
    pub fn owned_by(mut self, account: &str) -> Self {
        self.owner_account = text(account);
        self
    }

    /// Sets the state, which may be one that AWS does not document.
    #[must_use]
    pub fn in_state(mut self, state: &str) -> Self {
        self.connection_state = text(state);
        self
    }

    /// Sets the encryption mode, which may be the undocumented `unknown`. With `no_encrypt` the session is down.
    #[must_use]
    pub fn with_mode(mut self, mode: &str) -> Self {
        self.encryption_mode = text(mode);
        if mode == "no_encrypt" && self.encryption_is_up() {
            self.port_encryption_status = text(ENCRYPTION_DOWN);
        }
        self
    }

    /// Adds an associated key and, unless the mode is `no_encrypt`, sets `Encryption Up`.
    #[must_use]
    pub fn with_key(mut self, ckn: &str) -> Self {
        let key = self.key(ckn, "associated", "2026-01-01T00:00:00Z");
        self.mac_sec_keys.get_or_insert_default().push(key);
        if self.mode() != "no_encrypt" {
            self.port_encryption_status = text(ENCRYPTION_UP);
        }
        self
    }

    /// Sets `Encryption Down` whatever its keys, as if the far end does not answer.
    #[must_use]
    pub fn with_encryption_down(mut self) -> Self {
        self.port_encryption_status = text(ENCRYPTION_DOWN);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.get_or_insert_default().push(Tag { key: key.to_owned(), value: text(value) });
        self
    }

    /// Makes it a hosted connection of a partner: with a VLAN, and without MACsec of its own.
    #[must_use]
    pub fn hosted(mut self, vlan: i32) -> Self {
        self = self.not_capable();
        self.vlan = Some(vlan);
        self.bandwidth = text("500Mbps");
        self.partner_name = text("Example Partner");
        self.provider_name = text("Example Partner");
        self.partner_interconnect_mac_sec_capable = Some(false);
        self
    }

    /// Makes it a member of this LAG, which removes its own keys.
    #[must_use]
    pub fn in_lag(mut self, lag: &str) -> Self {
        self.lag_id = text(lag);
        self.mac_sec_keys = None;
        self
    }

    /// Makes its port incapable of MACsec: the fields about it are absent.
    #[must_use]
    pub fn not_capable(mut self) -> Self {
        self.mac_sec_capable = Some(false);
        self.encryption_mode = None;
        self.port_encryption_status = None;
        self.mac_sec_keys = None;
        self
    }

    /// Its state; empty if absent.
    pub fn state(&self) -> &str {
        self.connection_state.as_deref().unwrap_or_default()
    }

    /// Its encryption mode; empty if absent.
    pub fn mode(&self) -> &str {
        self.encryption_mode.as_deref().unwrap_or_default()
    }

    /// Its name; empty if absent.
    pub fn name(&self) -> &str {
        self.connection_name.as_deref().unwrap_or_default()
    }

    /// Whether the MACsec session is up.
    pub fn encryption_is_up(&self) -> bool {
        self.port_encryption_status.as_deref() == Some(ENCRYPTION_UP)
    }

    /// Its keys in any state.
    pub fn keys(&self) -> &[MacSecKey] {
        self.mac_sec_keys.as_deref().unwrap_or_default()
    }

    /// Its account.
    pub fn account(&self) -> &str {
        self.owner_account.as_deref().unwrap_or(DEFAULT_ACCOUNT)
    }

    pub(crate) fn key(&self, ckn: &str, state: &str, start_on: &str) -> MacSecKey {
        let region = self.region.as_deref().unwrap_or_default();
        let account = self.account();
        MacSecKey {
            secret_arn: Some(format!(
                "arn:aws:secretsmanager:{region}:{account}:secret:directconnect!prod/{region}/directconnect/{ckn}"
            )),
            ckn: text(ckn),
            state: text(state),
            start_on: text(start_on),
        }
    }

    /// Whether a key works; one that is being disassociated still does.
    pub(crate) fn has_working_key(&self) -> bool {
        self.keys().iter().any(|key| matches!(key.state.as_deref(), Some("associated" | "disassociating")))
    }
}

#[allow(clippy::unnecessary_wraps, reason = "nearly every field may be absent, and this keeps their list readable")]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}
