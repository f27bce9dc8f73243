//! Checks that the README is right about reasons, flags, permissions and files, and the pages of docs/ about names and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use directconnect_core::reason::{Phase, Reason};
use directconnect_operator::config::Arguments;
use serde_json::Value;
use strum::VariantArray as _;

const README: &str = include_str!("../README.md");

/// The cells of all rows of all tables.
fn rows() -> Vec<Vec<&'static str>> {
    let lines = README.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    lines.map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// A cell without code quotes.
fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[test]
fn every_reason_of_ready_has_its_row() {
    for reason in Reason::VARIANTS.iter().copied() {
        let (ready, with) = match reason.phase() {
            Phase::Done => ("True", ""),
            Phase::Reconciling => ("False", "Reconciling"),
            Phase::Stalled => ("False", "Stalled"),
            Phase::Held => ("False", ""),
            Phase::Unknown if reason == Reason::ObservationStale => ("Unknown", ""),
            Phase::Unknown => {
                let word = format!("`{}`", reason.as_str());
                assert!(README.contains(&word), "{word} of LinkUp or Encrypted is missing");
                continue;
            }
        };
        let found = rows().into_iter().find(|row| bare(row[0]) == reason.as_str());
        let row = found.unwrap_or_else(|| panic!("{} has no row", reason.as_str()));
        assert_eq!((row[1], bare(row[2])), (ready, with), "{}", reason.as_str());
    }
}

#[test]
fn every_flag_has_its_row() {
    let command = Arguments::command();
    let run = command.find_subcommand("run").expect("there is `run`");
    let mut flags = BTreeSet::new();
    for argument in run.get_arguments().filter(|argument| argument.get_long() != Some("help")) {
        let flag = format!("--{}", argument.get_long().expect("every argument has a long flag"));
        let found = rows().into_iter().find(|row| bare(row[0]) == flag);
        let row = found.unwrap_or_else(|| panic!("{flag} has no row"));
        let environment = argument.get_env().and_then(|name| name.to_str());
        assert_eq!(Some(bare(row[1])), environment, "{flag}");
        for default in argument.get_default_values() {
            assert_eq!(Some(bare(row[2])), default.to_str(), "{flag}");
        }
        flags.insert(flag);
    }
    let told: BTreeSet<String> =
        rows().iter().map(|row| bare(row[0])).filter(|cell| cell.starts_with("--")).map(str::to_owned).collect();
    assert_eq!(told, flags);
}

#[test]
fn the_rights_in_aws_are_those_that_ship() {
    assert!(README.contains(include_str!("../deploy/iam/policy.json").trim()));
}

/// Wider rights would show what nobody asked for: a description of virtual interfaces has their BGP keys.
#[test]
fn a_plan_needs_the_operators_right_to_read_and_no_other() {
    let policy = |text: &str| serde_json::from_str::<Value>(text).expect("the policy is JSON");
    let plan = policy(include_str!("../deploy/iam/plan-policy.json"));
    let operator = policy(include_str!("../deploy/iam/policy.json"));
    assert_eq!(plan["Statement"].as_array().map(Vec::as_slice), Some(&[operator["Statement"][0].clone()][..]));
}

#[test]
fn the_rights_in_kubernetes_are_those_that_ship() {
    let manifests = serde_saphyr::from_multiple::<Value>(include_str!("../deploy/kustomize/base/rbac.yaml"));
    let manifests = manifests.expect("the manifests are YAML");
    let words = |list: &Value| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut shipped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in manifests.iter().flat_map(|manifest| manifest["rules"].as_array().cloned().unwrap_or_default()) {
        for resource in words(&rule["resources"]) {
            shipped.entry(resource).or_default().extend(words(&rule["verbs"]));
        }
    }
    assert!(!shipped.is_empty(), "the manifests have rules");
    for (resource, verbs) in shipped {
        let found = rows().into_iter().find(|row| row[0].starts_with(&format!("`{resource}`")));
        let row = found.unwrap_or_else(|| panic!("{resource} has no row"));
        let told: BTreeSet<String> = row[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(told, verbs, "{resource}");
    }
}

/// The pages of docs/, and those beside the code.
fn pages() -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        std::fs::read_dir(root.join("docs")).expect("there are docs").map(|page| page.expect("it is read").path());
    let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.chain(["README.md", "CONTRIBUTING.md", "tests/README.md"].map(|page| root.join(page)))
}

/// `kubectl logs` of a Deployment shows one of its Pods: of several one that is ready, so the standby where the one that
/// leads cannot read AWS. With a selector it shows all Pods, but ten lines of each unless it is told otherwise.
#[test]
fn where_the_log_is_to_be_read_it_is_that_of_every_pod_and_the_whole() {
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/directconnect-operator/templates/NOTES.txt");
    let mut found = 0;
    for path in pages().chain([notes]) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let commands = text.split(['`', '\n']).filter(|part| part.contains("kubectl ") && part.contains(" logs "));
        for command in commands {
            let is_whole = ["--selector ", "--prefix", "--tail=-1"].iter().all(|flag| command.contains(flag));
            assert!(is_whole, "{}: {command}", path.display());
            found += 1;
        }
    }
    assert!(found >= 3, "README, runbook and the chart's notes say how to read the log");
}

/// The words of all files below a folder that are code or settings.
fn words_below(folder: &Path, words: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it is read").path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            words_below(&path, words);
        } else if matches!(extension, None | Some("rs" | "yaml")) {
            let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let text = String::from_utf8_lossy(&text);
            let found = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.contains('_'));
            words.extend(found.map(str::to_owned));
        }
    }
}

#[test]
fn the_recipes_name_only_what_the_code_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for folder in ["src", "crates", "tests", "charts"] {
        words_below(&root.join(folder), &mut there);
    }
    let recipes = std::fs::read_to_string(root.join("docs/recipes.md")).expect("it is there");
    let is_name = |text: &&str| text.contains('_') && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let named: BTreeSet<&str> = recipes.split('`').skip(1).step_by(2).filter(is_name).collect();
    let missing: Vec<_> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(named.len() > 15 && missing.is_empty(), "of {} names there are not: {missing:?}", named.len());
}

#[test]
fn what_it_links_to_is_there() {
    for path in pages() {
        let document = path.display();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let target = path.with_file_name(target);
            assert!(target.exists(), "{document} links to {}, which is not there", target.display());
        }
    }
}
