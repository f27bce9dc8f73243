//! Faults on request: which calls they hit, how often, and what they do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::calls::Call;
use crate::wire::AwsError;

/// A fault, and the calls that it hits: those that match every filter that is set. Of several faults that match, the
/// one injected first is used.
///
/// ```
/// # use direct_connect_simulator::{Fault, FaultKind};
/// Fault::new(FaultKind::ResetAfter).on("UpdateConnection").for_connection("dxcon-fg1234ab").times(1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// `DescribeConnections` or `UpdateConnection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The region that the call goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account that the access key stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The `connectionId` in the request, so a describe of everything is not hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// The `connectionName` in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The page of a listing that the call asks for, 1 for the first: a describe of everything is hit, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// How many calls it hits; `None`: all until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What happens to them.
    pub what: FaultKind,
}

/// What a fault does. Unless it says otherwise, the call has no effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultKind {
    /// `DirectConnectClientException` with this message.
    ClientException {
        /// AWS's words.
        message: String,
    },
    /// `DirectConnectServerException` with this message, HTTP 400 as AWS documents it.
    ServerException {
        /// AWS's words.
        message: String,
    },
    /// `AccessDeniedException`, which names the caller, the action and the resource.
    AccessDenied,
    /// `UnrecognizedClientException`: a key that AWS does not know, or a region that the account has not enabled.
    UnrecognizedClient,
    /// `ExpiredTokenException`.
    ExpiredToken,
    /// `InvalidSignatureException`.
    InvalidSignature,
    /// `ThrottlingException`, HTTP 400.
    Throttling,
    /// HTTP 429 with no code and no body.
    TooManyRequests,
    /// `InternalFailure`, HTTP 500.
    InternalFailure,
    /// HTTP 503 with no code and no body, as a load balancer answers.
    ServiceUnavailable,
    /// Any other error.
    Error {
        /// The HTTP status, 400 to 599.
        status: u16,
        /// The error code; without one the body is empty.
        code: Option<String>,
        /// AWS's words.
        message: String,
    },
    /// HTTP 200 with half of the true answer. The call has its effect.
    BadJson,
    /// The true answer, but with this state in every connection. The call has its effect.
    UnknownState {
        /// The state to show.
        state: String,
    },
    /// The true answer, late. The effect is late, too; if its client goes away first, it has none.
    Latency {
        /// How late.
        millis: u64,
    },
    /// No answer until the client goes away or the faults are cleared. An update with `effect` is carried out at
    /// once, and only its answer is held back; one without is never carried out, and when the faults are cleared it
    /// is answered with a server exception. A describe is answered truly when the faults are cleared.
    Hang {
        /// Whether the update is carried out.
        effect: bool,
    },
    /// The connection is reset before the call has an effect.
    ResetBefore,
    /// The connection is reset after the call has had its effect.
    ResetAfter,
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
            times: None,
            what,
        }
    }

    /// The same, for this operation only.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// The same, for this region only.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// The same, for calls of this account only.
    #[must_use]
    pub fn by_account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// The same, for calls that name this connection id only.
    #[must_use]
    pub fn for_connection(mut self, id: &str) -> Self {
        self.connection_id = Some(id.to_owned());
        self
    }

    /// The same, for calls that ask for this connection name only.
    #[must_use]
    pub fn for_name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The same, for this page of a listing only, 1 for the first.
    #[must_use]
    pub fn on_page(mut self, page: u32) -> Self {
        self.page = Some(page);
        self
    }

    /// The same, for this many calls only.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn hits(&self, call: &Call, page: u32) -> bool {
        let is = |filter: &Option<String>, value: &str| filter.as_deref().is_none_or(|wanted| wanted == value);
        let parameter = |name: &str| call.parameters[name].as_str().unwrap_or_default();
        let is_listing = call.operation == "DescribeConnections" && call.parameters["connectionId"].is_null();
        self.times != Some(0)
            && is(&self.operation, &call.operation)
            && is(&self.region, &call.region)
            && is(&self.account, &call.account)
            && is(&self.connection_id, parameter("connectionId"))
            && is(&self.name, parameter("connectionName"))
            && self.page.is_none_or(|wanted| is_listing && wanted == page)
    }

    /// What is wrong with this fault, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(operation) = &self.operation
            && !matches!(operation.as_str(), "DescribeConnections" | "UpdateConnection")
        {
            return Err(format!("operation is {operation:?}, but must be DescribeConnections or UpdateConnection"));
        }
        match &self.what {
            FaultKind::Error { status, .. } if !(400..=599).contains(status) => {
                Err(format!("what.error.status is {status}, but must be 400 to 599"))
            }
            _ => Ok(()),
        }
    }
}

/// What the server does for a fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Refuse(AwsError),
    Delay(Duration),
    ShowState(String),
    HalveAnswer,
    Hang { effect: bool },
    ResetBefore,
    ResetAfter,
}

impl FaultKind {
    fn act(&self, call: &Call) -> Act {
        let bare = |status| Act::Refuse(AwsError { status, code: None, message: String::new() });
        let error = |status, code, message: &str| Act::Refuse(AwsError::new(status, code, message));
        match self {
            Self::ClientException { message } => Act::Refuse(AwsError::client(message)),
            Self::ServerException { message } => Act::Refuse(AwsError::server(message)),
            Self::AccessDenied => error(400, "AccessDeniedException", &denied(call)),
            Self::UnrecognizedClient => {
                error(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
            }
            Self::ExpiredToken => {
                error(400, "ExpiredTokenException", "The security token included in the request is expired")
            }
            Self::InvalidSignature => error(
                400,
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
            Self::Throttling => Act::Refuse(AwsError::throttled()),
            Self::TooManyRequests => bare(429),
            Self::InternalFailure => error(
                500,
                "InternalFailure",
                "The request processing has failed because of an unknown error, exception or failure.",
            ),
            Self::ServiceUnavailable => bare(503),
            Self::Error { status, code, message } => {
                Act::Refuse(AwsError { status: *status, code: code.clone(), message: message.clone() })
            }
            Self::BadJson => Act::HalveAnswer,
            Self::UnknownState { state } => Act::ShowState(state.clone()),
            Self::Latency { millis } => Act::Delay(Duration::from_millis(*millis)),
            Self::Hang { effect } => Act::Hang { effect: *effect },
            Self::ResetBefore => Act::ResetBefore,
            Self::ResetAfter => Act::ResetAfter,
        }
    }
}

fn denied(call: &Call) -> String {
    let Call { account, region, operation, .. } = call;
    let resource = match call.parameters["connectionId"].as_str() {
        Some(id) => format!("arn:aws:directconnect:{region}:{account}:dxcon/{id}"),
        None => "*".to_owned(),
    };
    format!(
        "User: arn:aws:iam::{account}:user/simulated is not authorized to perform: directconnect:{operation} on \
         resource: {resource} because no identity-based policy allows the directconnect:{operation} action"
    )
}

/// The faults in force and those spent.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(Fault, watch::Sender<()>)>);

/// Told when a fault that holds a call is cleared.
#[derive(Debug)]
pub(crate) struct Hold(watch::Receiver<()>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push((fault, watch::Sender::new(())));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<&Fault> {
        self.0.iter().map(|(fault, _)| fault).collect()
    }

    /// The fault that hits a call, which uses up one of its times. `page` is the page that the call asks for, if it asks
    /// for one. A spent fault stays, so that clearing it still lets go of what it holds.
    pub(crate) fn take(&mut self, call: &Call, page: u32) -> Option<(Act, Hold)> {
        let (fault, hold) = self.0.iter_mut().find(|(fault, _)| fault.hits(call, page))?;
        fault.times = fault.times.map(|times| times - 1);
        Some((fault.what.act(call), Hold(hold.subscribe())))
    }
}

impl Hold {
    /// Waits until the fault is cleared.
    pub(crate) async fn released(mut self) {
        // The only news is that the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}
