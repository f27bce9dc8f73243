//! Checks the version of the API server.

use directconnect_operator::kubernetes::words;
use k8s_openapi::apimachinery::pkg::version::Info;

use super::finding::Finding;
use crate::cluster::Cluster;

const CHECK: &str = "API server";

/// The oldest supported version of Kubernetes.
const OLDEST: (u32, u32) = (1, 29);

/// Checks whether the version is supported.
pub async fn check(cluster: &Cluster) -> Finding {
    match cluster.client.apiserver_version().await {
        Ok(info) => judge(&info),
        Err(error) => Finding::note(CHECK, format!("does not tell its version: {}", words(&error))),
    }
}

fn judge(info: &Info) -> Finding {
    let version = &info.git_version;
    match (number(&info.major), number(&info.minor)) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Finding::ok(CHECK, format!("Kubernetes {version}")),
        (Some(_), Some(_)) => Finding::problem(
            CHECK,
            format!("Kubernetes {version} is older than {}.{}", OLDEST.0, OLDEST.1),
            "upgrade the cluster",
        ),
        _ => Finding::note(CHECK, format!("its version {version:?} cannot be compared")),
    }
}

/// Parses a version number. Some distributions write `29+`.
fn number(word: &str) -> Option<u32> {
    word.trim_end_matches(|letter: char| !letter.is_ascii_digit()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn a_version_is_compared_as_numbers() {
        let cases = [
            (("1", "29"), Outcome::Ok),
            (("1", "33+"), Outcome::Ok),
            (("2", "0"), Outcome::Ok),
            (("1", "28"), Outcome::Problem),
            (("1", "9"), Outcome::Problem),
            (("", ""), Outcome::Note),
        ];
        for ((major, minor), expected) in cases {
            let info = Info { major: major.into(), minor: minor.into(), ..Info::default() };
            assert_eq!(judge(&info).outcome, expected, "{major}.{minor}");
        }
    }
}
