//! The kinds of faults, and what the server does for each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calls::Call;
use crate::credentials::CredentialSource;
use crate::wire::AwsError;

/// What a fault does. Unless noted otherwise, the call has no effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FaultKind {
    /// `DirectConnectClientException` with this message.
    ClientException {
        /// The message of AWS.
        message: String,
    },
    /// `DirectConnectServerException` with this message, HTTP 400 as AWS documents it.
    ServerException {
        /// The message of AWS.
        message: String,
    },
    /// `AccessDeniedException`, which names the caller, the action and the resource.
    AccessDenied,
    /// `UnrecognizedClientException`: an unknown access key, or a region that is not enabled for the account.
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
        /// The message of AWS.
        message: String,
    },
    /// STS only: `IDPCommunicationError`, because STS cannot fetch the keys that verify the token. This is temporary.
    IdpCommunicationError,
    /// STS only: `InvalidIdentityToken` with this message. AWS uses it for tokens that a person has to correct and,
    /// with `Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity
    /// documentation for requirements`, for keys that it could not fetch.
    InvalidIdentityToken {
        /// The message of AWS.
        message: String,
    },
    /// Credential sources only: the port is closed until the faults are cleared, and open connections are cut.
    ConnectionRefused,
    /// HTTP 200 with half of the correct answer. The call has its effect.
    BadJson,
    /// The correct answer, but with this state in every connection. The call has its effect.
    UnknownState {
        /// The state to show.
        state: String,
    },
    /// The call is slow: it is carried out after this time and then answered at once. If the client goes away first, it
    /// has no effect. For an answer that was made earlier see [`FaultKind::HeldAnswer`].
    Latency {
        /// The delay in milliseconds.
        millis: u64,
    },
    /// The answer is late: the call is carried out at once, and its answer is made then. The answer is held back until
    /// it is released, until the faults are cleared or for this time. It does not contain later changes. For a slow
    /// call see [`FaultKind::Latency`].
    HeldAnswer {
        /// The longest time in milliseconds; `None`: until it is released or the faults are cleared.
        millis: Option<u64>,
    },
    /// Reads do not show the connection: pages lack it, and reads by id do not find it. With
    /// [`Fault::on_listings`](super::Fault::on_listings) only listings lack it, and with
    /// [`Fault::on_reads_by_id`](super::Fault::on_reads_by_id) only reads by id. Since a connection is on one page of a
    /// listing, `times` counts whole listings.
    LeftOut,
    /// A read shows an earlier state of the whole connection, like a replica that lags behind. With
    /// [`Fault::every_other`](super::Fault::every_other), current and old states alternate. A connection that has not
    /// changed since is not altered. For late reads of the fields of an update, see
    /// [`Settings::late_reads`](crate::Settings::late_reads).
    OldRead(Age),
    /// A read shows the connection without this field.
    WithoutField {
        /// The field as on the wire, such as `encryptionMode`.
        field: String,
    },
    /// An update is accepted, but stores other values than were sent. Fields that were not sent stay as they are. The
    /// answer shows what is stored, or what was sent.
    StoredOtherwise {
        /// What is stored as the name.
        #[serde(default)]
        connection_name: Stored,
        /// What is stored as the mode.
        #[serde(default)]
        encryption_mode: Stored,
        /// Whether the answer shows the name and the mode as they were sent, and not as they are stored.
        #[serde(default)]
        answers_as_sent: bool,
    },
    /// No answer until the client goes away or the faults are cleared. An update with `effect` is carried out at once,
    /// and only its answer is held back. One without is never carried out, and is answered with a server exception when
    /// the faults are cleared. A describe is answered correctly when the faults are cleared.
    Hang {
        /// Whether the update is carried out.
        effect: bool,
    },
    /// The connection is reset before the call has an effect.
    ResetBefore,
    /// The connection is reset after the call has had its effect.
    ResetAfter,
}

/// How far back a read lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Age {
    /// This many changes of any field of the connection, from now.
    Changes(usize),
    /// This many milliseconds.
    Millis(u64),
}

/// What is stored for a value that an update sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stored {
    /// The value itself.
    #[default]
    AsSent,
    /// The value without blanks at its ends.
    Trimmed,
    /// Nothing; the old value stays.
    Unchanged,
    /// This value.
    Value(String),
}

impl Stored {
    /// The value to store; `None` if nothing is stored.
    pub(super) fn of(&self, sent: &str) -> Option<String> {
        match self {
            Self::AsSent => Some(sent.to_owned()),
            Self::Trimmed => Some(sent.trim().to_owned()),
            Self::Unchanged => None,
            Self::Value(value) => Some(value.clone()),
        }
    }
}

/// The stage of a call that a fault affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The whole call.
    Call,
    /// The connections that a read shows.
    Read,
    /// The values that an update stores.
    Update,
}

/// What the server does for a fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Refuse(AwsError),
    Delay(Duration),
    HoldAnswer(Option<Duration>),
    ShowState(String),
    HalveAnswer,
    Hang { effect: bool },
    ResetBefore,
    ResetAfter,
}

impl FaultKind {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::LeftOut | Self::OldRead(_) | Self::WithoutField { .. } => Stage::Read,
            Self::StoredOtherwise { .. } => Stage::Update,
            Self::ClientException { .. }
            | Self::ServerException { .. }
            | Self::AccessDenied
            | Self::UnrecognizedClient
            | Self::ExpiredToken
            | Self::InvalidSignature
            | Self::Throttling
            | Self::TooManyRequests
            | Self::InternalFailure
            | Self::ServiceUnavailable
            | Self::Error { .. }
            | Self::IdpCommunicationError
            | Self::InvalidIdentityToken { .. }
            | Self::ConnectionRefused
            | Self::BadJson
            | Self::UnknownState { .. }
            | Self::Latency { .. }
            | Self::HeldAnswer { .. }
            | Self::Hang { .. }
            | Self::ResetBefore
            | Self::ResetAfter => Stage::Call,
        }
    }

    /// Whether it can hit requests to a credential source or, for `None`, calls to Direct Connect.
    pub(super) fn can_happen_to(&self, source: Option<CredentialSource>) -> bool {
        match self {
            Self::ClientException { .. }
            | Self::ServerException { .. }
            | Self::AccessDenied
            | Self::UnrecognizedClient
            | Self::ExpiredToken
            | Self::InvalidSignature
            | Self::UnknownState { .. }
            | Self::LeftOut
            | Self::OldRead(_)
            | Self::WithoutField { .. }
            | Self::StoredOtherwise { .. } => source.is_none(),
            Self::IdpCommunicationError | Self::InvalidIdentityToken { .. } => source == Some(CredentialSource::Sts),
            Self::ConnectionRefused => source.is_some(),
            Self::Throttling
            | Self::TooManyRequests
            | Self::InternalFailure
            | Self::ServiceUnavailable
            | Self::Error { .. }
            | Self::BadJson
            | Self::Latency { .. }
            | Self::HeldAnswer { .. }
            | Self::Hang { .. }
            | Self::ResetBefore
            | Self::ResetAfter => true,
        }
    }

    /// What it does to a whole call, if it affects that.
    pub(super) fn act(&self, call: &Call) -> Option<Act> {
        let bare = |status| Act::Refuse(AwsError { status, code: None, message: String::new() });
        let error = |status, code, message: &str| Act::Refuse(AwsError::new(status, code, message));
        let act = match self {
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
            Self::Throttling => match call.credential_source {
                None => Act::Refuse(AwsError::throttled()),
                Some(CredentialSource::Sts) => error(400, "Throttling", "Rate exceeded"),
                Some(CredentialSource::Container) => error(429, "ThrottlingException", "Rate exceeded"),
            },
            Self::IdpCommunicationError => error(
                400,
                "IDPCommunicationError",
                "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the \
                 incoming identity token could not be reached.",
            ),
            Self::InvalidIdentityToken { message } => error(400, "InvalidIdentityToken", message),
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
            Self::HeldAnswer { millis } => Act::HoldAnswer(millis.map(Duration::from_millis)),
            Self::Hang { effect } => Act::Hang { effect: *effect },
            Self::ResetBefore => Act::ResetBefore,
            Self::ResetAfter => Act::ResetAfter,
            Self::ConnectionRefused
            | Self::LeftOut
            | Self::OldRead(_)
            | Self::WithoutField { .. }
            | Self::StoredOtherwise { .. } => return None,
        };
        Some(act)
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
