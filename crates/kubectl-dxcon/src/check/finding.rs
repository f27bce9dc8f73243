//! The result of a check.

use std::fmt::Write as _;

use serde::Serialize;

use crate::terminal::{self, BAD, GOOD, WAITING, styled};

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Everything is as it has to be.
    Ok,
    /// It was not checked, or the user should look at it. Not a problem by itself.
    Note,
    /// Something is wrong.
    Problem,
}

/// The result of a check, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// What was found.
    pub message: String,
    /// What to do next, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    /// A finding that all is well.
    pub fn ok(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Ok, message: message.into(), next: None }
    }

    /// A finding that something was not checked or is worth a look.
    pub fn note(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Note, message: message.into(), next: None }
    }

    /// A finding that something is wrong, and what to do.
    pub fn problem(check: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Problem, message: message.into(), next: Some(next.into()) }
    }
}

/// The findings as text: a line for each, with the next step below it, and the number of problems.
pub fn text(findings: &[Finding]) -> String {
    let rows = findings.iter().flat_map(|Finding { check, outcome, message, next }| {
        let (word, style) = match outcome {
            Outcome::Ok => ("ok", GOOD),
            Outcome::Note => ("note", WAITING),
            Outcome::Problem => ("problem", BAD),
        };
        let next = next.as_ref().map(|next| vec![String::new(), String::new(), format!("next: {next}")]);
        [vec![styled(style, word), check.clone(), message.clone()]].into_iter().chain(next)
    });
    let mut out = terminal::lines(rows);
    let problems = findings.iter().filter(|finding| finding.outcome == Outcome::Problem).count();
    let summary = match problems {
        0 => styled(GOOD, "No problem was found."),
        1 => styled(BAD, "1 problem was found."),
        more => styled(BAD, format!("{more} problems were found.")),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n{summary}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_a_line_and_a_problem_has_its_next_step_under_it() {
        let findings =
            [Finding::ok("API server", "v1.33.2"), Finding::problem("CRD", "is not installed", "install it")];
        let plain = anstream::adapter::strip_str(&text(&findings)).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(
            lines,
            [
                "ok        API server   v1.33.2",
                "problem   CRD          is not installed",
                "                       next: install it",
                "",
                "1 problem was found."
            ]
        );
    }
}
