//! Names of resources as kubectl takes and prints them.

use directconnect_operator::api::{DirectConnectConnection, GROUP};
use kube::Resource as _;

use crate::manifests::is_subdomain;

/// The name in `NAME` or `TYPE/NAME`. The type may be the plural, the singular or the short name, with or without the group
/// and the version, in letters of any case.
pub fn resource_name(given: &str) -> Result<String, String> {
    let (kind, name) = given.split_once('/').map_or((None, given), |(kind, name)| (Some(kind), name));
    if let Some(kind) = kind.filter(|kind| !is_ours(kind)) {
        return Err(format!(
            "{kind:?} is another type of resource: give names of DirectConnectConnections, as NAME or dxcon/NAME"
        ));
    }
    if name.contains('/') {
        return Err("it has more than one slash: give NAME or dxcon/NAME".to_owned());
    }
    if name.is_empty() {
        return Err("there is no name in it; `kubectl get dxcon` lists them".to_owned());
    }
    if !is_subdomain(name) {
        let letters = "lower-case letters, digits, - and ., at most 253";
        return Err(format!("it is no name of a resource: {letters}; `kubectl get dxcon` lists them"));
    }
    Ok(name.to_owned())
}

fn is_ours(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    let (resource, group) = kind.split_once('.').map_or((kind.as_str(), None), |(of, group)| (of, Some(group)));
    let plural = DirectConnectConnection::plural(&());
    let with_version = format!("{}.{GROUP}", DirectConnectConnection::version(&()));
    let singular = DirectConnectConnection::kind(&()).to_lowercase();
    [&*plural, &singular, "dxcon"].contains(&resource)
        && group.is_none_or(|group| group == GROUP || group == with_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_resource_is_told_by_what_is_wrong_with_it() {
        for (given, words) in [
            ("", "there is no name in it"),
            ("dxcon/", "there is no name in it"),
            ("/line", "\"\" is another type"),
            ("pod/line", "\"pod\" is another type"),
            ("dxcon.example.com/line", "\"dxcon.example.com\" is another type"),
            ("dxcon/line/status", "more than one slash"),
            ("Frankfurt Primary", "no name of a resource"),
            ("line..a", "no name of a resource"),
        ] {
            let refused = resource_name(given).expect_err("it is refused");
            assert!(refused.contains(words) && refused.contains("dxcon"), "{given:?}: {refused}");
        }
    }
}
