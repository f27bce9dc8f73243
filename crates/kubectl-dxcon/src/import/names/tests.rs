use super::*;

use directconnect_core::identity::{ConnectionId, RegionName};
use proptest::prelude::*;

fn circuit(region: &str, id: &str) -> CircuitId {
    CircuitId {
        region: RegionName::parse(region).expect("it is a region"),
        id: ConnectionId::parse(id).expect("it is an id"),
    }
}

/// The names of the resources for connections of eu-central-1, given as id and name.
fn assigned(connections: &[(&str, &str)], taken: &[&str]) -> Vec<String> {
    let connections: Vec<(CircuitId, &str)> =
        connections.iter().map(|(id, name)| (circuit("eu-central-1", id), *name)).collect();
    assigned_across(&connections, taken)
}

fn assigned_across(connections: &[(CircuitId, &str)], taken: &[&str]) -> Vec<String> {
    let taken = taken.iter().map(|name| (*name).to_owned()).collect();
    let names = assign(connections.iter().map(|(circuit, name)| (circuit, Some(*name))), &taken);
    connections.iter().map(|(circuit, _)| names[circuit].clone()).collect()
}

#[test]
fn a_name_is_the_connections_own_as_kubernetes_takes_it() {
    let long = "x".repeat(80);
    let dashed = format!("{} y", "x".repeat(62));
    for (given, expected) in [
        ("frankfurt-primary", "frankfurt-primary"),
        ("Frankfurt Primary", "frankfurt-primary"),
        ("DX_FRA/01 (10G)", "dx-fra-01-10g"),
        ("--fra..01--", "fra-01"),
        ("1e3", "1e3"),
        ("Zürich – Straße", "zurich-strasse"),
        ("Москва", "moskva"),
        ("東京", "dongjing"),
        ("", "dxcon-aaaaaaaa"),
        (" ", "dxcon-aaaaaaaa"),
        ("***", "dxcon-aaaaaaaa"),
        ("a\nb\tc", "a-b-c"),
        (&long, &"x".repeat(63)),
        (&dashed, &"x".repeat(62)),
    ] {
        assert_eq!(assigned(&[("dxcon-aaaaaaaa", given)], &[]), [expected], "{given:?}");
    }
    assert_eq!(assign([(&circuit("eu-central-1", "dxcon-aaaaaaaa"), None)], &BTreeSet::new()).len(), 1);
}

#[test]
fn all_that_would_have_the_same_name_get_their_id() {
    let (a, b, c) = ("dxcon-aaaaaaaa", "dxcon-bbbbbbbb", "dxcon-cccccccc");
    let long = "x".repeat(70);
    let cut = |id: &str| format!("{}-{id}", "x".repeat(54));
    for (given, taken, expected) in [
        (vec![(a, "fra"), (b, "FRA")], vec![], vec!["fra-aaaaaaaa", "fra-bbbbbbbb"]),
        (vec![(a, "fra"), (b, "fra"), (c, "zrh")], vec![], vec!["fra-aaaaaaaa", "fra-bbbbbbbb", "zrh"]),
        // If a connection in AWS has the name that another one was assigned, only the former gets its id appended.
        (
            vec![(a, "fra"), (b, "fra"), (c, "fra-aaaaaaaa")],
            vec![],
            vec!["fra-aaaaaaaa", "fra-bbbbbbbb", "fra-aaaaaaaa-cccccccc"],
        ),
        // A connection whose name is the id of a connection without a name.
        (vec![(a, ""), (b, "dxcon-aaaaaaaa")], vec![], vec!["dxcon-aaaaaaaa", "dxcon-aaaaaaaa-bbbbbbbb"]),
        // Names of existing resources.
        (vec![(a, "fra"), (b, "zrh")], vec!["fra"], vec!["fra-aaaaaaaa", "zrh"]),
        (vec![(a, "fra")], vec!["fra", "fra-aaaaaaaa"], vec!["fra-aaaaaaaa-eu-central-1"]),
        (
            vec![(a, "fra")],
            vec!["fra", "fra-aaaaaaaa", "fra-aaaaaaaa-eu-central-1"],
            vec!["fra-aaaaaaaa-eu-central-1-2"],
        ),
        // The file that lists the others.
        (vec![(a, "Kustomization")], vec![], vec!["kustomization-aaaaaaaa"]),
        (vec![(a, &long), (b, &long)], vec![], vec![&cut("aaaaaaaa"), &cut("bbbbbbbb")]),
    ] {
        assert_eq!(assigned(&given, &taken), expected, "{given:?} beside {taken:?}");
    }
}

#[test]
fn the_same_id_in_two_regions_gets_its_region() {
    let id = "dxcon-aaaaaaaa";
    let both = |name| [(circuit("eu-west-1", id), name), (circuit("eu-west-2", id), name)];
    assert_eq!(assigned_across(&both("fra"), &[]), ["fra-aaaaaaaa-eu-west-1", "fra-aaaaaaaa-eu-west-2"]);
    assert_eq!(assigned_across(&both(""), &[]), ["dxcon-aaaaaaaa-eu-west-1", "dxcon-aaaaaaaa-eu-west-2"]);
}

/// Few ids, regions and names, so that most of them collide.
fn fleet() -> impl Strategy<Value = BTreeMap<CircuitId, String>> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "fra",
            "FRA",
            "",
            "fra-aaaaaaaa",
            "fra-aaaaaaaa-eu-west-1",
            "dxcon-aaaaaaaa",
            "dxcon-aaaaaaaa-eu-west-2",
            "kustomization",
            "線",
            "fra-aaaaaaaa-bbbbbbbb",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let region = prop::sample::select(vec!["eu-west-1", "eu-west-2"]);
    let id = prop_oneof![
        prop::sample::select(vec!["dxcon-aaaaaaaa", "dxcon-bbbbbbbb", "dxcon-cccccccc"]).prop_map(str::to_owned),
        "dxcon-[ab]{58}",
    ];
    prop::collection::btree_map((region, id).prop_map(|(region, id)| circuit(region, &id)), name, 0..12)
}

proptest! {
    #[test]
    fn names_are_different_and_such_as_kubernetes_takes(
        fleet in fleet(),
        taken in prop::collection::btree_set(prop::sample::select(vec!["fra", "fra-aaaaaaaa", "dxcon-bbbbbbbb"]), 0..3),
    ) {
        let taken: BTreeSet<String> = taken.into_iter().map(str::to_owned).collect();
        let names = assign(fleet.iter().map(|(circuit, name)| (circuit, Some(name.as_str()))), &taken);
        let different: BTreeSet<&String> = names.values().collect();
        prop_assert_eq!(different.len(), fleet.len());
        for name in different {
            prop_assert!(!taken.contains(name) && name != RESERVED, "{} is taken", name);
            let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            prop_assert!(is_plain && !name.starts_with('-') && !name.ends_with('-'), "{}", name);
            prop_assert!(!name.is_empty() && name.len() <= 110, "{}", name);
        }
    }

    #[test]
    fn a_connection_that_shares_no_name_changes_none(fleet in fleet()) {
        let named = || fleet.iter().map(|(circuit, name)| (circuit, Some(name.as_str())));
        let before = assign(named(), &BTreeSet::new());
        let other = circuit("us-east-1", "dxcon-zzzzzzzz");
        let after = assign(named().chain([(&other, Some("unrelated to all the others"))]), &BTreeSet::new());
        for (circuit, name) in before {
            prop_assert_eq!(&after[&circuit], &name);
        }
    }
}
