//! Determines who calls and for which region, from the SigV4 `Authorization` header. The signature is not verified,
//! since the simulator knows no secrets.

use hyper::HeaderMap;

use crate::wire::AwsError;

const SCHEME: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "directconnect";

/// The content of a credential scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key_id: String,
    pub(crate) region: String,
}

/// Reads the credential scope of a request, or returns AWS's error.
pub(crate) fn scope(headers: &HeaderMap) -> Result<Scope, AwsError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(authorization) = header("authorization") else {
        return Err(AwsError::new(403, "MissingAuthenticationToken", "Missing Authentication Token"));
    };
    let Some(fields) = authorization.strip_prefix(SCHEME) else {
        return Err(incomplete(format!("Unsupported authorization scheme: expected {SCHEME}.")));
    };
    let field = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    let credential = field("Credential")?;
    let signed = field("SignedHeaders")?;
    let signature = field("Signature")?;

    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(incomplete("The signature is not 64 hexadecimal digits."));
    }
    for needed in ["host", "x-amz-date"] {
        if !signed.split(';').any(|name| name == needed) {
            return Err(incomplete(format!("'{needed}' must be a signed header.")));
        }
    }
    let Some(time) = header("x-amz-date").filter(|time| is_timestamp(time)) else {
        return Err(incomplete("Authorization header requires existence of an 'X-Amz-Date' header."));
    };

    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key_id, date, region, service, terminator] = parts[..] else {
        return Err(incomplete(format!("Credential must have exactly 5 slash-delimited elements: {credential}")));
    };
    if access_key_id.is_empty() || region.is_empty() {
        return Err(incomplete(format!("Credential has empty elements: {credential}")));
    }
    if terminator != "aws4_request" {
        return Err(invalid("Credential should be scoped with a valid terminator: 'aws4_request'."));
    }
    if service != SERVICE {
        return Err(invalid(format!("Credential should be scoped to correct service: '{SERVICE}'.")));
    }
    if !time.starts_with(date) || date.len() != 8 {
        return Err(invalid(format!("Date in Credential scope does not match X-Amz-Date: {date} and {time}")));
    }
    Ok(Scope { access_key_id: access_key_id.to_owned(), region: region.to_owned() })
}

/// Whether a text is a time such as `20260131T235959Z`.
fn is_timestamp(time: &str) -> bool {
    time.len() == 16
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

fn incomplete(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "IncompleteSignature", message)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidSignatureException", message)
}
