//! Compares the excerpts of the demo's output in the documents with its real output.
//!
//! An excerpt is a fenced block below a line `<!-- demo: NAME -->`. The README also shows one of them as a recording.

use std::path::PathBuf;

use test_support::repository;

use crate::Wrong;
use crate::recording::render;

/// Documents that contain excerpts.
const DOCUMENTS: [&str; 1] = [README];
const README: &str = "README.md";

/// The picture at the top of the README, and the excerpt that it shows.
const RECORDING: &str = "docs/demo.svg";
const RECORDED: &str = "must-encrypt";

/// A part of the output.
pub struct Excerpt {
    /// Its name in documents.
    pub name: &'static str,
    /// Its lines.
    pub lines: Vec<String>,
}

/// Does what `DEMO_TRANSCRIPT` asks for: `check` the documents, `write` them, or nothing.
pub fn settle(excerpts: &[Excerpt]) -> Result<(), Wrong> {
    let mode = std::env::var("DEMO_TRANSCRIPT").unwrap_or_default();
    let writes = match mode.as_str() {
        "" => return Ok(()),
        "check" => false,
        "write" => true,
        other => return Err(Wrong(format!("DEMO_TRANSCRIPT is {other:?}; it may be check or write"))),
    };
    for document in DOCUMENTS {
        let path: PathBuf = repository(document);
        let failed = |error| Wrong(format!("{document}: {error}"));
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let corrected = correct(&text, excerpts).map_err(|what| Wrong(format!("{document}: {what}")))?;
        if corrected == text {
            continue;
        }
        if !writes {
            return Err(Wrong(format!(
                "{document} prints what the demo does not: {}; `tests/demo/check-transcript --write` corrects it",
                first_difference(&text, &corrected)
            )));
        }
        std::fs::write(&path, corrected).map_err(failed)?;
    }
    settle_recording(writes)
}

/// The recording is made of what the README prints by now, and not of what the demo has just printed. So it shows the
/// times and ids that the README has, stays when these stay, and can be compared byte for byte.
fn settle_recording(writes: bool) -> Result<(), Wrong> {
    let failed = |file: &str, error| Wrong(format!("{file}: {error}"));
    let readme = std::fs::read_to_string(repository(README)).map_err(|error| failed(README, error))?;
    let path = repository(RECORDING);
    let made = record(&readme);
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == made) {
        return Ok(());
    }
    if !writes {
        return Err(Wrong(format!(
            "{RECORDING} does not show what {README} prints; `tests/demo/check-transcript --write` makes it anew"
        )));
    }
    std::fs::write(&path, made).map_err(|error| failed(RECORDING, error))
}

/// The recording of what the README prints.
fn record(readme: &str) -> String {
    let mark = format!("<!-- demo: {RECORDED} -->");
    let block = readme.lines().skip_while(|line| *line != mark).skip(2).take_while(|line| *line != "```");
    render(
        &block.collect::<Vec<_>>(),
        "A live connection goes from no_encrypt to must_encrypt",
        "In a terminal, kubectl apply asks for must_encrypt on a connection that carries clear text and has no MACsec key. \
         The operator sets should_encrypt and waits for a key, then for Encryption Up to hold for a while, and only then \
         sets must_encrypt. In the end kubectl shows must_encrypt, Encryption Up and Ready True.",
    )
}

/// The document with all excerpts updated. An excerpt that only differs in what varies from run to run is left as it
/// is.
fn correct(document: &str, excerpts: &[Excerpt]) -> Result<String, String> {
    let mut corrected: Vec<&str> = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        corrected.push(line);
        let Some(name) = line.strip_prefix("<!-- demo: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let excerpt = excerpts.iter().find(|excerpt| excerpt.name == name);
        let excerpt = excerpt.ok_or_else(|| format!("the demo has no excerpt {name:?}"))?;
        let fence = lines.next().filter(|line| line.starts_with("```"));
        corrected.push(fence.ok_or_else(|| format!("no fenced block follows the mark of {name:?}"))?);
        let printed: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let steady = |lines: &[&str]| lines.iter().map(|line| steady(line)).collect::<Vec<_>>();
        let now: Vec<&str> = excerpt.lines.iter().map(String::as_str).collect();
        corrected.extend(if steady(&printed) == steady(&now) { printed } else { now });
        corrected.push("```");
    }
    Ok(corrected.join("\n") + "\n")
}

/// A line without what varies from run to run: times, durations, ids of requests and objects, and the blanks for their
/// width.
fn steady(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_time(bare) || is_duration(bare) || is_uuid(bare) { word.replace(bare, "~") } else { word.to_owned() }
    });
    let line: Vec<String> = words.collect();
    match line.first().map(String::as_str) {
        Some("resourceVersion:") => "resourceVersion: ~".to_owned(),
        _ => line.join(" "),
    }
}

/// Whether a word is a time such as `2026-01-31T12:34:56Z`.
fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z')
}

/// Whether a word is a duration such as `12s` or `1m2s`.
pub fn is_duration(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with('s')
        && word.chars().all(|c| c.is_ascii_digit() || matches!(c, 'm' | 's'))
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The first line that differs in more than what varies from run to run.
fn first_difference(text: &str, corrected: &str) -> String {
    let pair = text.lines().zip(corrected.lines()).find(|(text, corrected)| steady(text) != steady(corrected));
    pair.map_or_else(
        || "it has fewer or more lines".to_owned(),
        |(text, corrected)| format!("{text:?}, where the demo has {corrected:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "text\n<!-- demo: story -->\n```console\n   3s  AWS     ok\n  uid: 0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f\n```\nmore\n";

    fn excerpt(lines: &[&str]) -> Excerpt {
        Excerpt { name: "story", lines: lines.iter().map(|&line| line.to_owned()).collect() }
    }

    #[test]
    fn what_differs_every_time_is_let_be() {
        let now = excerpt(&["  12s  AWS     ok", "  uid: 11111111-2222-4333-8444-555555555555"]);
        assert_eq!(correct(PRINTED, &[now]).as_deref(), Ok(PRINTED));
    }

    #[test]
    fn anything_else_is_corrected() {
        let now = excerpt(&["   4s  AWS     ok", "  uid: none"]);
        let corrected = "text\n<!-- demo: story -->\n```console\n   4s  AWS     ok\n  uid: none\n```\nmore\n";
        assert_eq!(correct(PRINTED, &[now]).as_deref(), Ok(corrected));
        let difference = first_difference(PRINTED, corrected);
        assert!(difference.ends_with(r#"where the demo has "  uid: none""#), "{difference}");
    }

    #[test]
    fn a_mark_needs_an_excerpt_and_a_block() {
        assert_eq!(correct(PRINTED, &[]), Err(r#"the demo has no excerpt "story""#.to_owned()));
        let bare = "<!-- demo: story -->\ntext\n";
        assert_eq!(correct(bare, &[excerpt(&[])]), Err(r#"no fenced block follows the mark of "story""#.to_owned()));
    }

    #[test]
    fn lines_without_what_differs() {
        let cases = [
            ("   3s  AWS     UpdateConnection", "~ AWS UpdateConnection"),
            ("frankfurt-a   dxcon-fg1234ab   available   False   1m2s", "frankfurt-a dxcon-fg1234ab available False ~"),
            ("  time: \"2026-01-31T12:34:56Z\"", "time: \"~\""),
            ("  resourceVersion: \"213\"", "resourceVersion: ~"),
            ("  startOn: 2026-01-31T12:34:56Z", "startOn: ~"),
            ("  state: associated", "state: associated"),
        ];
        for (line, expected) in cases {
            assert_eq!(steady(line), expected);
        }
    }

    #[test]
    fn the_recording_shows_what_the_readme_prints() {
        let kept = include_str!("../../../docs/demo.svg");
        assert!(
            kept == record(include_str!("../../../README.md")),
            "`tests/demo/check-transcript --write` makes it anew"
        );
    }
}
