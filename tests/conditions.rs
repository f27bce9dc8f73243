//! Checks that docs/conditions.md lists every reason with its meaning in the code.

use directconnect_core::reason::{Phase, Reason};
use strum::VariantArray as _;

const PAGE: &str = include_str!("../docs/conditions.md");

#[test]
fn every_reason_is_on_the_page_once_and_as_it_is() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"))
        .map(|row| row.split(" |").map(|cell| cell.trim().trim_matches('`')).collect())
        .filter(|row: &Vec<&str>| row.len() == 6)
        .collect();
    for reason in Reason::VARIANTS.iter().copied() {
        let of = |row: &&Vec<&str>| row[0] == reason.as_str();
        assert_eq!(rows.iter().filter(of).count(), 1, "{}", reason.as_str());
        let row = rows.iter().find(of).expect("it was counted");
        let (status, with) = match reason.phase() {
            Phase::Done => ("True", ""),
            Phase::Reconciling => ("False", "Reconciling"),
            Phase::Stalled => ("False", "Stalled"),
            Phase::Held => ("False", ""),
            // The reasons of LinkUp and Encrypted, whose tables are in the tests of the core.
            Phase::Unknown => (row[2], ""),
        };
        assert_eq!((row[2], row[3]), (status, with), "{}", reason.as_str());
        assert!(row[4..].iter().all(|cell| !cell.is_empty()), "{} lacks words", reason.as_str());
    }
    assert_eq!(rows.len(), Reason::VARIANTS.len(), "a row is of no reason");
}
