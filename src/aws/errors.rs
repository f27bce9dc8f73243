//! Converts the SDK's errors to faults.
//!
//! Direct Connect models only two exceptions, so most cases are told apart by code, HTTP status and message.

use std::any::Any;
use std::error::Error;
use std::io::ErrorKind;

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_directconnect::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::ErrorKind as RetryKind;
use aws_types::request_id::RequestId;
use hyper_util::client::legacy::Error as HttpError;

use super::credentials;
use directconnect_core::fault::{DESCRIBE, Effect, Fault, FaultKind, UPDATE};
use directconnect_core::text;

/// The error of a call in the SDK.
pub(super) type CallError<E> = SdkError<E, HttpResponse>;

/// The traits that the error type of every operation has.
pub(super) trait Modelled: ProvideErrorMetadata + Error + Send + Sync + 'static {}
impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Modelled for E {}

/// The kind of a call. The meaning of an error depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A page of all connections of a region.
    Page,
    /// One connection by its id.
    ReadById,
    /// A change of one connection.
    Update,
}

impl Operation {
    /// Name of the operation in the AWS API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Page | Self::ReadById => DESCRIBE,
            Self::Update => UPDATE,
        }
    }
}

/// Converts an error of a call to a fault.
pub(super) fn fault<E: Modelled>(operation: Operation, error: &CallError<E>) -> Fault {
    match error {
        // The SDK reports a successful answer that it cannot parse as a service error.
        SdkError::ServiceError(context) if context.raw().status().is_success() => {
            unreadable(operation, context.raw().status().as_u16(), error)
        }
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or_default();
            let message = context.err().message().unwrap_or_default();
            let words = words_of_answer(code, message, status);
            let kind = classify(operation, code, message, status);
            // A server that failed may have carried out the change first, whatever its answer says.
            let in_doubt = kind == FaultKind::Unavailable || status >= 500;
            Fault {
                request_id: request_id(error),
                effect: if in_doubt { Effect::Unknown } else { Effect::None },
                ..Fault::new(kind, operation.name(), &words)
            }
        }
        SdkError::ResponseError(context) => unreadable(operation, context.raw().status().as_u16(), error),
        SdkError::TimeoutError(_) => Fault::in_doubt(operation.name(), "no answer in time"),
        _ => unsent(operation, error),
    }
}

/// The words of an error answer.
pub(super) fn words_of_answer(code: &str, message: &str, status: u16) -> String {
    match (code, message) {
        ("", "") => format!("HTTP {status}"),
        ("", message) => message.to_owned(),
        (code, "") => format!("{code} (HTTP {status})"),
        (code, message) => format!("{code}: {message}"),
    }
}

/// The fault of a call that panicked. It is unknown how far it came.
pub(super) fn panicked(operation: Operation, panic: &(dyn Any + Send)) -> Fault {
    Fault::in_doubt(operation.name(), &format!("the call ended with a panic: {}", text::panic_message(panic)))
}

/// The fault of an answer that could not be understood.
fn unreadable<E: Modelled>(operation: Operation, status: u16, error: &CallError<E>) -> Fault {
    let why = error.source().map(text::with_sources).unwrap_or_default();
    let words = format!("the answer (HTTP {status}) could not be understood: {why}");
    Fault { request_id: request_id(error), ..Fault::in_doubt(operation.name(), &words) }
}

/// The fault of a call without an answer. Perhaps nothing was sent.
fn unsent<E: Modelled>(operation: Operation, error: &CallError<E>) -> Fault {
    if let Some(credentials) = sources(error).find_map(|source| source.downcast_ref::<CredentialsError>()) {
        let kind = credentials::kind(credentials);
        let (words, request_id) = credentials::words(credentials);
        return Fault { request_id, ..Fault::new(kind, operation.name(), &words) };
    }
    let connected = !sources(error).any(|source| source.downcast_ref().is_some_and(HttpError::is_connect));
    if connected && is_cut(error) {
        return Fault::in_doubt(operation.name(), "the connection was cut before an answer came");
    }
    let mut words = text::with_sources(error);
    // This is the only error here that a setting of the operator can fix.
    if words.contains("UnknownIssuer") {
        words.push_str(" (AWS_CA_BUNDLE names the CAs to trust, such as that of a proxy)");
    }
    let built = !matches!(error, SdkError::ConstructionFailure(_));
    let effect = if connected && built { Effect::Unknown } else { Effect::None };
    Fault { effect, ..Fault::new(FaultKind::Unavailable, operation.name(), &words) }
}

/// Whether an error of a connection says that it was cut. Which of the kinds that is depends on the moment, and not on the
/// cause.
pub fn says_cut(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}

/// Whether a call failed because its connection was cut.
fn is_cut<E: Modelled>(error: &CallError<E>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    let mut causes = sources(error).filter_map(|source| source.downcast_ref::<std::io::Error>());
    (failure.is_io() || failure.as_other() == Some(RetryKind::TransientError)) && causes.all(says_cut)
}

/// The request id of an answer, cut to what fits into a status: it is not certain that the answer is from AWS.
pub(super) fn request_id(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(|id| text::cut_bytes(id, text::MESSAGE_LIMIT).to_owned())
}

/// Error codes for a known caller that lacks a permission.
const DENIED: [&str; 4] = ["AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"];

/// Error codes for a caller that AWS does not accept because of its credentials, its account in this region, or its
/// clock: those of the common errors in the AWS API references, those of EC2's list, and those that other SDKs use to
/// detect a wrong clock.
#[rustfmt::skip]
const UNACCEPTED: [&str; 25] = [
    "AuthFailure", "Blocked", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity", "InvalidSignature",
    "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "NotSignedUp", "OptInRequired", "PendingVerification", "RegionDisabledException", "RequestExpired",
    "RequestInTheFuture", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "SubscriptionRequiredException",
    "TokenRefreshRequired", "UnrecognizedClientException",
];

/// The kind of the fault that an error answer means.
fn classify(operation: Operation, code: &str, message: &str, status: u16) -> FaultKind {
    match code {
        code if DENIED.contains(&code) => FaultKind::AccessDenied,
        code if UNACCEPTED.contains(&code) => FaultKind::CredentialsInvalid,
        code if THROTTLING_ERRORS.contains(&code) => FaultKind::Throttled,
        "DirectConnectServerException" => FaultKind::Unavailable,
        code if TRANSIENT_ERRORS.contains(&code) => FaultKind::Unavailable,
        "DirectConnectClientException" if operation == Operation::ReadById && is_not_found(message) => {
            FaultKind::NotFound
        }
        _ if status == 429 => FaultKind::Throttled,
        _ if (400..500).contains(&status) && status != 408 => FaultKind::Rejected,
        _ => FaultKind::Unavailable,
    }
}

/// Whether an HTTP status means that the server is in trouble, and not that the request is wrong.
pub(super) fn is_outage_status(status: u16) -> bool {
    status >= 500 || status == 429 || status == 408
}

/// Only the message distinguishes a missing connection from an invalid request. This is applied to reads by id only:
/// for an update the message may refer to anything that the request names, so a read decides.
fn is_not_found(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("could not find connection") || message.contains("does not exist")
}

/// The error and all its sources, itself first.
pub(super) fn sources<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests;
