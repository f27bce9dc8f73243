//! Writes the table into the documents, between the lines `<!-- bench -->` and `<!-- /bench -->`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;

use test_support::repository;

/// With fewer rounds, the documents are not changed.
pub const ENOUGH_ROUNDS: usize = 5;

/// The documents with the table.
const DOCUMENTS: [&str; 2] = ["docs/benchmarks.md", "README.md"];
const BEGIN: &str = "<!-- bench -->\n";
const END: &str = "<!-- /bench -->";

/// The table, followed by a description of the measurement.
pub fn block(table: &str, rounds: usize) -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    format!("{table}\nMeasured at {} on {cores} cores of {}; rounds: {rounds}.\n", commit(), processor())
}

/// Writes it into the documents.
pub fn write(block: &str) -> Result<(), String> {
    for document in DOCUMENTS {
        let path: PathBuf = repository(document);
        let failed = |error| format!("{document}: {error}");
        let text = fs::read_to_string(&path).map_err(failed)?;
        let (before, _, after) = parts(&text).ok_or_else(|| format!("{document} has no place for the table"))?;
        fs::write(&path, format!("{before}{BEGIN}{block}{END}{after}")).map_err(failed)?;
    }
    Ok(())
}

/// The text before, between and after the markers.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (between, after) = rest.split_once(END)?;
    Some((before, between, after))
}

fn commit() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(repository(".")).output();
    let described = described.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    described.ok().filter(|commit| !commit.is_empty()).unwrap_or_else(|| "an unknown commit".to_owned())
}

fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "an unknown processor".to_owned(), |(_, model)| model.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_what_the_document_shows() {
        let shown = DOCUMENTS.map(|document| {
            let text = fs::read_to_string(repository(document)).expect("the document is text");
            let (_, between, _) = parts(&text).unwrap_or_else(|| panic!("{document} has no place for the table"));
            between.to_owned()
        });
        assert_eq!(shown[0], shown[1], "`make bench` writes both");
    }

    #[test]
    fn what_is_around_the_marks_stays() {
        let text = "above\n<!-- bench -->\nold\n<!-- /bench -->\nbelow\n";
        assert_eq!(parts(text), Some(("above\n", "old\n", "\nbelow\n")));
        assert_eq!(parts("above\n<!-- bench -->\nold\n"), None);
    }
}
