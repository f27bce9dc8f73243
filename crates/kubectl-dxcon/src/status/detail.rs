//! Everything about one resource.

use std::fmt::Write as _;

use directconnect_core::observed::Connection;
use directconnect_core::text::printable;
use directconnect_operator::api::{DirectConnectConnectionSpec, DirectConnectConnectionStatus};
use directconnect_operator::kubernetes::Watched;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::line;
use super::summary::Summary;
use crate::problem::Problem;
use crate::terminal::{self, STRONG, styled};

/// The summary of a resource with everything that it is based on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detailed {
    #[serde(flatten)]
    summary: Summary,
    /// Absent if it cannot be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<DirectConnectConnectionSpec>,
    status: DirectConnectConnectionStatus,
    /// The AWS CLI command that finds out who called `UpdateConnection` for this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_trail: Option<String>,
}

impl Detailed {
    /// Adds spec and status of the resource to its summary.
    pub fn new(summary: Summary, object: &Watched) -> Self {
        let cloud_trail = summary.connection_id.as_deref().map(|id| cloud_trail(id, summary.region.as_deref()));
        Self { summary, spec: object.spec.as_ref().ok().cloned(), status: object.status.clone(), cloud_trail }
    }
}

/// CloudTrail can look events up by one attribute only, and does not list connections among an event's resources. So
/// the lookup is by event name, and events of other connections or other services are filtered out by the id in the
/// request.
fn cloud_trail(id: &str, region: Option<&str>) -> String {
    let region = region.map(|region| format!(" --region {region}")).unwrap_or_default();
    format!(
        "aws cloudtrail lookup-events{region} --lookup-attributes AttributeKey=EventName,AttributeValue=UpdateConnection --query \"Events[?contains(CloudTrailEvent, '{id}')].{{time: EventTime, who: Username, event: CloudTrailEvent}}\" --output json"
    )
}

/// Everything about one resource as text.
pub fn text(detailed: &Detailed, now: Timestamp) -> Result<String, Problem> {
    let Detailed { summary, spec, status, cloud_trail } = detailed;
    let mut out = String::new();
    head(&mut out, summary, status);
    if let Some(spec) = spec {
        section(&mut out, "Spec", &terminal::yaml(spec)?);
    }
    if !status.drift.is_empty() {
        let rows = status.drift.iter().map(|drift| {
            let observed = drift.observed.as_deref().unwrap_or("-");
            vec![drift.field.clone(), printable(&drift.desired), printable(observed)]
        });
        section(&mut out, "Differs", &terminal::table(&["FIELD", "SPEC", "AWS"], rows));
    }
    let conditions = status.conditions.iter().map(|condition| {
        let since = line::ago(&condition.last_transition_time.0.to_string(), now);
        vec![
            printable(&condition.type_),
            condition.status.clone(),
            condition.reason.clone(),
            since,
            printable(&condition.message),
        ]
    });
    let conditions: Vec<_> = conditions.collect();
    if !conditions.is_empty() {
        let header = ["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"];
        section(&mut out, "Conditions", &terminal::table(&header, conditions));
    }
    let mut connection = Connection::clone(&status.connection);
    let keys = std::mem::take(&mut connection.mac_sec_keys);
    section(&mut out, "AWS shows", &terminal::yaml(&connection)?);
    let or_none = |words: Option<String>| printable(words.as_deref().unwrap_or("-"));
    let rows = keys
        .into_iter()
        .map(|key| vec![or_none(key.ckn), or_none(key.state), or_none(key.start_on), or_none(key.secret_arn)]);
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        section(&mut out, "MACsec keys", &terminal::table(&["CKN", "STATE", "START ON", "SECRET"], rows));
    }
    let mut ledger = status.ledger.clone();
    let last = ledger.last_update.take();
    section(&mut out, "Ledger", &terminal::yaml(&ledger)?);
    if let Some(last) = last {
        let age = line::ago(&last.time, now);
        section(&mut out, &format!("Last update, {age}"), &terminal::yaml(&last)?);
    }
    if let Some(command) = cloud_trail {
        section(&mut out, "Who called UpdateConnection, says CloudTrail", &format!("{command}\n"));
    }
    Ok(out)
}

/// The name of the line that is highlighted.
const VERDICT: &str = "Verdict";

fn head(out: &mut String, summary: &Summary, status: &DirectConnectConnectionStatus) {
    let (words, style) = line::verdict(summary);
    let id = summary.connection_id.as_deref().unwrap_or("-");
    let region = summary.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    let mut lines = vec![
        ("Name", summary.name.clone()),
        ("Namespace", summary.namespace.clone()),
        ("Connection", format!("{id}{region}")),
    ];
    lines.extend(status.arn.clone().map(|arn| ("ARN", arn)));
    lines.push((VERDICT, words));
    lines.push(("", summary.verdict.message.clone()));
    lines.push(("Step", line::step(summary)));
    lines.push(("Waits for", line::waits_for(summary)));
    lines.extend(summary.verdict.paused.clone().map(|value| ("Paused", value)));
    let name = |name: &str| if name.is_empty() { String::new() } else { styled(STRONG, name) };
    let value = |named: &str, words: &str| {
        let words = printable(words);
        if named == VERDICT { styled(style, words) } else { words }
    };
    let rows = lines.into_iter().map(|(named, words)| vec![name(named), value(named, &words)]);
    // The column names are empty, so the first line is empty and is removed.
    out.push_str(terminal::table(&["", ""], rows).trim_start_matches([' ', '\n']));
}

/// A heading with a body, unless the body is empty.
fn section(out: &mut String, heading: &str, body: &str) {
    let lines: Vec<&str> = body.lines().filter(|line| *line != "{}").collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", styled(STRONG, heading));
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::turn::TurnHolders;
    use super::*;
    use directconnect_operator::api::PAUSED;
    use serde_json::json;

    #[test]
    fn no_words_of_others_reach_the_terminal_as_commands() {
        let evil = "\u{1b}[2Jx";
        let condition = json!({ "type": "Ready", "status": "False", "reason": "Paused", "message": evil,
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 2 });
        let status = json!({ "observedGeneration": 2, "conditions": [condition], "connectionName": evil, "arn": evil,
            "encryptionMode": evil, "drift": [{ "field": "connectionName", "desired": "x", "observed": evil }],
            "macSecKeys": [{ "ckn": evil, "state": "associated" }] });
        let metadata = json!({ "name": "line", "namespace": "net", "annotations": { PAUSED: evil } });
        let object = json!({ "metadata": metadata, "spec": { "connectionId": "dxcon-fg1234ab" }, "status": status });
        let line: Watched = serde_json::from_value(object).expect("it is read");
        let summary = Summary::of(&line, &TurnHolders::of(&[]), "");
        let text = text(&Detailed::new(summary, &line), Timestamp::UNIX_EPOCH).expect("it is text");
        assert!(text.contains("[2Jx") && !text.contains(evil), "{text:?}");
    }
}
