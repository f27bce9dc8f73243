//! What the AWS account has.

use std::collections::BTreeMap;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::Fault;
use directconnect_core::identity::{ConnectionId, RegionName};
use directconnect_core::observed::Connection;
use directconnect_operator::aws::{Aws, NoCredentials, check_environment};
use directconnect_operator::metrics::Metrics;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::arguments::AwsFlags;
use crate::problem::Problem;
use crate::terminal;

/// The connections of one region, or why they cannot be read.
pub type Listing = Result<Vec<(ConnectionId, Connection)>, Fault>;

/// An account, as the credentials at hand show it.
pub struct Account {
    aws: Aws,
}

impl Account {
    /// With the credentials of the usual places.
    pub async fn open(flags: &AwsFlags) -> Result<Self, Problem> {
        check_environment()?;
        let aws = match flags.profile.as_deref() {
            Some(profile) => Aws::from_profile(profile, Metrics::new()).await,
            None => Aws::from_environment(Metrics::new()).await,
        };
        aws.check_credentials().await.map_err(|reason| no_credentials(flags, &reason))?;
        Ok(Self { aws })
    }

    /// The region of the AWS configuration.
    pub fn default_region(&self) -> DefaultRegion {
        self.aws.default_region()
    }

    /// Every connection of these regions, which are read side by side; says on a terminal which have come.
    pub async fn read(&self, regions: impl IntoIterator<Item = RegionName>) -> BTreeMap<RegionName, Listing> {
        let reads: FuturesUnordered<_> = regions.into_iter().map(|region| self.read_one(region)).collect();
        let progress = terminal::Progress::of("regions read", reads.len());
        let read: Vec<_> = reads.inspect(|(region, listing)| progress.note(&told(region, listing))).collect().await;
        progress.end();
        read.into_iter().collect()
    }

    /// What time it is at AWS, as a region says.
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
            "--profile {profile:?} gives no AWS credentials: {reason}; log in (aws sso login --profile {profile}), or name another (`aws configure list-profiles` lists them)"
        ),
        None => format!(
            "no AWS credentials: {reason}; log in (aws sso login), name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ),
    })
}

fn told(region: &RegionName, listing: &Listing) -> String {
    match listing {
        Ok(connections) => format!("{region}: {} connections", connections.len()),
        // Why is said once the line of progress is gone: it may be longer than a terminal is wide.
        Err(_) => format!("{region}: could not be read"),
    }
}

/// What is said of a region that cannot be read.
pub fn unread(region: &RegionName, fault: &Fault) -> String {
    format!("{region} could not be read: {}", fault.message)
}
