//! Which region manifests are for that name none: that of the operator, which may not be that of the caller.

use std::collections::BTreeMap;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;
use directconnect_operator::kubernetes::Watched;

use crate::status::turn;

/// The default region, and what its user has to be told about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The default region.
    pub region: DefaultRegion,
    /// One line, if it is not certain or not the configured one.
    pub warning: Option<String>,
}

/// The region in which the operator has found the connections of resources that name none, otherwise the configured one.
/// If there are several, the one with the most resources.
pub fn assumed(live: &[Watched], configured: DefaultRegion) -> Assumed {
    let mut found: BTreeMap<RegionName, usize> = BTreeMap::new();
    let names_none = |object: &&Watched| object.spec.as_ref().is_ok_and(|spec| spec.region.is_none());
    for region in live.iter().filter(names_none).filter_map(turn::region) {
        *found.entry(region).or_default() += 1;
    }
    // Of two with equally many, the first by name.
    let most = found.iter().rev().max_by_key(|(_, count)| **count).map(|(region, _)| region.clone());
    let Some(region) = most else { return Assumed { region: configured, warning: None } };
    let differs = match &configured {
        DefaultRegion::Set(configured) => (*configured != region).then(|| configured.to_string()),
        DefaultRegion::Unset => None,
        DefaultRegion::Invalid(why) => Some(why.clone()),
    };
    let taken = format!("{region} is taken for what names no region; --region names another");
    let warning = if found.len() > 1 {
        let all: Vec<String> = found.iter().map(|(region, count)| format!("{region} ({count})")).collect();
        Some(format!("resources of the cluster that name no region are in several: {}; {taken}", all.join(", ")))
    } else {
        differs.map(|configured| {
            format!("resources of the cluster that name no region are in {region}, the AWS configuration says {configured}; {taken}")
        })
    };
    Assumed { region: DefaultRegion::Set(region), warning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn region(name: &str) -> DefaultRegion {
        DefaultRegion::Set(RegionName::parse(name).expect("it is a region"))
    }

    /// A resource with this region in its spec, and this one in its status.
    fn object(spec: Option<&str>, status: Option<&str>) -> Watched {
        serde_json::from_value(json!({
            "metadata": { "name": "line" }, "spec": { "connectionId": "dxcon-aaaaaaaa", "region": spec },
            "status": { "region": status },
        }))
        .expect("it is an object")
    }

    #[test]
    fn the_region_of_most_resources_without_one_goes_before_that_of_the_configuration() {
        let (here, there) = ("eu-central-1", "eu-west-1");
        let at = |region| object(None, Some(region));
        let cases: [(Vec<Watched>, DefaultRegion, &str, bool); 7] = [
            (vec![], region(here), here, false),
            (vec![object(None, None)], region(here), here, false),
            (vec![object(Some(there), Some(there))], region(here), here, false),
            (vec![at(there)], region(there), there, false),
            (vec![at(there)], DefaultRegion::Unset, there, false),
            (vec![at(there)], DefaultRegion::Invalid("AWS_REGION is x".to_owned()), there, true),
            (vec![at(here), at(there), at(there)], region(there), there, true),
        ];
        for (live, configured, expected, is_told) in cases {
            let assumed = assumed(&live, configured.clone());
            let given = (&assumed.region, assumed.warning.is_some());
            assert_eq!(given, (&region(expected), is_told), "{live:?}, {configured:?}: {assumed:?}");
        }
    }
}
