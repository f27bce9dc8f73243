//! Credentials: whether a source that gives none is down or misconfigured, and whether those that it gives are valid in
//! a request.

mod renewed;

use std::error::Error;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_config::meta::ProviderChainError;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_directconnect::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::request_id::RequestId;
use futures::FutureExt;

use super::errors::{is_outage_status, request_id, sources, words_of_answer};
use directconnect_core::fault::FaultKind;
use directconnect_core::text;

pub(super) use self::renewed::RenewedProvider;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// Why credentials could not be obtained.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NoCredentials {
    /// `Unavailable`: the source does not work at the moment. `CredentialsInvalid`: a person has to fix the
    /// configuration.
    pub kind: FaultKind,
    /// The error message of the source.
    pub message: String,
}

impl From<&CredentialsError> for NoCredentials {
    fn from(error: &CredentialsError) -> Self {
        let (words, request_id) = words(error);
        let request = request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
        Self { kind: kind(error), message: text::clean(&(words + &request)) }
    }
}

/// Variables that name a file that a source reads.
const FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

/// The error message of a source, and the request id if it is an answer of STS. If the source could not read a file, the
/// name of the file is added, since the SDK leaves it out.
pub(super) fn words(error: &CredentialsError) -> (String, Option<String>) {
    let of_sts = |source| {
        words_of_sts::<AssumeRoleWithWebIdentityError>(source).or_else(|| words_of_sts::<AssumeRoleError>(source))
    };
    if let Some(said) = sources(error).find_map(of_sts) {
        return said;
    }
    let mut words = text::with_sources(error);
    if error.source().is_some_and(<dyn Error>::is::<std::io::Error>) {
        let files = FILES.into_iter().filter_map(|variable| Some((variable, std::env::var_os(variable)?)));
        for (variable, file) in files.filter(|(_, file)| std::fs::File::open(file).is_err()) {
            let _ = write!(words, " ({variable} is {})", file.display());
        }
    }
    (words, None)
}

/// What STS answered, and the request id, which the SDK would add to the message.
fn words_of_sts<E>(source: &(dyn Error + 'static)) -> Option<(String, Option<String>)>
where
    E: ProvideErrorMetadata + Error + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let error = source.downcast_ref::<SdkError<E, HttpResponse>>()?;
    let SdkError::ServiceError(context) = error else { return None };
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    let words = words_of_answer(code, message, context.raw().status().as_u16());
    Some((format!("STS answered {words}"), request_id(error)))
}

/// Kind of the fault that a source gave no credentials.
pub(super) fn kind(error: &CredentialsError) -> FaultKind {
    let named = std::env::var_os("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty());
    if is_outage(error, named) { FaultKind::Unavailable } else { FaultKind::CredentialsInvalid }
}

/// Whether the source does not work at the moment. All other errors need a person.
fn is_outage(error: &CredentialsError, metadata_is_named: bool) -> bool {
    match error {
        CredentialsError::ProviderTimedOut(_) => true,
        // No source is configured. The SDK then tries the instance metadata service, which nothing answers outside of
        // EC2. That it cannot be reached counts as an outage only if its endpoint is configured explicitly.
        CredentialsError::CredentialsNotLoaded(_) => {
            let chain = sources(error).find_map(|source| source.downcast_ref::<ProviderChainError<CredentialsError>>());
            let attempts = chain.map(ProviderChainError::attempts).unwrap_or_default();
            metadata_is_named
                && (has_outage_source(error) || attempts.iter().any(|attempt| has_outage_source(attempt.error())))
        }
        // The source answered with something that is not credentials. This error has no public type to match; the only
        // other `Unhandled` errors without an answer are about text that is not UTF-8.
        CredentialsError::Unhandled(_) => {
            has_outage_source(error) || !text::with_sources(error).contains("not valid UTF-8")
        }
        _ => has_outage_source(error),
    }
}

/// Whether one of the error's sources says that a service could not be reached or could not answer.
fn has_outage_source(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(|source| {
        if let Some(error) = source.downcast_ref::<ConnectorError>() {
            // `is_user` is an invalid URL. All other kinds are outages: refused, reset, timed out, not resolved, not
            // trusted.
            return !error.is_user();
        }
        if let Some(error) = source.downcast_ref::<ImdsError>() {
            return match error {
                ImdsError::ErrorResponse(answer) => is_outage_status(answer.response().status().as_u16()),
                ImdsError::IoError(_) | ImdsError::Unexpected(_) => true,
                _ => false,
            };
        }
        is_passing_call::<AssumeRoleWithWebIdentityError>(source, is_sts_outage)
            || is_passing_call::<AssumeRoleError>(source, is_sts_outage)
            || is_passing_call::<TokenError>(source, |_| false)
            || is_passing_call::<CredentialsError>(source, |_| false)
            || is_container_outage(&source.to_string())
    })
}

/// Whether `source` is an error of a service call after which the next call may succeed.
fn is_passing_call<E: Error + 'static>(source: &(dyn Error + 'static), passes: impl Fn(&E) -> bool) -> bool {
    match source.downcast_ref::<SdkError<E, HttpResponse>>() {
        Some(SdkError::TimeoutError(_) | SdkError::ResponseError(_)) => true,
        Some(SdkError::ServiceError(context)) => {
            is_outage_status(context.raw().status().as_u16()) || passes(context.err())
        }
        _ => false,
    }
}

/// STS reports some outages, its own and those of the identity provider of a token, with HTTP 400.
fn is_sts_outage(error: &impl ProvideErrorMetadata) -> bool {
    match error.code().unwrap_or_default() {
        "IDPCommunicationError" => true,
        // The message with "key": STS could not get the key that signed the token. Other messages of this code mean
        // that the token, its audience or the identity provider in IAM is wrong.
        "InvalidIdentityToken" => error.message().unwrap_or_default().to_ascii_lowercase().contains("key"),
        code => THROTTLING_ERRORS.contains(&code) || TRANSIENT_ERRORS.contains(&code),
    }
}

/// Whether the credentials endpoint of a container is down. The SDK gives its error as plain text only: the status as
/// `StatusCode(503)`, or the code of a JSON answer as `[ThrottlingException]`.
fn is_container_outage(said: &str) -> bool {
    let between =
        |start, end| said.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(value, _)| value);
    if said.starts_with("Non-success status from HTTP credential provider") {
        return between("StatusCode(", ")").and_then(|status| status.parse().ok()).is_some_and(is_outage_status);
    }
    said.starts_with("failed to load credentials")
        && between("[", "]").is_some_and(|code| THROTTLING_ERRORS.contains(&code))
}

/// Checks the environment variables with credentials for values that must not reach the SDK, since it would show them
/// in its errors.
pub(super) fn check_environment() -> Result<(), String> {
    for variable in [ACCESS_KEY_ID, SECRET_ACCESS_KEY, "SECRET_ACCESS_KEY", SESSION_TOKEN] {
        if std::env::var_os(variable).is_some_and(|value| value.to_str().is_none()) {
            return Err(format!("{variable} is not valid UTF-8; write it anew"));
        }
    }
    Ok(())
}

/// Wraps the SDK's providers and checks the credentials that they give. The SDK panics on an access key id that is not
/// valid in a header.
#[derive(Debug)]
pub(super) struct CheckedProvider(pub(super) SharedCredentialsProvider);

impl ProvideCredentials for CheckedProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let given = AssertUnwindSafe(async { self.0.provide_credentials().await }).catch_unwind().await;
            let given = given.unwrap_or_else(|panic| {
                Err(CredentialsError::invalid_configuration(format!("a panic: {}", text::panic_message(&*panic))))
            });
            given.and_then(checked)
        })
    }
}

fn checked(credentials: Credentials) -> provider::Result {
    let parts = [
        (ACCESS_KEY_ID, "access key id", Some(credentials.access_key_id())),
        (SECRET_ACCESS_KEY, "secret access key", Some(credentials.secret_access_key())),
        (SESSION_TOKEN, "session token", credentials.session_token()),
    ];
    for (variable, name, value) in parts {
        let Some(what) = value.unwrap_or_default().chars().find_map(unusable) else { continue };
        return Err(CredentialsError::invalid_configuration(format!(
            "{variable} (or the {name} of the profile or role in use) has {what}, which none has; write it anew without"
        )));
    }
    Ok(credentials)
}

/// Describes a character that cannot be part of credentials, which are printable ASCII. Messages never contain the
/// credentials themselves.
fn unusable(c: char) -> Option<&'static str> {
    match c {
        '\n' | '\r' => Some("a line break"),
        '"' | '\'' => Some("a quotation mark"),
        c if c.is_whitespace() => Some("a blank"),
        c if c.is_control() => Some("a control character"),
        c if !c.is_ascii() => Some("a character that is not ASCII"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
