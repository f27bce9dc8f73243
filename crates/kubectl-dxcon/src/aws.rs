//! Reads the connections of an AWS account.

use std::collections::BTreeMap;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::Fault;
use directconnect_core::identity::RegionName;
use directconnect_operator::aws::{Aws, Listed, NoCredentials, check_environment};
use directconnect_operator::metrics::Metrics;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::arguments::AwsFlags;
use crate::problem::Problem;
use crate::terminal;

/// The name that the calls carry, so that `CloudTrail` tells them from those of the operator.
const APP: &str = env!("CARGO_PKG_NAME");

/// The connections of one region, or why they cannot be read.
pub type Listing = Result<Vec<Listed>, Fault>;

/// An AWS account, accessed with the user's credentials.
pub struct Account {
    aws: Aws,
}

impl Account {
    /// Opens the account with credentials from the usual places.
    pub async fn open(flags: &AwsFlags) -> Result<Self, Problem> {
        check_environment()?;
        let aws = match flags.profile.as_deref() {
            Some(profile) => Aws::from_profile(APP, profile, Metrics::new()).await,
            None => Aws::from_environment(APP, Metrics::new()).await,
        };
        aws.check_credentials().await.map_err(|reason| no_credentials(flags, &reason))?;
        Ok(Self { aws: aws.retrying_reads() })
    }

    /// The region of the AWS configuration.
    pub fn default_region(&self) -> DefaultRegion {
        self.aws.default_region()
    }

    /// Reads all connections of these regions concurrently, and shows progress on a terminal.
    pub async fn read(&self, regions: impl IntoIterator<Item = RegionName>) -> BTreeMap<RegionName, Listing> {
        let reads: FuturesUnordered<_> = regions.into_iter().map(|region| self.read_one(region)).collect();
        let progress = terminal::Progress::of("regions read", reads.len());
        let read: Vec<_> = reads.inspect(|(region, listing)| progress.note(&describe(region, listing))).collect().await;
        progress.end();
        read.into_iter().collect()
    }

    /// The current time according to AWS, as this region reports it.
    pub async fn date(&self, region: &RegionName) -> Option<jiff::Timestamp> {
        self.aws.client(region.as_str()).date().await
    }

    async fn read_one(&self, region: RegionName) -> (RegionName, Listing) {
        let listing = self.aws.client(region.as_str()).all().await;
        (region, listing)
    }
}

fn no_credentials(flags: &AwsFlags, reason: &NoCredentials) -> Problem {
    Problem::new(match &flags.profile {
        Some(profile) => format!(
            "--profile {profile:?} gives no AWS credentials: {reason}; log in (aws sso login --profile {}), or name another (`aws configure list-profiles` lists them)",
            terminal::quoted(profile)
        ),
        None => format!(
            "no AWS credentials: {reason}; log in (aws sso login), name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ),
    })
}

fn describe(region: &RegionName, listing: &Listing) -> String {
    match listing {
        Ok(connections) => format!("{region}: {} connections", connections.len()),
        // The reason is printed after the progress line is cleared, since it may be wider than the terminal.
        Err(_) => format!("{region}: could not be read"),
    }
}

/// The message for a region that cannot be read.
pub fn unread(region: &RegionName, fault: &Fault) -> String {
    format!("{region} could not be read: {}", fault.message)
}
