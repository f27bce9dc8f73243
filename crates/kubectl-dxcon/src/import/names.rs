//! Assigns names of resources, made from the names of the connections in AWS.

use std::collections::{BTreeMap, BTreeSet};

use directconnect_core::identity::CircuitId;

/// Longest name. It is the limit of label values, so that names can be used as such.
const MAX_LENGTH: usize = 63;

/// The folder also contains `kustomization.yaml`, so no resource may have this name.
const RESERVED: &str = "kustomization";

/// Assigns a name to each connection. All names are different, and none of them is in `taken`.
///
/// A connection gets its own name if no other connection has the same. Otherwise all connections with that name get
/// their ids appended. So a name does not depend on the order, nor on connections with other names.
pub fn assign<'a>(
    connections: impl IntoIterator<Item = (&'a CircuitId, Option<&'a str>)>,
    taken: &BTreeSet<String>,
) -> BTreeMap<CircuitId, String> {
    let connections = connections.into_iter();
    let mut candidates: BTreeMap<&CircuitId, Candidate> =
        connections.map(|(circuit, name)| (circuit, Candidate::new(circuit, name))).collect();
    loop {
        let mut groups: BTreeMap<String, Vec<&CircuitId>> = BTreeMap::new();
        for (circuit, candidate) in &candidates {
            groups.entry(candidate.name(circuit)).or_default().push(circuit);
        }
        let too_short: Vec<&CircuitId> = groups
            .iter()
            .flat_map(|(name, group)| to_lengthen(group, &candidates, name == RESERVED || taken.contains(name)))
            .collect();
        if too_short.is_empty() {
            return candidates
                .iter()
                .map(|(circuit, candidate)| ((*circuit).clone(), candidate.name(circuit)))
                .collect();
        }
        for circuit in too_short {
            if let Some(candidate) = candidates.get_mut(circuit) {
                candidate.length += 1;
            }
        }
    }
}

/// Which connections of a group with the same name get a longer one: those with the shortest form. So a connection
/// whose name already contains its id keeps it if another one has this name in AWS. If all of them contain the region
/// already, the first one keeps its name, since otherwise all would grow in the same way.
fn to_lengthen<'a>(
    group: &[&'a CircuitId],
    candidates: &BTreeMap<&CircuitId, Candidate>,
    is_taken: bool,
) -> Vec<&'a CircuitId> {
    let length = |circuit: &CircuitId| candidates.get(circuit).map_or(0, |candidate| candidate.length);
    if is_taken {
        return group.to_vec();
    }
    if group.len() < 2 {
        return Vec::new();
    }
    let shortest = group.iter().map(|circuit| length(circuit)).min().unwrap_or_default();
    let shortest_ones = group.iter().copied().filter(|circuit| length(circuit) == shortest);
    let is_whole = shortest >= WITH_REGION && shortest_ones.clone().count() == group.len();
    shortest_ones.skip(usize::from(is_whole)).collect()
}

/// Names of this length and above contain the region.
const WITH_REGION: u32 = 2;

/// The possible names of a connection.
struct Candidate {
    stem: String,
    is_id: bool,
    /// 0: the stem alone; 1: with the id; 2: with id and region; more: with a number as well.
    length: u32,
}

impl Candidate {
    fn new(circuit: &CircuitId, name: Option<&str>) -> Self {
        let stem = slug(name.unwrap_or_default());
        let is_id = stem.is_empty();
        Self { stem: if is_id { circuit.id.as_str().to_owned() } else { stem }, is_id, length: 0 }
    }

    fn name(&self, circuit: &CircuitId) -> String {
        let id = circuit.id.as_str();
        let mut end = String::new();
        if self.length > 0 && !self.is_id {
            end = format!("-{}", id.strip_prefix("dxcon-").unwrap_or(id));
        }
        if self.length >= WITH_REGION {
            end = format!("{end}-{}", circuit.region);
        }
        if self.length > WITH_REGION {
            end = format!("{end}-{}", self.length - WITH_REGION + 1);
        }
        let room = MAX_LENGTH.saturating_sub(end.len());
        let stem = self.stem.get(..room.min(self.stem.len())).unwrap_or_default();
        format!("{}{end}", stem.trim_end_matches('-')).trim_matches('-').to_owned()
    }
}

/// A valid Kubernetes name: other scripts in Latin letters, and a dash for all but lower-case letters and digits. It is
/// empty if nothing is left.
fn slug(name: &str) -> String {
    let latin = any_ascii::any_ascii(name).to_ascii_lowercase();
    let words = latin.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    joined.get(..MAX_LENGTH.min(joined.len())).unwrap_or_default().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
