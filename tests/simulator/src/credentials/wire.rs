//! The query protocol of STS (forms in, XML out), and the checks of requests for credentials.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::http::request::Parts;
use serde_json::Value;

use super::{CONTAINER_PATH, CredentialSource};
use crate::wire::AwsError;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const VERSION: &str = "2011-06-15";

/// The fields of a form.
pub(super) fn parameters(body: &[u8]) -> BTreeMap<String, String> {
    let body = String::from_utf8_lossy(body);
    let fields = body.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| field.split_once('=').unwrap_or((field, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// The account of the requested role, or what is wrong with the request.
pub(super) fn check_assume_role(head: &Parts, parameters: &BTreeMap<String, String>) -> Result<String, AwsError> {
    let given = |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let needed = |name: &str| {
        given(name).ok_or_else(|| {
            AwsError::new(400, "MissingParameter", format!("The request must contain the parameter {name}."))
        })
    };
    let content = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let spoken = head.method == Method::POST
        && head.uri.path() == "/"
        && content.starts_with("application/x-www-form-urlencoded")
        && given("Version") == Some(VERSION);
    if !spoken || given("Action") != Some(CredentialSource::Sts.operation()) {
        let message = format!(
            "Calls are POST / of a form with the Action {} and the Version {VERSION}",
            CredentialSource::Sts.operation()
        );
        return Err(AwsError::new(400, "InvalidAction", message));
    }
    needed("RoleSessionName")?;
    needed("WebIdentityToken")?;
    let role = needed("RoleArn")?;
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, name] if account.len() == 12 && name.starts_with("role/") => {
            Ok(account.to_owned())
        }
        _ => Err(AwsError::new(400, "ValidationError", format!("{role} is invalid"))),
    }
}

/// What is wrong with a request to the container endpoint, if anything.
pub(super) fn check_container(head: &Parts) -> Result<(), AwsError> {
    if head.method == Method::GET && head.uri.path() == CONTAINER_PATH {
        return Ok(());
    }
    Err(AwsError::new(404, "NotFound", format!("Credentials are at GET {CONTAINER_PATH}")))
}

/// The answer of STS with these credentials.
pub(crate) fn answer_xml(credentials: &Value, request_id: &str) -> String {
    let value = |name: &str| escaped(credentials[name].as_str().unwrap_or_default());
    let account = value("AccountId");
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\"><AssumeRoleWithWebIdentityResult>\
         <SubjectFromWebIdentityToken>system:serviceaccount:simulated:simulated</SubjectFromWebIdentityToken>\
         <Audience>sts.amazonaws.com</Audience>\
         <AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/simulated/simulated</Arn>\
         <AssumedRoleId>AROASIMULATED00000001:simulated</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </AssumeRoleWithWebIdentityResponse>",
        value("AccessKeyId"),
        value("SecretAccessKey"),
        value("Token"),
        value("Expiration"),
    )
}

/// An error answer of STS.
pub(crate) fn error_xml(status: u16, code: &str, message: &str, request_id: &str) -> String {
    let side = if status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(code),
        escaped(message),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Decodes a name or a value of a form.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let (byte, after) = match (first, hex.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => (byte, &after[2..]),
            (b'+', _) => (b' ', after),
            _ => (first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
