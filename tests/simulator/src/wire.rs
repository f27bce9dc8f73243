//! AWS JSON 1.1: typed requests, and answers and errors in AWS's format.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::credentials;

/// The content type of all answers of Direct Connect.
pub(crate) const CONTENT: &str = "application/x-amz-json-1.1";

/// The operations that exist.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// `OvertureService.DescribeConnections`.
    Describe(Describe),
    /// `OvertureService.UpdateConnection`.
    Update(Update),
}

/// The parameters of `DescribeConnections`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Describe {
    pub(crate) connection_id: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i32>,
}

/// The parameters of `UpdateConnection`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Update {
    pub(crate) connection_id: Option<String>,
    pub(crate) connection_name: Option<String>,
    pub(crate) encryption_mode: Option<String>,
}

impl Request {
    /// Parses a call from its target and its parameters. Unknown fields are ignored, as AWS does.
    pub(crate) fn parse(target: &str, parameters: &Value) -> Result<Self, AwsError> {
        match target {
            "OvertureService.DescribeConnections" => read(parameters).map(Self::Describe),
            "OvertureService.UpdateConnection" => read(parameters).map(Self::Update),
            _ => Err(AwsError::new(400, "UnknownOperationException", format!("Unknown operation {target:?}"))),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(parameters: &'a Value) -> Result<T, AwsError> {
    if !parameters.is_object() {
        return Err(AwsError::new(400, "SerializationException", "Expected a JSON object"));
    }
    T::deserialize(parameters).map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))
}

/// An error in AWS's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    /// `None` is an answer without a body, as load balancers send.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
}

impl AwsError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: Some(code.to_owned()), message: message.into() }
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new(400, "DirectConnectClientException", message)
    }

    pub(crate) fn server(message: impl Into<String>) -> Self {
        // A server error, which AWS documents with status 400.
        Self::new(400, "DirectConnectServerException", message)
    }

    pub(crate) fn throttled() -> Self {
        Self::new(400, "ThrottlingException", "Rate exceeded")
    }

    fn body(&self) -> String {
        match self.code.as_deref() {
            None => String::new(),
            // The framework in front of the service qualifies its own error codes, and capitalizes the message key of
            // this one.
            Some("AccessDeniedException") => {
                json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": self.message}).to_string()
            }
            Some(code @ ("UnknownOperationException" | "SerializationException")) => {
                json!({"__type": format!("com.amazon.coral.service#{code}"), "message": self.message}).to_string()
            }
            Some(code @ ("DirectConnectClientException" | "DirectConnectServerException")) => {
                json!({"__type": format!("com.amazonaws.directconnect#{code}"), "message": self.message}).to_string()
            }
            Some(code) => json!({"__type": code, "message": self.message}).to_string(),
        }
    }
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON 1.1, of Direct Connect.
    Json,
    /// The query protocol of STS, with answers in XML.
    StsQuery,
    /// Plain JSON, for the container endpoint.
    ContainerJson,
}

impl Protocol {
    /// The body of an answer.
    pub(crate) fn body(self, answer: &Value, request_id: &str) -> String {
        match self {
            Self::Json | Self::ContainerJson => answer.to_string(),
            Self::StsQuery => credentials::answer_xml(answer, request_id),
        }
    }

    /// The body of an error.
    pub(crate) fn error_body(self, error: &AwsError, request_id: &str) -> String {
        match (self, error.code.as_deref()) {
            (_, None) => String::new(),
            (Self::Json, Some(_)) => error.body(),
            (Self::StsQuery, Some(code)) => credentials::error_xml(error.status, code, &error.message, request_id),
            (Self::ContainerJson, Some(code)) => json!({"code": code, "message": error.message}).to_string(),
        }
    }

    /// An answer with a request id, which all answers of AWS have.
    pub(crate) fn response(self, status: u16, body: String, request_id: &str) -> Response<Full<Bytes>> {
        let content = match self {
            Self::Json => CONTENT,
            Self::StsQuery => "text/xml",
            Self::ContainerJson => "application/json",
        };
        Response::builder()
            .status(status)
            .header("x-amzn-requestid", request_id)
            .header(CONTENT_TYPE, content)
            .body(Full::new(Bytes::from(body)))
            .expect("a checked status and plain headers make a response")
    }
}
