//! The SDK's errors to faults.
//!
//! Direct Connect models only two exceptions, so codes, HTTP status and words tell the cases apart.

use std::error::Error;
use std::fmt::Write as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_directconnect::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::request_id::RequestId;
use hyper_util::client::legacy::Error as HttpError;

use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::text;

/// Error of a call as the SDK gives it.
pub(super) type CallError<E> = SdkError<E, HttpResponse>;

/// What every operation's error type offers.
pub(super) trait Modelled: ProvideErrorMetadata + Error + Send + Sync + 'static {}
impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Modelled for E {}

/// What went wrong, in the core's terms.
pub(super) fn fault<E: Modelled>(operation: &'static str, error: &CallError<E>) -> Fault {
    match error {
        // The SDK takes a success that it cannot read for an error of the service.
        SdkError::ServiceError(context) if context.raw().status().is_success() => {
            unreadable(operation, context.raw().status().as_u16(), error)
        }
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or_default();
            let message = context.err().message().unwrap_or_default();
            let words = match (code, message) {
                ("", "") => format!("HTTP {status}"),
                ("", message) => message.to_owned(),
                (code, "") => format!("{code} (HTTP {status})"),
                (code, message) => format!("{code}: {message}"),
            };
            let kind = classify(code, message, status);
            Fault {
                request_id: request_id(error),
                effect: if kind == FaultKind::Unavailable { Effect::Unknown } else { Effect::None },
                ..Fault::new(kind, operation, &words)
            }
        }
        SdkError::ResponseError(context) => unreadable(operation, context.raw().status().as_u16(), error),
        SdkError::TimeoutError(_) => {
            Fault { effect: Effect::Unknown, ..Fault::new(FaultKind::Unavailable, operation, "no answer in time") }
        }
        _ => unsent(operation, error),
    }
}

/// An answer, but who knows which.
fn unreadable<E: Modelled>(operation: &'static str, status: u16, error: &CallError<E>) -> Fault {
    let words = format!(
        "the answer (HTTP {status}) could not be understood: {}",
        error.source().map(with_sources).unwrap_or_default()
    );
    Fault {
        request_id: request_id(error),
        effect: Effect::Unknown,
        ..Fault::new(FaultKind::Unavailable, operation, &words)
    }
}

/// No answer at all: perhaps nothing was even sent.
fn unsent<E: Modelled>(operation: &'static str, error: &CallError<E>) -> Fault {
    let words = with_sources(error);
    if let Some(credentials) = source_of::<CredentialsError>(error) {
        let class = match credentials {
            CredentialsError::ProviderTimedOut(_) => FaultKind::Unavailable,
            _ => FaultKind::CredentialsInvalid,
        };
        return Fault::new(class, operation, &with_sources(credentials));
    }
    let never_connected = source_of::<HttpError>(error).is_some_and(HttpError::is_connect);
    let effect = if never_connected { Effect::None } else { Effect::Unknown };
    Fault { effect, ..Fault::new(FaultKind::Unavailable, operation, &words) }
}

/// AWS's id of a request, no longer than fits into a status: whoever answers may call itself anything.
pub(super) fn request_id(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(|id| text::cut_bytes(id, text::MESSAGE_LIMIT).to_owned())
}

/// Codes of AWS's common errors and of Direct Connect.
fn classify(code: &str, message: &str, status: u16) -> FaultKind {
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => FaultKind::AccessDenied,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => FaultKind::CredentialsInvalid,
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            FaultKind::Throttled
        }
        "DirectConnectServerException" => FaultKind::Unavailable,
        "DirectConnectClientException" if is_not_found(message) => FaultKind::NotFound,
        _ if status == 429 => FaultKind::Throttled,
        _ if (400..500).contains(&status) => FaultKind::Rejected,
        _ => FaultKind::Unavailable,
    }
}

/// The message is all that tells a missing connection from a bad request.
fn is_not_found(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("could not find connection") || message.contains("does not exist")
}

fn source_of<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// An error with all that caused it, each said once.
pub(super) fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut last = words.clone();
    for source in std::iter::successors(error.source(), |&error| error.source()) {
        let said = source.to_string();
        if !last.contains(&said) {
            let _ = write!(words, ": {said}");
        }
        last = said;
    }
    words
}
