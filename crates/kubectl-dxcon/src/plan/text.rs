//! The plan as text: for a terminal, and as a comment on a pull request.

use std::fmt::Write as _;

use directconnect_core::reason::Reason;
use directconnect_core::text::printable;

use super::forecast::{Change, Forecast, Outcome, Step, Who};
use super::report::Report;
use crate::terminal::{self, BAD, GOOD, QUIET, STRONG, WAITING, styled};

/// The heading of what the manifests set going without being about it.
const OTHERS: &str = "Lines of the cluster that this sets going";

/// The plan for a terminal.
pub fn text(report: &Report) -> String {
    let mut text = format!("{}\n", styled(STRONG, summary(report)));
    let cuts: Vec<_> = report.can_cut().map(|(forecast, how)| vec![forecast.resource.to_string(), how]).collect();
    section(&mut text, &styled(BAD, "Can cut a line"), cuts);
    let refused = report.refused.iter().map(|refused| {
        vec![printable(&format!("{} ({})", refused.resource, refused.location)), printable(&refused.why.join("; "))]
    });
    section(&mut text, &styled(BAD, "The API server would refuse"), refused.collect());
    section(&mut text, &styled(BAD, "Could not be read"), report.unread.iter().map(|why| vec![why.clone()]).collect());
    for (location, forecast) in &report.connections {
        if is_as_it_should_be(forecast) {
            continue;
        }
        let heading = format!("{}  {}", styled(STRONG, name(forecast)), styled(QUIET, location));
        section(&mut text, &heading, forecast_rows(forecast, terminal_mark));
    }
    if !report.others.is_empty() {
        let _ = writeln!(text, "\n{}", styled(WAITING, OTHERS));
    }
    for forecast in &report.others {
        section(&mut text, &styled(STRONG, name(forecast)), forecast_rows(forecast, terminal_mark));
    }
    let met = report.connections.iter().filter(|(_, forecast)| is_as_it_should_be(forecast));
    let met = met.map(|(_, forecast)| vec![name(forecast), forecast.end.message.clone()]);
    section(&mut text, &styled(GOOD, "As they should be"), met.collect());
    text
}

fn is_as_it_should_be(forecast: &Forecast) -> bool {
    forecast.steps.is_empty() && forecast.notes.is_empty() && forecast.end.outcome == Outcome::Met
}

fn section(text: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let _ = write!(text, "\n{heading}\n{}", terminal::rows(rows));
    }
}

/// The number of connections with each outcome.
fn summary(report: &Report) -> String {
    let count = |is: fn(&Forecast) -> bool| report.connections.iter().filter(|(_, forecast)| is(forecast)).count();
    let parts = [
        (count(Forecast::sends), "would be changed"),
        (count(|forecast| forecast.end.outcome == Outcome::Blocked), "would need a person"),
        (count(|forecast| forecast.end.outcome == Outcome::Waiting), "would wait"),
        (count(|forecast| forecast.end.outcome == Outcome::Held), "held"),
        (count(|forecast| !forecast.sends() && forecast.end.outcome == Outcome::Met), "as they should be"),
        (report.refused.len(), "refused"),
    ];
    let counts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let manifests = report.connections.len() + report.refused.len();
    let others = match report.others.len() {
        0 => String::new(),
        1 => "; 1 line of the cluster set going".to_owned(),
        several => format!("; {several} lines of the cluster set going"),
    };
    format!("{manifests} {}: {}{others}", if manifests == 1 { "manifest" } else { "manifests" }, counts.join(", "))
}

/// The notes about a forecast, its steps and its end.
fn forecast_rows(forecast: &Forecast, mark: fn(Mark, &str) -> String) -> Vec<Vec<String>> {
    let notes = forecast.notes.iter().map(|note| vec![mark(Mark::Note, "note"), note.clone()]);
    let steps = forecast.steps.iter().map(|step| step_row(step, mark));
    notes.chain(steps).chain([end_row(forecast, mark)]).collect()
}

fn name(forecast: &Forecast) -> String {
    match &forecast.circuit {
        Some(circuit) => format!("{} ({circuit})", forecast.resource),
        None => forecast.resource.to_string(),
    }
}

/// The kind of the first column of a row.
#[derive(Clone, Copy)]
enum Mark {
    Send,
    Cut,
    Wait,
    Note,
    Met,
    Blocked,
}

fn terminal_mark(mark: Mark, word: &str) -> String {
    let style = match mark {
        Mark::Send => STRONG,
        Mark::Wait | Mark::Note => WAITING,
        Mark::Met => GOOD,
        Mark::Cut | Mark::Blocked => BAD,
    };
    styled(style, word)
}

fn markdown_mark(mark: Mark, word: &str) -> String {
    match mark {
        Mark::Send => format!("**{word}**"),
        Mark::Cut => format!("⚠️ **{word}**"),
        Mark::Wait => format!("⏳ {word}"),
        Mark::Note => format!("ℹ️ {word}"),
        Mark::Met => format!("✅ {word}"),
        Mark::Blocked => format!("❌ **{word}**"),
    }
}

fn step_row(step: &Step, mark: fn(Mark, &str) -> String) -> Vec<String> {
    match step {
        Step::Update { connection_name, encryption_mode, can_cut, .. } => {
            let named = connection_name.as_ref().map(|change| changed("connectionName", change));
            let moded = encryption_mode.as_ref().map(|change| changed("encryptionMode", change));
            let sent: Vec<String> = named.into_iter().chain(moded).collect();
            let (kind, cut) = if can_cut.is_some() { (Mark::Cut, " (can cut the line)") } else { (Mark::Send, "") };
            vec![mark(kind, "send"), sent.join(", ") + cut]
        }
        Step::Wait { on, message, seconds, .. } => {
            let until = seconds.map_or_else(|| format!("for {}", on.words()), duration);
            vec![mark(Mark::Wait, "wait"), format!("{until}: {message}")]
        }
    }
}

fn end_row(forecast: &Forecast, mark: fn(Mark, &str) -> String) -> Vec<String> {
    let message = &forecast.end.message;
    let Some(reason) = forecast.end.reason.map(Reason::as_str) else {
        return vec![mark(Mark::Blocked, "stop"), message.clone()];
    };
    let needs = forecast.needs.map(Who::words).unwrap_or_default();
    match forecast.end.outcome {
        Outcome::Met => vec![mark(Mark::Met, "met"), message.clone()],
        Outcome::Blocked => vec![mark(Mark::Blocked, "stop"), format!("{reason}, needs {needs}: {message}")],
        Outcome::Held => vec![mark(Mark::Wait, "held"), format!("{reason}: {message}")],
        Outcome::Waiting => vec![mark(Mark::Blocked, "stop"), format!("{reason}, waits for {needs}: {message}")],
    }
}

fn changed(field: &str, Change { from, to }: &Change) -> String {
    let shown = |value: &str| if field == "connectionName" { format!("{value:?}") } else { value.to_owned() };
    format!("{field} {} → {}", from.as_deref().map_or_else(|| "(none)".to_owned(), shown), shown(to))
}

fn duration(seconds: u64) -> String {
    let signed = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    format!("{signed:#}")
}

/// The plan as Markdown, for a comment on a pull request.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("### Direct Connect: {}\n", summary(report));
    let cuts: Vec<String> =
        report.can_cut().map(|(forecast, how)| format!("{}: {}", code(&name(forecast)), escaped(&how))).collect();
    list(&mut text, "Can cut a line", &cuts);
    let refused: Vec<String> = report
        .refused
        .iter()
        .map(|refused| {
            format!(
                "{} ({}): {}",
                code(&refused.resource.to_string()),
                escaped(&refused.location.to_string()),
                escaped(&refused.why.join("; "))
            )
        })
        .collect();
    list(&mut text, "The API server would refuse", &refused);
    let unread: Vec<String> = report.unread.iter().map(|why| escaped(why)).collect();
    list(&mut text, "Could not be read", &unread);
    for (location, forecast) in &report.connections {
        details(&mut text, forecast, &format!(" ({location})"));
    }
    if !report.others.is_empty() {
        let _ = writeln!(text, "\n**{OTHERS}**");
    }
    for forecast in &report.others {
        details(&mut text, forecast, "");
    }
    text
}

/// A forecast that is folded away below its name and its outcome.
fn details(text: &mut String, forecast: &Forecast, origin: &str) {
    let outcome: &str = forecast.end.outcome.into();
    let (name, origin) = (code(&name(forecast)), escaped(origin));
    let _ = write!(text, "\n<details><summary>{name}: {outcome}{origin}</summary>\n\n| | |\n|---|---|\n");
    for row in forecast_rows(forecast, markdown_mark) {
        let [mark, what] = row.as_slice() else { continue };
        let _ = writeln!(text, "| {mark} | {} |", escaped(what));
    }
    text.push_str("\n</details>\n");
}

fn list(text: &mut String, heading: &str, items: &[String]) {
    if !items.is_empty() {
        let _ = writeln!(text, "\n**{heading}**");
        for item in items {
            let _ = writeln!(text, "- {item}");
        }
    }
}

fn code(words: &str) -> String {
    format!("<code>{}</code>", escaped(words))
}

/// Keeps apart what GitHub and GitLab would take for a mention, a reference or a link. They look for these in the text after
/// entities are resolved, so it is a character: one that takes no room.
const APART: &str = "&#8203;";

/// Escapes text from elsewhere for Markdown and HTML. Names of connections come from AWS, so from anybody who may set them
/// there: they must neither mention people, nor refer to issues, nor become links.
fn escaped(words: &str) -> String {
    let mut escaped = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\r' => escaped.push(' '),
            '#' | '@' => {
                let _ = write!(escaped, "&#{};{APART}", u32::from(c));
            }
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            other => escaped.push(other),
        }
    }
    escaped.replace("://", &format!(":{APART}//")).replace("www.", &format!("www{APART}."))
}
