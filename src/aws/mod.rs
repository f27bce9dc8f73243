//! Direct Connect through the AWS SDK: one client per region, and a poller that reads whole accounts.
//!
//! Must not know: Kubernetes. Knows the core's types, and converts the SDK's types to them.

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
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region as AwsRegion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_directconnect::config::retry::RetryConfig;
use aws_sdk_directconnect::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures::FutureExt;

use self::credentials::{CheckedProvider, RenewedProvider};
use self::errors::Operation;
use crate::metrics::Metrics;
use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::{DESCRIBE, Fault, FaultKind, UPDATE};
use directconnect_core::history::Change;
use directconnect_core::identity::ConnectionId;
use directconnect_core::observed::Connection;
use directconnect_core::settings::MAX_CALL_DURATION;

pub use credentials::NoCredentials;
pub use errors::says_cut;
pub use gate::{Call, Closed, Urgency};
pub use poller::Poller;
pub use pollers::Pollers;

/// The largest page of `DescribeConnections` (API reference). It is always requested, since the default is not
/// documented.
const PAGE: i32 = 100;
/// More pages than any account has. It ends the listing if an endpoint returns tokens without end.
const MAX_PAGES: usize = 1000;

/// A connection with its id as AWS writes it.
pub type Identified = (String, Connection);
/// A connection of a listing.
pub type Listed = (ConnectionId, Arc<Connection>);

/// Checks the settings for calls to AWS in the environment. The error is one line.
pub fn check_environment() -> Result<(), String> {
    credentials::check_environment()?;
    trust::bundle().map(|_| ())
}

/// The time limit of a call with everything that belongs to it.
fn within(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(limit).operation_timeout(limit).build()
}

/// `CloudTrail` shows the name of the app in the user agent, which tells these calls from those of others with the same
/// role.
pub(crate) fn defaults(app: &'static str) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
    match AppName::new(app) {
        Ok(name) => loader.app_name(name),
        Err(_) => loader,
    }
}

/// The same loader with this client, and with the time limits of all calls.
fn limited(from: ConfigLoader, http: SharedHttpClient) -> ConfigLoader {
    from.http_client(http).timeout_config(within(MAX_CALL_DURATION)).retry_config(RetryConfig::disabled())
}

/// What all regions share: credentials, endpoint and proxy settings, time limits and the HTTP client.
#[derive(Clone)]
pub struct Aws {
    shared: SdkConfig,
    metrics: Metrics,
}

impl Aws {
    /// Loads the configuration from the usual places: environment, profiles, web identity, container and instance
    /// metadata. The calls carry the name of this program.
    pub async fn from_environment(app: &'static str, metrics: Metrics) -> Self {
        let http = http::client(trust::context());
        let region = default_region::provider(&http, None).region().await;
        // The future is large and rarely used, so it is boxed.
        let load = move || limited(defaults(app).region(region.clone()), http.clone()).load().boxed();
        let shared = load().await;
        let credentials = RenewedProvider::new(move || load().map(|anew| anew.credentials_provider()).boxed());
        Self::of(shared, Some(SharedCredentialsProvider::new(credentials)), metrics)
    }

    /// Loads the credentials from this profile, whatever the environment says, and the region from the environment or
    /// else from the profile. The calls carry the name of this program.
    pub async fn from_profile(app: &'static str, profile: &str, metrics: Metrics) -> Self {
        let http = http::client(trust::context());
        let region = default_region::provider(&http, Some(profile)).region().await;
        let config = ProviderConfig::without_region().with_http_client(http.clone()).with_region(region.clone());
        let credentials = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
        let from = defaults(app).profile_name(profile).region(region).credentials_provider(credentials);
        Self::with(from, http, metrics).await
    }

    /// Loads the configuration from `from`, and what it does not set from the usual places.
    pub async fn load(from: ConfigLoader, metrics: Metrics) -> Self {
        Self::with(from, http::client(TlsContext::default()), metrics).await
    }

    async fn with(from: ConfigLoader, http: SharedHttpClient, metrics: Metrics) -> Self {
        let shared = limited(from, http).load().boxed().await;
        let credentials = shared.credentials_provider();
        Self::of(shared, credentials, metrics)
    }

    fn of(shared: SdkConfig, credentials: Option<SharedCredentialsProvider>, metrics: Metrics) -> Self {
        let mut shared = shared.into_builder();
        shared.set_credentials_provider(credentials.map(CheckedProvider).map(SharedCredentialsProvider::new));
        Self { shared: shared.build(), metrics }
    }

    /// Makes reads again that AWS throttles or that are cut, three attempts within the time of one call: for programs that
    /// have no next poll.
    #[must_use]
    pub fn retrying_reads(self) -> Self {
        Self { shared: self.shared.into_builder().retry_config(RetryConfig::standard()).build(), ..self }
    }

    /// Whether the places where the SDK looks for a region have one at this moment.
    pub async fn finds_a_region_now(&self) -> bool {
        let Some(http) = self.shared.http_client() else { return false };
        default_region::provider(&http, None).region().await.is_some()
    }

    /// The region that `AWS_REGION`, a profile or the instance sets, if any.
    pub fn default_region(&self) -> DefaultRegion {
        match self.shared.region().map(AwsRegion::as_ref) {
            None => DefaultRegion::Unset,
            Some(region) => default_region::check(region),
        }
    }

    /// Checks whether credentials can be obtained, as the first call would.
    pub async fn check_credentials(&self) -> Result<(), NoCredentials> {
        let Some(provider) = self.shared.credentials_provider() else {
            let message = "no credentials provider is set up".to_owned();
            return Err(NoCredentials { kind: FaultKind::CredentialsInvalid, message });
        };
        match tokio::time::timeout(MAX_CALL_DURATION, provider.provide_credentials()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err((&error).into()),
            Err(_) => {
                let message = format!("no provider answered within {} s", MAX_CALL_DURATION.as_secs());
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

/// The connections of an account, page by page. They are complete only after the last page.
#[derive(Debug, Default)]
struct Pages {
    connections: Vec<Listed>,
    count: usize,
    /// The token of the next page.
    token: Option<String>,
}

impl Pages {
    /// Adds a page and the token of the next. Returns true after the last page.
    fn take(&mut self, (page, next): (Vec<Identified>, Option<String>)) -> Result<bool, Fault> {
        // No resource can name a connection with an id of another form.
        let listed = page.into_iter().filter_map(|(id, read)| Some((ConnectionId::parse(&id)?, Arc::new(read))));
        self.connections.extend(listed);
        self.count += 1;
        if next.is_some() && (next == self.token || self.count == MAX_PAGES) {
            return Err(Fault::new(FaultKind::Unavailable, DESCRIBE, "AWS hands out pages without end"));
        }
        self.token = next;
        Ok(self.token.is_none())
    }
}

/// The client for the two operations in one region.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_directconnect::Client,
    region: String,
    metrics: Metrics,
}

/// The connections of an answer. One without a list says nothing of any connection. It does not come from AWS, and the SDK
/// takes even an empty body for one.
fn identified(
    listed: Option<Vec<aws_sdk_directconnect::types::Connection>>,
) -> Result<impl Iterator<Item = Identified>, Fault> {
    let none = || Fault::new(FaultKind::Unavailable, DESCRIBE, "the answer has no list of connections");
    Ok(listed.ok_or_else(none)?.into_iter().filter_map(convert::connection))
}

/// The answer to an update.
#[derive(Debug)]
pub struct Updated {
    /// The connection as the answer shows it.
    pub connection: Connection,
    /// Request id from AWS.
    pub request_id: Option<String>,
}

impl Client {
    /// One page of the connections, and the token of the next page.
    pub async fn page(&self, token: Option<String>) -> Result<(Vec<Identified>, Option<String>), Fault> {
        let call = self.sdk.describe_connections().max_results(PAGE).set_next_token(token).send();
        let page = self.timed(Operation::Page, call).await?;
        let next = page.next_token.filter(|token| !token.is_empty());
        Ok((identified(page.connections)?.collect(), next))
    }

    /// All connections of the region.
    pub async fn all(&self) -> Result<Vec<Listed>, Fault> {
        let mut pages = Pages::default();
        while !pages.take(self.page(pages.token.clone()).await?)? {}
        Ok(pages.connections)
    }

    /// The current time according to AWS, from the answer to a read, even one that refuses it; `None` without an
    /// answer.
    pub async fn date(&self) -> Option<jiff::Timestamp> {
        let date = date::KeepDate::default();
        let call = self.sdk.describe_connections().max_results(1).customize().interceptor(date.clone()).send();
        // The outcome does not matter; other reads report it.
        let _ = self.timed(Operation::Page, call).await;
        date.get()
    }

    /// One connection by its id; `None` if AWS does not know it.
    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, Fault> {
        let call = self.sdk.describe_connections().max_results(PAGE).connection_id(id).send();
        let page = match self.timed(Operation::ReadById, call).await {
            Ok(page) => page,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        Ok(identified(page.connections)?.find(|(found, _)| found == id).map(|(_, connection)| connection))
    }

    /// Sends the fields of `change` and no others. The call ends within `limit`.
    pub async fn update(&self, id: &str, change: &Change, limit: Duration) -> Result<Updated, Fault> {
        let timeouts = within(limit.min(MAX_CALL_DURATION));
        let call = self
            .sdk
            .update_connection()
            .connection_id(id)
            .set_connection_name(change.name.clone())
            .set_encryption_mode(change.mode.map(|mode| mode.to_string()))
            .customize()
            // A pass decides afresh before each attempt.
            .config_override(
                aws_sdk_directconnect::config::Config::builder()
                    .timeout_config(timeouts)
                    .retry_config(RetryConfig::disabled()),
            )
            .send();
        let answer = self.timed(Operation::Update, call).await?;
        let request_id = errors::request_id(&answer);
        match convert::answer(answer) {
            Some((answered, connection)) if answered == id => Ok(Updated { connection, request_id }),
            other => {
                let answered = other.map_or_else(|| "no connection".to_owned(), |(answered, _)| answered);
                let words = format!("the answer is about {answered}");
                Err(Fault { request_id, ..Fault::in_doubt(UPDATE, &words) })
            }
        }
    }

    async fn timed<T, E: errors::Modelled>(
        &self,
        operation: Operation,
        sent: impl Future<Output = Result<T, errors::CallError<E>>>,
    ) -> Result<T, Fault> {
        let started = Instant::now();
        // If the SDK panics over its input, only this call fails and not all calls of the task. The future of an SDK
        // call is large, so it is boxed.
        let result = match AssertUnwindSafe(Box::pin(sent)).catch_unwind().await {
            Ok(result) => result.map_err(|error| errors::fault(operation, &error)),
            Err(panic) => Err(errors::panicked(operation, &*panic)),
        };
        let outcome = result.as_ref().map_or_else(|fault| fault.reason().as_str(), |_| "Ok");
        self.metrics.aws_request(operation.name(), &self.region, outcome, started.elapsed());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_ends_with_a_fault_at_a_token_that_comes_again_and_at_more_pages_than_any_account_has() {
        let page = |token: &str| (Vec::new(), Some(token.to_owned()));
        let mut pages = Pages::default();
        assert_eq!(pages.take(page("again")), Ok(false));
        assert!(pages.take(page("again")).is_err());
        let mut pages = Pages::default();
        for number in 1..MAX_PAGES {
            assert_eq!(pages.take(page(&number.to_string())), Ok(false), "page {number}");
        }
        assert!(pages.take(page("one more")).is_err());
    }
}
