//! Determines which regions are read.

use std::collections::BTreeSet;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;

use crate::arguments::Import;
use crate::problem::Problem;

/// Regions with an endpoint of Direct Connect, by partition, from the service `directconnect` in `endpoints.json` of
/// botocore 1.44.8. Isolated partitions are not listed. A region that is missing here can be given with `--region`.
const PARTITIONS: [&[&str]; 3] = [
    &[
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-central-1",
        "ca-west-1",
        "eu-central-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    ],
    &["us-gov-east-1", "us-gov-west-1"],
    &["cn-north-1", "cn-northwest-1"],
];

/// The regions that the flags select.
pub fn to_read(flags: &Import, default_region: &DefaultRegion) -> Result<BTreeSet<RegionName>, Problem> {
    if !flags.region.is_empty() {
        return Ok(flags.region.iter().cloned().collect());
    }
    match default_region {
        DefaultRegion::Invalid(problem) => Err(Problem::new(format!("{problem}; --region names others"))),
        DefaultRegion::Set(region) if flags.all_regions => partition_of(region.as_str()),
        DefaultRegion::Set(region) => Ok(BTreeSet::from([region.clone()])),
        DefaultRegion::Unset => Err(Problem::new(if flags.all_regions {
            "--all-regions reads the partition of the configured region, and none is: set AWS_REGION to any region of it, or name the regions with --region"
        } else {
            "no region: name it with --region, set AWS_REGION, or give the AWS profile one"
        })),
    }
}

fn partition_of(region: &str) -> Result<BTreeSet<RegionName>, Problem> {
    let partition = PARTITIONS.iter().find(|regions| regions.contains(&region)).ok_or_else(|| {
        format!("--all-regions does not know the partition of {region}: name the regions to read with --region")
    })?;
    Ok(partition.iter().filter_map(|region| RegionName::parse(region)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_the_lists_is_one_and_stands_there_once() {
        let listed: Vec<&str> = PARTITIONS.iter().flat_map(|regions| regions.iter().copied()).collect();
        let read: BTreeSet<RegionName> = listed.iter().filter_map(|region| RegionName::parse(region)).collect();
        assert_eq!(read.len(), listed.len());
    }

    #[test]
    fn all_regions_are_those_of_the_partition_of_the_configured_region() {
        for (configured, some, count) in [
            ("eu-central-1", "us-east-1", 34),
            ("us-gov-west-1", "us-gov-east-1", 2),
            ("cn-north-1", "cn-northwest-1", 2),
        ] {
            let regions = partition_of(configured).expect("it is known");
            assert!(regions.iter().any(|region| region.as_str() == some), "{configured}: {regions:?}");
            assert_eq!(regions.len(), count, "{configured}");
        }
        let problem = partition_of("us-iso-east-1").expect_err("it is not in the lists").to_string();
        assert!(problem.contains("us-iso-east-1") && problem.contains("--region"), "{problem}");
    }
}
