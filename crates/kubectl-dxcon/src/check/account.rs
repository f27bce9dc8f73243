//! Checks whether the user may read AWS, which account that is, and whether the local clock agrees with AWS.

use std::collections::BTreeSet;

use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::FaultKind;
use directconnect_core::identity::RegionName;
use directconnect_operator::kubernetes::Watched;
use jiff::Timestamp;

use super::finding::Finding;
use crate::arguments::Check;
use crate::aws::{Account, Listing};
use crate::status::region;

/// A clock that is off by this many seconds is a problem. AWS refuses requests that were signed five minutes ago.
const WRONG: i64 = 60;

/// Reads each region that resources name, or the one that is given.
pub async fn check(flags: &Check, resources: &[Watched]) -> Vec<Finding> {
    let account = match Account::open(&flags.aws).await {
        Ok(account) => account,
        Err(problem) => {
            let next =
                "what is to be asked of AWS is left out; it is asked with your credentials, not with the operator's";
            return vec![Finding::problem("AWS credentials", problem.to_string(), next)];
        }
    };
    let mut checks = vec![Finding::ok("AWS credentials", "there are some")];
    let regions = match regions(flags, resources, account.default_region()) {
        Ok(regions) => regions,
        Err(finding) => return [checks, vec![finding]].concat(),
    };
    let clock = regions.iter().next().cloned();
    let read = account.read(regions).await;
    checks.extend(read.iter().map(|(region, listing)| read_of(region, listing)));
    checks.extend(owners(read.values(), resources));
    if let Some(region) = clock {
        let before = Timestamp::now();
        let there = account.date(&region).await;
        checks.push(clock_of(&region, there, before, Timestamp::now()));
    }
    checks
}

fn regions(flags: &Check, resources: &[Watched], default: DefaultRegion) -> Result<BTreeSet<RegionName>, Finding> {
    if let Some(region) = &flags.region {
        return Ok(BTreeSet::from([region.clone()]));
    }
    let mut regions: BTreeSet<RegionName> = resources.iter().filter_map(region).collect();
    let next = "name one with --region, or set AWS_REGION";
    match default {
        DefaultRegion::Set(region) => drop(regions.insert(region)),
        DefaultRegion::Unset if regions.is_empty() => {
            return Err(Finding::problem("AWS region", "there is none to read", next));
        }
        DefaultRegion::Unset => {}
        DefaultRegion::Invalid(problem) => return Err(Finding::problem("AWS region", problem, next)),
    }
    Ok(regions)
}

fn read_of(region: &RegionName, listing: &Listing) -> Finding {
    let check = format!("read {region}");
    let fault = match listing {
        Ok(connections) => return Finding::ok(check, format!("{} connections", connections.len())),
        Err(fault) => fault,
    };
    let next = match fault.kind {
        FaultKind::AccessDenied => "allow your IAM role directconnect:DescribeConnections",
        FaultKind::CredentialsInvalid => {
            "log in again; the region may also not be enabled for the account, or the clock be wrong"
        }
        FaultKind::Throttled => "try again in a minute",
        FaultKind::Unavailable => "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL_DIRECT_CONNECT, and try again",
        FaultKind::NotFound | FaultKind::Rejected => "check that the endpoint is that of the region",
    };
    Finding::problem(check, fault.message.clone(), next)
}

/// The account is taken from its connections, so no other permission than to read them is needed.
fn owners<'a>(read: impl IntoIterator<Item = &'a Listing>, resources: &[Watched]) -> Option<Finding> {
    let check = "AWS account";
    let connections = read.into_iter().flatten().flatten();
    let yours: BTreeSet<&str> = connections.filter_map(|(_, connection)| connection.owner_account.as_deref()).collect();
    let shown = resources.iter().filter_map(|object| object.status.connection.owner_account.as_deref());
    let operators: BTreeSet<&str> = shown.collect();
    let list = |accounts: &BTreeSet<&str>| accounts.iter().copied().collect::<Vec<_>>().join(", ");
    if yours.is_empty() {
        return None;
    }
    let missing: BTreeSet<&str> = operators.difference(&yours).copied().collect();
    Some(if missing.is_empty() {
        Finding::ok(check, list(&yours))
    } else {
        Finding::note(check, format!("you read {}; the operator also reads {}", list(&yours), list(&missing)))
    })
}

fn clock_of(region: &RegionName, there: Option<Timestamp>, before: Timestamp, after: Timestamp) -> Finding {
    let check = "clock";
    let Some(there) = there else {
        return Finding::note(check, format!("not compared: {region} gave no answer with a date"));
    };
    let here = i64::midpoint(before.as_second(), after.as_second());
    let ahead = here - there.as_second();
    match ahead.unsigned_abs() {
        // The answer takes some time, and its date has whole seconds only.
        0..=2 => Finding::ok(check, "agrees with that of AWS"),
        seconds => {
            let message = format!("is {seconds} s {} that of AWS", if ahead > 0 { "ahead of" } else { "behind" });
            if ahead.abs() < WRONG {
                return Finding::ok(check, message);
            }
            Finding::problem(check, message, "set the clock of this machine: AWS refuses calls from five minutes on")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_less_than_a_minute() {
        let at = |seconds| Timestamp::from_second(seconds).expect("it is a time");
        let region = RegionName::parse("eu-central-1").expect("it is one");
        let cases = [
            (Some(1000), Outcome::Ok, "agrees"),
            (Some(970), Outcome::Ok, "30 s ahead of"),
            (Some(1030), Outcome::Ok, "30 s behind"),
            (Some(700), Outcome::Problem, "300 s ahead of"),
            (Some(1300), Outcome::Problem, "300 s behind"),
            (None, Outcome::Note, "not compared"),
        ];
        for (there, outcome, words) in cases {
            let finding = clock_of(&region, there.map(at), at(1000), at(1000));
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
    }
}
