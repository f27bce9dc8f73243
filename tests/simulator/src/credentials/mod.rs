//! The sources of credentials: STS by web identity, and the endpoint of ECS and EKS Pod Identity next to a container.
//! Each has its own port, since each can refuse connections separately.

mod ports;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::{Call, Outcome};
use crate::connection::DEFAULT_ACCOUNT;
use crate::exchange::Exchange;
use crate::server::Reset;
use crate::state::{Done, Entry, Shared};
use crate::wire::{AwsError, Protocol};

pub(crate) use ports::Ports;
pub(crate) use wire::{answer_xml, error_xml};

/// The path of the container endpoint.
pub(crate) const CONTAINER_PATH: &str = "/v1/credentials";

/// A source of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialSource {
    /// STS, which gives credentials for a web identity token.
    Sts,
    /// The endpoint next to a container.
    Container,
}

impl CredentialSource {
    pub(crate) const ALL: [Self; 2] = [Self::Sts, Self::Container];

    /// The name of its only operation. The one of the container endpoint is not from AWS.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Sts => "AssumeRoleWithWebIdentity",
            Self::Container => "GetContainerCredentials",
        }
    }

    pub(crate) fn of_operation(operation: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.operation() == operation)
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Sts => Protocol::StsQuery,
            Self::Container => Protocol::ContainerJson,
        }
    }

    /// The prefix of its access key ids.
    fn key_prefix(self) -> &'static str {
        match self {
            Self::Sts => "ASIASTS",
            Self::Container => "ASIACTR",
        }
    }
}

/// The credentials that were given out.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    by_key: BTreeMap<String, Credentials>,
    count: u64,
}

#[derive(Debug)]
struct Credentials {
    account: String,
    session_token: String,
    expires: Timestamp,
}

impl Issued {
    /// The account of an access key that was given out.
    pub(crate) fn account_of(&self, access_key_id: &str) -> Option<&str> {
        self.by_key.get(access_key_id).map(|credentials| credentials.account.as_str())
    }

    /// Whether the key is valid: it is used with its token and before it expires. Keys that were not given out are not
    /// checked.
    pub(crate) fn check(&self, access_key_id: &str, session_token: Option<&str>) -> Result<(), AwsError> {
        let Some(credentials) = self.by_key.get(access_key_id) else {
            return Ok(());
        };
        if session_token != Some(credentials.session_token.as_str()) {
            let message = "The security token included in the request is invalid.";
            return Err(AwsError::new(400, "UnrecognizedClientException", message));
        }
        if credentials.expires <= Timestamp::now() {
            let message = "The security token included in the request is expired";
            return Err(AwsError::new(400, "ExpiredTokenException", message));
        }
        Ok(())
    }

    /// Gives out credentials.
    fn issue(&mut self, source: CredentialSource, account: &str, lifetime: Duration) -> Value {
        self.count += 1;
        let access_key_id = format!("{}{:013}", source.key_prefix(), self.count);
        let session_token = uuid::Uuid::new_v4().simple().to_string();
        let expires = Timestamp::now().saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        let answer = json!({
            "AccessKeyId": access_key_id,
            "SecretAccessKey": uuid::Uuid::new_v4().simple().to_string(),
            "Token": session_token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "AccountId": account,
        });
        self.by_key.insert(access_key_id, Credentials { account: account.to_owned(), session_token, expires });
        answer
    }
}

/// Answers a request for credentials, or asks for its connection to be reset.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    source: CredentialSource,
    head: &Parts,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, Reset> {
    let (parameters, account) = match source {
        CredentialSource::Sts => {
            let parameters = wire::parameters(body);
            let account = wire::check_assume_role(head, &parameters);
            (json!(parameters), account)
        }
        CredentialSource::Container => (json!({}), wire::check_container(head).map(|()| DEFAULT_ACCOUNT.to_owned())),
    };
    let call = Call {
        time: shared.clock.now(),
        finished: None,
        operation: source.operation().to_owned(),
        credential_source: Some(source),
        region: String::new(),
        access_key_id: String::new(),
        account: account.clone().unwrap_or_default(),
        parameters,
        outcome: Outcome::Pending,
        effect: false,
        request_id: uuid::Uuid::new_v4().to_string(),
        user_agent: head.headers.get("user-agent").and_then(|value| value.to_str().ok()).map(str::to_owned),
    };
    let (entry, fault) = {
        let mut state = shared.lock();
        if state.faults.refuse_connections(source) {
            // The connection was made before the port was closed.
            return Err(Reset);
        }
        let fault = if account.is_ok() { state.faults.take(&call, 1) } else { None };
        (Entry::open(shared, &mut state, call.clone()), fault)
    };
    let exchange = Exchange { shared, call, entry, changes: false, protocol: source.protocol() };
    let account = match account {
        Ok(account) => account,
        Err(error) => return Ok(exchange.refuse(&error)),
    };
    let issue = |_: &Call| {
        let mut state = shared.lock();
        let lifetime = state.settings.credential_lifetime;
        Done { answer: Ok(state.issued.issue(source, &account, lifetime)), effect: false }
    };
    exchange.run(fault, issue).await
}
