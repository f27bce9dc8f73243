//! The state of resources as text, one line each.

use anstyle::Style;
use directconnect_core::text::printable;
use k8s_openapi::jiff::Timestamp;

use super::summary::{ShownPhase, Summary};
use crate::terminal::{self, BAD, GOOD, QUIET, WAITING, styled};

/// Blanks between two columns.
const GAP: usize = 3;

/// The labels of the last columns if they are printed on lines of their own.
const LABELS: [&str; 3] = ["step", "waits for", "last update"];

/// A cell of a line: its text and style.
pub struct Cell {
    words: String,
    style: Style,
}

impl Cell {
    /// Words of AWS or of people, which may hold control characters that a terminal would obey.
    fn plain(words: impl AsRef<str>) -> Self {
        Self { words: printable(words.as_ref()), style: Style::new() }
    }

    fn styled(&self) -> String {
        if self.style == Style::new() { self.words.clone() } else { styled(self.style, &self.words) }
    }

    fn width(&self) -> usize {
        self.words.chars().count()
    }
}

/// The names of the columns.
pub fn header(with_namespace: bool) -> Vec<&'static str> {
    let columns = ["NAME", "CONNECTION", "VERDICT", "STEP", "WAITS FOR", "LAST UPDATE"];
    with_namespace.then_some("NAMESPACE").into_iter().chain(columns).collect()
}

/// The cells of one line.
pub fn cells(summary: &Summary, with_namespace: bool, now: Timestamp) -> Vec<Cell> {
    let (words, style) = verdict(summary);
    let cells = [
        Cell::plain(&summary.name),
        Cell::plain(summary.connection_id.as_deref().unwrap_or("-")),
        Cell { words, style },
        Cell::plain(step(summary)),
        Cell::plain(waits_for(summary)),
        Cell::plain(last_update(summary, now)),
    ];
    let namespace = Cell::plain(&summary.namespace);
    with_namespace.then_some(namespace).into_iter().chain(cells).collect()
}

/// A table with a line for each resource. If the terminal is too narrow, the last columns are printed on lines below.
pub fn table(summaries: &[Summary], with_namespace: bool, now: Timestamp) -> String {
    let header = header(with_namespace);
    let rows: Vec<_> = summaries.iter().map(|summary| cells(summary, with_namespace, now)).collect();
    let columns = Columns::of(&header, &rows);
    if terminal::width().is_none_or(|width| columns.width() <= width.into()) {
        return columns.header(&header) + &rows.iter().map(|row| columns.line(row)).collect::<String>();
    }
    let kept = header.len().saturating_sub(LABELS.len());
    let mut out = columns.header(header.get(..kept).unwrap_or_default());
    for row in &rows {
        let (head, rest) = row.split_at_checked(kept).unwrap_or((row, &[]));
        out += &columns.line(head);
        let labelled = LABELS.iter().zip(rest).filter(|(_, cell)| cell.words != "-");
        out.extend(labelled.map(|(name, cell)| format!("  {name} {}\n", cell.styled())));
    }
    out
}

/// The widths of the columns.
pub struct Columns(Vec<usize>);

impl Columns {
    /// Columns that are wide enough for these rows.
    pub fn of(header: &[&str], rows: &[Vec<Cell>]) -> Self {
        let width = |(at, name): (usize, &&str)| {
            let widest = rows.iter().filter_map(|row| row.get(at)).map(Cell::width).max();
            widest.unwrap_or_default().max(name.len()) + GAP
        };
        Self(header.iter().enumerate().map(width).collect())
    }

    fn width(&self) -> usize {
        self.0.iter().sum::<usize>().saturating_sub(GAP)
    }

    /// Formats one line. A cell that is too wide for its column moves the following ones to the right.
    pub fn line(&self, cells: &[Cell]) -> String {
        let padded = cells
            .iter()
            .zip(&self.0)
            .map(|(cell, width)| cell.styled() + &" ".repeat(width.saturating_sub(cell.width()).max(1)));
        padded.collect::<String>().trim_end().to_owned() + "\n"
    }

    /// Formats the names of the columns.
    pub fn header(&self, header: &[&str]) -> String {
        self.line(&header.iter().map(|name| Cell::plain(*name)).collect::<Vec<_>>())
    }
}

/// The verdict as text with its style.
pub fn verdict(summary: &Summary) -> (String, Style) {
    let verdict = &summary.verdict;
    let (words, style) = match verdict.phase {
        ShownPhase::Done => ("ready", GOOD),
        ShownPhase::Reconciling => ("on its way", WAITING),
        ShownPhase::Stalled => ("needs a person", BAD),
        ShownPhase::Held => ("held", WAITING),
        ShownPhase::Unknown => ("unknown", WAITING),
        ShownPhase::NotLookedAt => ("not looked at yet", QUIET),
    };
    let reason = verdict.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let is_paused = verdict.paused.is_some() && verdict.reason.as_deref() != Some("Paused");
    let paused = if is_paused { ", paused" } else { "" };
    // A link that is down is highlighted even if AWS has everything that the spec asks for.
    let (link, style) = match (verdict.link_down, verdict.phase) {
        (true, ShownPhase::Done) => (", link down", WAITING),
        (true, _) => (", link down", style),
        (false, _) => ("", style),
    };
    (format!("{words}{reason}{paused}{link}"), style)
}

/// The mode in AWS and, if it differs, the wanted mode.
pub fn step(summary: &Summary) -> String {
    let step = &summary.step;
    let mode = step.mode.as_deref();
    let way = match step.wanted.map(|wanted| wanted.to_string()) {
        Some(wanted) if mode != Some(wanted.as_str()) => format!("{} → {wanted}", mode.unwrap_or("?")),
        _ => mode.unwrap_or("-").to_owned(),
    };
    let unproven = step.unproven.map(|unproven| match mode {
        Some(mode) if mode == unproven.to_string() => ", not proven yet".to_owned(),
        _ => format!(", {unproven} not proven yet"),
    });
    let turn = if step.has_turn { ", has the turn" } else { "" };
    way + &unproven.unwrap_or_default() + turn
}

/// What it waits for, including the holders of the turn.
pub fn waits_for(summary: &Summary) -> String {
    let Some(waits_for) = &summary.waits_for else { return "-".to_owned() };
    let Some((first, others)) = waits_for.turn_of.split_first() else { return waits_for.what.clone() };
    let who = first.resource.as_deref().unwrap_or(&first.connection_id);
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    format!("{}, now that of {who}{more}", waits_for.what)
}

fn last_update(summary: &Summary, now: Timestamp) -> String {
    let Some(last) = &summary.last_update else { return "-".to_owned() };
    let name = last.connection_name.as_ref().map(|_| "name".to_owned());
    let what: Vec<_> = name.into_iter().chain(last.encryption_mode.map(|mode| mode.to_string())).collect();
    format!("{} ({})", ago(&last.time, now), what.join(", "))
}

/// How long ago a time in RFC 3339 format was, in the largest unit that fits. An invalid time is returned unchanged.
pub fn ago(time: &str, now: Timestamp) -> String {
    let Ok(at) = time.parse::<Timestamp>() else { return time.to_owned() };
    let seconds = (now.as_second() - at.as_second()).max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "m"),
        7_200..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count}{unit} ago")
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::object;
    use super::super::turn::TurnHolders;
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        let now = "2026-01-03T00:00:00Z".parse().expect("it is a time");
        for (time, expected) in [
            ("2026-01-02T23:59:15Z", "45s ago"),
            ("2026-01-02T23:48:00Z", "12m ago"),
            ("2026-01-02T21:00:00Z", "3h ago"),
            ("2025-12-31T00:00:00Z", "3d ago"),
            ("2026-01-03T00:00:09Z", "0s ago"),
            ("soon", "soon"),
        ] {
            assert_eq!(ago(time, now), expected, "{time}");
        }
    }

    #[test]
    fn a_step_shows_the_way_from_what_is_there_to_what_is_wanted() {
        let cases = [
            (
                json!({ "encryptionMode": "must_encrypt" }),
                json!({ "encryptionMode": "should_encrypt" }),
                "should_encrypt → must_encrypt",
            ),
            (json!({ "encryptionMode": "must_encrypt" }), json!({ "encryptionMode": "must_encrypt" }), "must_encrypt"),
            (
                json!({ "encryptionMode": "must_encrypt" }),
                json!({ "encryptionMode": "must_encrypt", "unprovenStep": "must_encrypt" }),
                "must_encrypt, not proven yet",
            ),
            (json!({}), json!({ "encryptionMode": "no_encrypt" }), "no_encrypt"),
            (json!({}), json!({}), "-"),
            (json!({ "encryptionMode": "must_encrypt" }), json!({}), "? → must_encrypt"),
        ];
        for (mut spec, status, expected) in cases {
            spec["connectionId"] = json!("dxcon-fg1234ab");
            let summary = Summary::of(&object("line", spec, status), &TurnHolders::of(&[]), "");
            assert_eq!(step(&summary), expected);
        }
    }

    #[test]
    fn lines_that_come_one_by_one_stand_under_each_other() {
        let row = |words: [&str; 2]| words.map(Cell::plain).into_iter().collect::<Vec<_>>();
        let columns = Columns::of(&["NAME", "STEP"], &[row(["frankfurt", "x"])]);
        assert_eq!(columns.header(&["NAME", "STEP"]), "NAME        STEP\n");
        assert_eq!(columns.line(&row(["a", "no_encrypt"])), "a           no_encrypt\n");
        assert_eq!(columns.line(&row(["longer-than-the-column", "y"])), "longer-than-the-column y\n");
    }
}
