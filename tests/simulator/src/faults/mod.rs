//! Faults: which calls they hit, how many times, and what they do.

mod injected;
mod kind;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::Call;
use crate::connection::Connection;
use crate::credentials::CredentialSource;

pub(crate) use injected::{AnswerShows, Faults, Hold, ReadFaults};
pub(crate) use kind::Act;
pub use kind::{Age, FaultKind, Stored};

use kind::Stage;

/// A fault, and the calls that it hits: those that match every filter that is set. If several faults match a call, the
/// one that was injected first is used.
///
/// Faults that alter reads, such as [`FaultKind::LeftOut`], are applied in addition: all that match are used, and
/// `times` counts the reads that were altered. [`FaultKind::StoredOtherwise`] is applied in addition as well: the first
/// one that changes what an update stores is used, and `times` counts the altered updates.
///
/// ```
/// # use direct_connect_simulator::{Fault, FaultKind};
/// Fault::new(FaultKind::ResetAfter).on("UpdateConnection").for_connection("dxcon-fg1234ab").times(1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// `DescribeConnections` or `UpdateConnection`, or for a credential source `AssumeRoleWithWebIdentity` or
    /// `GetContainerCredentials`. A fault without an operation hits no credential source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The region of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account of the access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The `connectionId` in the request, so listings are not hit. For faults that alter reads, the connection that is
    /// shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// The `connectionName` in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The requested page of a listing, from 1. Only listings are hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Only listings, or only reads by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reads>,
    /// Whether it hits only every other matching call, beginning with the first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub every_other: bool,
    /// How many calls it hits; `None`: all until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What it does.
    pub what: FaultKind,
}

/// The two ways to read a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reads {
    /// `DescribeConnections` without an id, for any page.
    Listing,
    /// `DescribeConnections` with an id.
    ById,
}

impl Fault {
    /// A fault that hits every call until it is cleared.
    pub fn new(what: FaultKind) -> Self {
        Self {
            operation: None,
            region: None,
            account: None,
            connection_id: None,
            name: None,
            page: None,
            reads: None,
            every_other: false,
            times: None,
            what,
        }
    }

    /// Limits it to this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Limits it to this region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Limits it to calls of this account.
    #[must_use]
    pub fn by_account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Limits it to calls with this connection id.
    #[must_use]
    pub fn for_connection(mut self, id: &str) -> Self {
        self.connection_id = Some(id.to_owned());
        self
    }

    /// Limits it to calls with this connection name.
    #[must_use]
    pub fn for_name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Limits it to this page of listings, from 1.
    #[must_use]
    pub fn on_page(mut self, page: u32) -> Self {
        self.page = Some(page);
        self
    }

    /// Limits it to listings.
    #[must_use]
    pub fn on_listings(mut self) -> Self {
        self.reads = Some(Reads::Listing);
        self
    }

    /// Limits it to reads by id.
    #[must_use]
    pub fn on_reads_by_id(mut self) -> Self {
        self.reads = Some(Reads::ById);
        self
    }

    /// Limits it to every other matching call, beginning with the first.
    #[must_use]
    pub fn every_other(mut self) -> Self {
        self.every_other = true;
        self
    }

    /// Limits it to this many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn hits(&self, call: &Call, page: u32) -> bool {
        self.matches(call, page) && self.is_about(call.parameter("connectionId").unwrap_or_default())
    }

    fn hits_read(&self, call: &Call, page: u32) -> bool {
        self.what.stage() == Stage::Read && self.matches(call, page)
    }

    fn is_about(&self, id: &str) -> bool {
        self.connection_id.as_deref().is_none_or(|wanted| wanted == id)
    }

    fn matches(&self, call: &Call, page: u32) -> bool {
        let is = |filter: &Option<String>, value: &str| filter.as_deref().is_none_or(|wanted| wanted == value);
        let reads = match (call.operation.as_str(), &call.parameters["connectionId"]) {
            ("DescribeConnections", Value::Null) => Some(Reads::Listing),
            ("DescribeConnections", _) => Some(Reads::ById),
            _ => None,
        };
        self.times != Some(0)
            && (call.credential_source.is_none() || self.operation.is_some())
            && is(&self.operation, &call.operation)
            && is(&self.region, &call.region)
            && is(&self.account, &call.account)
            && is(&self.name, call.parameter("connectionName").unwrap_or_default())
            && self.reads.is_none_or(|wanted| reads == Some(wanted))
            && self.page.is_none_or(|wanted| reads == Some(Reads::Listing) && wanted == page)
    }

    /// What is wrong with this fault, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let operation = self.operation.as_deref();
        let source = operation.and_then(CredentialSource::of_operation);
        if let Some(operation) = operation
            && source.is_none()
            && !matches!(operation, "DescribeConnections" | "UpdateConnection")
        {
            return Err(format!(
                "operation is {operation:?}, but must be DescribeConnections or UpdateConnection, or for a credential \
                 source AssumeRoleWithWebIdentity or GetContainerCredentials"
            ));
        }
        if !self.what.can_happen_to(source) {
            let name = operation.unwrap_or("a call of Direct Connect");
            return Err(format!("what cannot happen to {name}"));
        }
        self.check_filters(source)?;
        match &self.what {
            FaultKind::Error { status, .. } if !(400..=599).contains(status) => {
                Err(format!("what.error.status is {status}, but must be 400 to 599"))
            }
            FaultKind::OldRead(Age::Changes(0)) => Err("what.oldRead.changes is 0, but must be 1 or more".to_owned()),
            FaultKind::WithoutField { field } => check_field(field),
            _ => Ok(()),
        }
    }

    /// A filter that can never match is a mistake.
    fn check_filters(&self, source: Option<CredentialSource>) -> Result<(), String> {
        let operation = self.operation.as_deref();
        let of_connections = self.region.is_some()
            || self.connection_id.is_some()
            || self.name.is_some()
            || self.page.is_some()
            || self.reads.is_some();
        if source.is_some() && of_connections {
            return Err("a call for credentials has no region, connectionId, name, page and reads".to_owned());
        }
        if self.what == FaultKind::ConnectionRefused
            && (self.account.is_some() || self.times.is_some() || self.every_other)
        {
            return Err("what is connectionRefused, which has no account, times and everyOther".to_owned());
        }
        match self.what.stage() {
            Stage::Read if operation == Some("UpdateConnection") || self.name.is_some() => {
                return Err(
                    "what is about reads: operation must be absent or DescribeConnections, name absent".to_owned()
                );
            }
            Stage::Update
                if operation == Some("DescribeConnections") || self.reads.is_some() || self.page.is_some() =>
            {
                return Err(
                    "what is about updates: operation must be absent or UpdateConnection, reads and page absent"
                        .to_owned(),
                );
            }
            Stage::Call | Stage::Read | Stage::Update => {}
        }
        Ok(())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Whether a connection has such a field, which may be absent or empty.
fn check_field(field: &str) -> Result<(), String> {
    let reads = |value: Value| serde_json::from_value::<Connection>(json!({ field: value })).map(drop);
    reads(Value::Null).or_else(|_| reads(json!(""))).map_err(|error| format!("what.withoutField.field: {error}"))
}
