//! Direct Connect through the AWS SDK: one client per region, and one poller that reads a whole account at a time.
//!
//! Must not know: Kubernetes. Knows the core's types and turns the SDK's into them at the door.

mod convert;
mod credentials;
mod date;
mod default_region;
mod errors;
mod gate;
mod http;
mod poller;
mod pollers;
mod trust;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region as AwsRegion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_directconnect::config::retry::RetryConfig;
use aws_sdk_directconnect::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures::FutureExt;

use self::errors::Operation;
use crate::metrics::Metrics;
use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::{DESCRIBE, Effect, Fault, FaultKind, UPDATE};
use directconnect_core::history::Change;
use directconnect_core::identity::ConnectionId;
use directconnect_core::observed::Connection;
use directconnect_core::settings::LONGEST_CALL;

pub use credentials::NoCredentials;
pub use gate::{Call, Closed, Urgency};
pub use poller::Poller;
pub use pollers::Pollers;

/// How long one call may take with everything that belongs to it.
const CALL_TIMEOUT: Duration = LONGEST_CALL;
/// Largest page that AWS gives (API reference, `DescribeConnections`). Always asked for: the default is not documented.
const PAGE: i32 = 100;
/// More pages than any account has; an endpoint that hands out tokens for ever is not read for ever.
const MAX_PAGES: usize = 1000;

/// A connection and its id, as AWS writes it.
pub type Identified = (String, Connection);

/// What is wrong with the settings that calls of AWS take from the environment, if anything is: one clear line.
pub fn check_environment() -> Result<(), String> {
    credentials::check_environment()?;
    trust::bundle().map(|_| ())
}

fn defaults() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
}

/// What all regions share: credentials, endpoint and proxy settings, time limits, the one HTTP client.
#[derive(Clone)]
pub struct Aws {
    shared: SdkConfig,
    metrics: Metrics,
}

impl Aws {
    /// Reads the usual places: environment, profiles, web identity, container and instance metadata.
    pub async fn from_environment(metrics: Metrics) -> Self {
        let http = http::client(trust::context());
        let region = default_region::provider(&http, None);
        Self::with(defaults().region(region), http, metrics).await
    }

    /// Takes credentials from this profile of the AWS configuration, whatever the environment says, and the region from it
    /// where the environment says none.
    pub async fn from_profile(profile: &str, metrics: Metrics) -> Self {
        let http = http::client(trust::context());
        let region = default_region::provider(&http, Some(profile)).region().await;
        let config = ProviderConfig::without_region().with_http_client(http.clone()).with_region(region.clone());
        let credentials = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
        let from = defaults().profile_name(profile).region(region).credentials_provider(credentials);
        Self::with(from, http, metrics).await
    }

    /// Reads what `from` says, and the usual places for the rest.
    pub async fn load(from: ConfigLoader, metrics: Metrics) -> Self {
        Self::with(from, http::client(TlsContext::default()), metrics).await
    }

    async fn with(from: ConfigLoader, http: SharedHttpClient, metrics: Metrics) -> Self {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).operation_timeout(CALL_TIMEOUT).build();
        let from = from.http_client(http).timeout_config(timeouts).retry_config(RetryConfig::disabled());
        // In a box, as it is large and rarely made.
        let shared = Box::pin(from.load()).await;
        let credentials =
            shared.credentials_provider().map(credentials::CheckedProvider).map(SharedCredentialsProvider::new);
        let mut shared = shared.into_builder();
        shared.set_credentials_provider(credentials);
        Self { shared: shared.build(), metrics }
    }

    /// The region that `AWS_REGION`, a profile or the instance says, where one of them does.
    pub fn default_region(&self) -> DefaultRegion {
        match self.shared.region().map(AwsRegion::as_ref).filter(|region| !region.is_empty()) {
            None => DefaultRegion::Unset,
            Some(region) => default_region::check(region),
        }
    }

    /// Whether there are credentials, as the first call would find out.
    pub async fn check_credentials(&self) -> Result<(), NoCredentials> {
        let Some(provider) = self.shared.credentials_provider() else {
            let message = "no credentials provider is set up".to_owned();
            return Err(NoCredentials { kind: FaultKind::CredentialsInvalid, message });
        };
        match tokio::time::timeout(CALL_TIMEOUT, provider.provide_credentials()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err((&error).into()),
            Err(_) => {
                let message = format!("no provider answered within {} s", CALL_TIMEOUT.as_secs());
                Err(NoCredentials { kind: FaultKind::Unavailable, message })
            }
        }
    }

    /// A client for one region.
    pub fn client(&self, region: &str) -> Client {
        let config = aws_sdk_directconnect::config::Builder::from(&self.shared)
            .region(AwsRegion::new(region.to_owned()))
            .build();
        Client {
            sdk: aws_sdk_directconnect::Client::from_conf(config),
            region: region.to_owned(),
            metrics: self.metrics.clone(),
        }
    }
}

/// The connections of an account as its pages come. They count only when every page came.
#[derive(Debug, Default)]
struct Pages {
    connections: Vec<(ConnectionId, Connection)>,
    count: usize,
    token: Option<String>,
}

impl Pages {
    /// The token of the next page.
    fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Takes in a page and the token of the next. True when it was the last.
    fn take(&mut self, (page, next): (Vec<Identified>, Option<String>)) -> Result<bool, Fault> {
        // One with an id of another shape can be nobody's.
        self.connections.extend(page.into_iter().filter_map(|(id, read)| Some((ConnectionId::parse(&id)?, read))));
        self.count += 1;
        if next.is_some() && (next == self.token || self.count == MAX_PAGES) {
            return Err(Fault::new(FaultKind::Unavailable, DESCRIBE, "AWS hands out pages without end"));
        }
        self.token = next;
        Ok(self.token.is_none())
    }
}

/// The two calls, in one region.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_directconnect::Client,
    region: String,
    metrics: Metrics,
}

/// What an update was answered.
#[derive(Debug)]
pub struct Updated {
    /// The connection after it.
    pub connection: Connection,
    /// Request id of AWS.
    pub request_id: Option<String>,
}

impl Client {
    /// One page of all connections, and the token of the next.
    pub async fn page(&self, token: Option<String>) -> Result<(Vec<Identified>, Option<String>), Fault> {
        let call = self.sdk.describe_connections().max_results(PAGE).set_next_token(token).send();
        let page = self.timed(Operation::Page, call).await?;
        let next = page.next_token.filter(|token| !token.is_empty());
        let connections = page.connections.unwrap_or_default().into_iter().filter_map(convert::connection);
        Ok((connections.collect(), next))
    }

    /// Every connection.
    pub async fn all(&self) -> Result<Vec<(ConnectionId, Connection)>, Fault> {
        let mut pages = Pages::default();
        while !pages.take(self.page(pages.token()).await?)? {}
        Ok(pages.connections)
    }

    /// What time it is at AWS, as the answer to a read says, be it a refusal; `None`: there was no answer.
    pub async fn date(&self) -> Option<jiff::Timestamp> {
        let date = date::KeepDate::default();
        let call = self.sdk.describe_connections().max_results(1).customize().interceptor(date.clone()).send();
        // Whatever it answers: that is asked by the other reads.
        let _ = self.timed(Operation::Page, call).await;
        date.get()
    }

    /// One connection by its id; `None`: AWS knows none.
    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, Fault> {
        let call = self.sdk.describe_connections().max_results(PAGE).connection_id(id).send();
        let page = match self.timed(Operation::ReadById, call).await {
            Ok(page) => page,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let found = page.connections.unwrap_or_default().into_iter().filter_map(convert::connection);
        Ok(found.into_iter().find(|(found, _)| found == id).map(|(_, connection)| connection))
    }

    /// Sets the fields of `change`, and only those, within `limit`.
    pub async fn update(&self, id: &str, change: &Change, limit: Duration) -> Result<Updated, Fault> {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(limit.min(CALL_TIMEOUT))
            .operation_timeout(limit.min(CALL_TIMEOUT))
            .build();
        let call = self
            .sdk
            .update_connection()
            .connection_id(id)
            .set_connection_name(change.name.clone())
            .set_encryption_mode(change.mode.map(|mode| mode.to_string()))
            .customize()
            .config_override(aws_sdk_directconnect::config::Config::builder().timeout_config(timeouts))
            .send();
        let answer = self.timed(Operation::Update, call).await?;
        let request_id = errors::request_id(&answer);
        match convert::answer(answer) {
            Some((answered, connection)) if answered == id => Ok(Updated { connection, request_id }),
            other => {
                let words = format!("the answer is about {:?}", other.map(|(answered, _)| answered));
                Err(Fault { request_id, effect: Effect::Unknown, ..Fault::new(FaultKind::Unavailable, UPDATE, &words) })
            }
        }
    }

    async fn timed<T, E: errors::Modelled>(
        &self,
        operation: Operation,
        sent: impl Future<Output = Result<T, errors::CallError<E>>>,
    ) -> Result<T, Fault> {
        let started = Instant::now();
        // A panic of the SDK over what it was given is a fault of this call, and not of all that are made here. In a box, as
        // a call of the SDK is large.
        let result = match AssertUnwindSafe(Box::pin(sent)).catch_unwind().await {
            Ok(result) => result.map_err(|error| errors::fault(operation, &error)),
            Err(panic) => Err(errors::panicked(operation, &*panic)),
        };
        let outcome = result.as_ref().map_or_else(|fault| fault.reason().as_str(), |_| "Ok");
        self.metrics.aws_request(operation.name(), &self.region, outcome, started.elapsed());
        result
    }
}
