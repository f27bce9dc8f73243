//! The operator's own region, for resources that name none.

use aws_config::Region;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::{ProvideRegion, RegionProviderChain, future};
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;
use directconnect_core::text;

/// Variables that set the region. The first that is not empty counts.
const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// How many bytes of an invalid region a message shows.
const SHOWN: usize = 80;

/// The sources of the SDK in its order, except that what is empty counts as unset, in a variable and in a profile. The SDK
/// would take it for a region with an empty name.
pub(super) fn provider(http: &SharedHttpClient, profile: Option<&str>) -> impl ProvideRegion + 'static {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let mut of_profile = ProfileFileRegionProvider::builder().configure(&config);
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
    }
    RegionProviderChain::first_try(Variables)
        .or_else(NotEmpty(of_profile.build()))
        .or_else(ImdsRegionProvider::builder().configure(&config).build())
}

/// A source in which an empty region counts as unset.
#[derive(Debug)]
struct NotEmpty<P>(P);

impl<P: ProvideRegion> ProvideRegion for NotEmpty<P> {
    fn region(&self) -> future::ProvideRegion<'_> {
        future::ProvideRegion::new(async { self.0.region().await.filter(|region| !region.as_ref().is_empty()) })
    }
}

#[derive(Debug)]
struct Variables;

impl ProvideRegion for Variables {
    fn region(&self) -> future::ProvideRegion<'_> {
        future::ProvideRegion::ready(variable().map(|(_, region)| Region::new(region)))
    }
}

fn variable() -> Option<(&'static str, String)> {
    VARIABLES.into_iter().find_map(|name| {
        let region = std::env::var(name).ok().filter(|region| !region.is_empty())?;
        Some((name, region))
    })
}

/// Validates a region. If it is invalid, the result says where it came from.
pub(super) fn check(region: &str) -> DefaultRegion {
    if let Some(region) = RegionName::parse(region) {
        return DefaultRegion::Set(region);
    }
    let source =
        variable().filter(|(_, value)| value == region).map_or("the region of the AWS profile", |(name, _)| name);
    let shown = text::cut_bytes(region, SHOWN);
    DefaultRegion::Invalid(format!(
        "{source} is {shown:?}, which is no AWS region; it reads such as eu-central-1, without blanks or quotation marks"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_is_none_is_told_with_where_it_came_from() {
        for (region, shown) in [("eu-central-1\n", "eu-central-1\n".to_owned()), (&"ü".repeat(1000), "ü".repeat(40))]
        {
            let DefaultRegion::Invalid(problem) = check(region) else { panic!("{region:?} is no region") };
            assert!(problem.starts_with(&format!("the region of the AWS profile is {shown:?}, which")), "{problem}");
        }
    }
}
