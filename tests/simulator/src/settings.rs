//! The settings of the simulator: delays, late reads, throttling, page size, access keys.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The largest number of connections per page.
pub const LARGEST_PAGE: usize = 100;

/// Settings for what AWS leaves open or takes time for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The time from when a session can come up (a working key, a mode that uses it, a physical link) to `Encryption
    /// Up`.
    #[serde(rename = "macsecUpAfterMs", with = "millis")]
    pub macsec_up_after: Duration,
    /// How long a key is `associating`, `disassociating`, and then still listed as `disassociated`.
    #[serde(rename = "keyChangeAfterMs", with = "millis")]
    pub key_change_after: Duration,
    /// How long reads show the old name and mode after an update.
    #[serde(rename = "lateReadsForMs", with = "millis")]
    pub late_reads_for: Duration,
    /// How many reads show the old name and mode after an update. With `late_reads_for`, the longer of the two.
    pub late_reads: u32,
    /// The connections with late reads; empty means all.
    pub late_connections: BTreeSet<String>,
    /// The delay of each call before anything else happens.
    #[serde(rename = "latencyMs", with = "millis")]
    pub latency: Duration,
    /// The token bucket of each (account, region); `None` never throttles.
    pub throttle: Option<Throttle>,
    /// The largest number of connections in a page, 1 to 100. With a small one, few connections make several pages.
    pub page_size: usize,
    /// Access key ids and their accounts. Other keys belong to the default account.
    pub access_keys: BTreeMap<String, String>,
    /// How long credentials from STS or the container endpoint are valid.
    #[serde(rename = "credentialLifetimeMs", with = "millis")]
    pub credential_lifetime: Duration,
    /// Whether a read by id of a connection that does not exist returns an empty list, and not a client exception. AWS
    /// was seen to do both.
    pub missing_is_empty: bool,
}

/// A token bucket: bursts of `capacity` calls, refilled at a constant rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    /// The number of calls in a burst after a rest.
    pub capacity: u32,
    /// Calls a second at which it is refilled; may be 0.
    pub per_second: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            macsec_up_after: Duration::from_millis(500),
            key_change_after: Duration::from_millis(100),
            late_reads_for: Duration::ZERO,
            late_reads: 0,
            late_connections: BTreeSet::new(),
            latency: Duration::ZERO,
            throttle: None,
            page_size: LARGEST_PAGE,
            access_keys: BTreeMap::new(),
            credential_lifetime: Duration::from_hours(1),
            missing_is_empty: false,
        }
    }
}

impl Settings {
    /// What is wrong with these settings, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=LARGEST_PAGE).contains(&self.page_size) {
            return Err(format!("pageSize is {}, but a page holds 1 to {LARGEST_PAGE} connections", self.page_size));
        }
        if let Some(throttle) = self.throttle
            && !(throttle.per_second.is_finite() && throttle.per_second >= 0.0)
        {
            return Err(format!("throttle.perSecond is {}, but must be 0 or more", throttle.per_second));
        }
        for (key, account) in &self.access_keys {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("accessKeys.{key} is {account:?}, but an account has 12 digits"));
            }
        }
        Ok(())
    }

    pub(crate) fn reads_late(&self, id: &str) -> bool {
        self.late_connections.is_empty() || self.late_connections.contains(id)
    }
}

/// Durations in whole milliseconds, which are easy to type into curl.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
