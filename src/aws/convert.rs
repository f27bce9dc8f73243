//! Converts the SDK's types to those of the core.

use aws_sdk_directconnect::operation::update_connection::UpdateConnectionOutput;
use aws_sdk_directconnect::types;
use aws_smithy_types::date_time::Format;

use super::Identified;
use directconnect_core::observed::{Connection, MacSecKey, RateLimiterStatus, Tag};
use directconnect_core::text;

/// Longest list of keys or tags that is taken over. AWS allows 3 keys and 50 tags.
const MAX_ITEMS: usize = 100;

/// `DescribeConnections` and `UpdateConnection` return the same fields in two different types.
macro_rules! identified {
    ($sdk:expr) => {{
        let sdk = $sdk;
        sdk.connection_id.map(|id| {
            let connection = Connection {
                connection_name: short(sdk.connection_name),
                connection_state: sdk.connection_state.map(|state| cut(state.as_str()).into()),
                encryption_mode: short(sdk.encryption_mode).map(Into::into),
                port_encryption_status: short(sdk.port_encryption_status).map(Into::into),
                mac_sec_capable: sdk.mac_sec_capable,
                mac_sec_keys: sdk.mac_sec_keys.unwrap_or_default().into_iter().take(MAX_ITEMS).map(key).collect(),
                owner_account: named(sdk.owner_account),
                region: short(sdk.region),
                location: short(sdk.location),
                bandwidth: short(sdk.bandwidth),
                // The SDK has a plain integer here, so an absent VLAN is 0, which is not a valid VLAN.
                vlan: Some(sdk.vlan).filter(|&vlan| vlan != 0),
                partner_name: short(sdk.partner_name),
                provider_name: short(sdk.provider_name),
                loa_issue_time: sdk.loa_issue_time.and_then(|time| time.fmt(Format::DateTime).ok()),
                lag_id: named(sdk.lag_id),
                aws_device: short(sdk.aws_device),
                aws_device_v2: short(sdk.aws_device_v2),
                aws_logical_device_id: short(sdk.aws_logical_device_id),
                has_logical_redundancy: sdk.has_logical_redundancy.map(|word| cut(word.as_str())),
                jumbo_frame_capable: sdk.jumbo_frame_capable,
                tags: sdk.tags.unwrap_or_default().into_iter().take(MAX_ITEMS).map(tag).collect(),
                rate_limiter_status: sdk.rate_limiter_status.map(rate_limiters),
                partner_interconnect_mac_sec_capable: sdk.partner_interconnect_mac_sec_capable,
                prefix_pool_size_ipv4: sdk.prefix_pool_size_ipv4,
                prefix_pool_size_ipv6: sdk.prefix_pool_size_ipv6,
                prefix_pool_unallocated_count_ipv4: sdk.prefix_pool_unallocated_count_ipv4,
                prefix_pool_unallocated_count_ipv6: sdk.prefix_pool_unallocated_count_ipv6,
                billing_mode: sdk.billing_mode.map(|mode| cut(mode.as_str())),
            };
            (id, connection.in_order())
        })
    }};
}

/// A connection from `DescribeConnections`; `None` if it has no id.
#[allow(deprecated, reason = "awsDevice is deprecated in AWS, and still what it answers with")]
pub(super) fn connection(sdk: types::Connection) -> Option<Identified> {
    identified!(sdk)
}

/// The connection from the answer to `UpdateConnection`; `None` if it has no id.
#[allow(deprecated, reason = "awsDevice is deprecated in AWS, and still what it answers with")]
pub(super) fn answer(sdk: UpdateConnectionOutput) -> Option<Identified> {
    identified!(sdk)
}

/// Cuts values that are longer than AWS documents, so that no answer can make a status too large to write.
fn cut(words: &str) -> String {
    text::cut_bytes(words, text::MESSAGE_LIMIT).to_owned()
}

fn short(words: Option<String>) -> Option<String> {
    words.map(|words| if words.len() > text::MESSAGE_LIMIT { cut(&words) } else { words })
}

/// The account or the LAG that a connection is in. An empty one is none: it would free the turn for others of the account.
fn named(words: Option<String>) -> Option<String> {
    short(words).filter(|words| !words.is_empty())
}

fn key(sdk: types::MacSecKey) -> MacSecKey {
    MacSecKey {
        ckn: short(sdk.ckn),
        secret_arn: short(sdk.secret_arn),
        state: short(sdk.state),
        start_on: short(sdk.start_on),
    }
}

fn tag(sdk: types::Tag) -> Tag {
    Tag { key: cut(&sdk.key), value: short(sdk.value) }
}

fn rate_limiters(sdk: types::RateLimiterStatus) -> RateLimiterStatus {
    RateLimiterStatus {
        max_allowed: sdk.max_allowed,
        in_use: sdk.in_use,
        remaining: sdk.remaining,
        total_bandwidth: short(sdk.total_bandwidth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_owner_or_lag_counts_as_none() {
        let sdk = types::Connection::builder().connection_id("dxcon-aaaaaaaa").owner_account("").lag_id("").build();
        let (_, connection) = connection(sdk).expect("it has an id");
        assert_eq!((connection.owner_account, connection.lag_id), (None, None));
    }

    #[test]
    fn a_value_is_cut_only_if_it_is_longer_than_a_message_may_be() {
        for (given, expected) in [(5, 5), (text::MESSAGE_LIMIT, text::MESSAGE_LIMIT), (5000, text::MESSAGE_LIMIT)] {
            let cut = short(Some("x".repeat(given))).expect("there is one");
            assert_eq!(cut.len(), expected);
        }
    }
}
