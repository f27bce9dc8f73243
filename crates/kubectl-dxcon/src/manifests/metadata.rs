//! What the API server refuses in the metadata of an object. It is the same for every kind.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

/// Why the API server would refuse this metadata; empty if it would accept it. `old` is that of the current object.
pub fn refusals(metadata: &Value, old: Option<&Value>) -> Vec<String> {
    let Some(metadata) = metadata.as_object() else {
        return vec![if metadata.is_null() {
            "metadata.name is missing".to_owned()
        } else {
            format!("metadata is {metadata}, and no mapping: write the fields of it below, as name: NAME")
        }];
    };
    let mut why: Vec<String> = metadata.iter().filter_map(|(field, value)| refused_field(field, value)).collect();
    let of = |field: &str| metadata.get(field).and_then(Value::as_str).filter(|value| !value.is_empty());
    match of("name") {
        Some(name) if !is_subdomain(name) => why.push(format!(
            "metadata.name is {name:?}: a name has at most 253 lower-case letters, digits, '-' and '.', and each part between dots begins and ends with a letter or a digit"
        )),
        None if metadata.get("name").is_none_or(|name| name.is_null() || name == "") => {
            why.push("metadata.name is missing".to_owned());
        }
        Some(_) | None => {}
    }
    if let Some(namespace) = of("namespace").filter(|namespace| !is_label(namespace)) {
        why.push(format!(
            "metadata.namespace is {namespace:?}: a namespace has at most 63 lower-case letters, digits and '-', and begins and ends with a letter or a digit"
        ));
    }
    let entries = |field: &str| metadata.get(field).and_then(Value::as_object).into_iter().flat_map(Map::iter);
    for (key, value) in entries("labels") {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(key) {
            why.push(unqualified("label", key));
        } else if !value.is_empty() && !is_label_part(value) {
            why.push(format!(
                "metadata.labels: the value of {key} is {value:?}: it has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or a digit; an annotation may have any text"
            ));
        }
    }
    // The API server takes capital letters in the prefix of an annotation, and not in that of a label.
    let annotations = entries("annotations").filter(|(key, _)| !is_qualified(&key.to_lowercase()));
    why.extend(annotations.map(|(key, _)| unqualified("annotation", key)));
    why.extend(of_another_object(metadata, old));
    if let Some(prefix) = of("generateName").filter(|prefix| old.is_none() && !is_prefix(prefix)) {
        why.push(format!(
            "metadata.generateName is {prefix:?}, which begins no name; with metadata.name it has no effect: take it out"
        ));
    }
    let list = |field: &str| metadata.get(field).and_then(Value::as_array).into_iter().flatten();
    why.extend(refused_finalizers(&list("finalizers").filter_map(Value::as_str).collect::<Vec<_>>()));
    why.extend(refused_owners(&list("ownerReferences").filter_map(Value::as_object).collect::<Vec<_>>()));
    why
}

/// What only the API server sets: it is of one object, and some of it of one moment. An export has it.
fn of_another_object(metadata: &Map<String, Value>, old: Option<&Value>) -> Vec<String> {
    const TAKE_OUT: &str = "take it out, as the API server sets it";
    let refused = |(field, value): (&String, &Value)| {
        let is_set = !value.is_null() && value != "";
        let is_number = || value.as_str().is_none_or(|version| version.parse::<u64>().is_ok());
        let live = old.map(|old| old.get(field).unwrap_or_default());
        let why = match (field.as_str(), live) {
            // Its value is long, and says nothing.
            ("managedFields", _) if !value.is_null() => {
                return Some(format!("metadata.{field} is refused by server-side apply: {TAKE_OUT}"));
            }
            ("uid", None) if is_set => "no object is known that has it".to_owned(),
            ("resourceVersion", None) if is_set && !is_number() => "no number".to_owned(),
            ("uid" | "deletionTimestamp" | "deletionGracePeriodSeconds", Some(live)) if is_set && value != live => {
                if live.is_null() {
                    "the object has none".to_owned()
                } else {
                    format!("the object has {live}")
                }
            }
            ("resourceVersion", Some(live)) if value != live => format!("the object has {live}"),
            _ => return None,
        };
        Some(format!("metadata.{field} is {value}, and {why}: {TAKE_OUT}"))
    };
    metadata.iter().filter_map(refused).collect()
}

fn refused_finalizers(finalizers: &[&str]) -> Vec<String> {
    let wrong = finalizers.iter().filter(|finalizer| !is_qualified(finalizer));
    let mut why: Vec<String> = wrong.map(|finalizer| unqualified("finalizer", finalizer)).collect();
    let twice = repeated(finalizers.iter().copied());
    why.extend(
        twice.map(|finalizer| format!("metadata.finalizers: {finalizer:?} is there twice: take one of them out")),
    );
    if ["orphan", "foregroundDeletion"].iter().all(|one| finalizers.contains(one)) {
        why.push(
            "metadata.finalizers: orphan and foregroundDeletion exclude each other: take one of them out".to_owned(),
        );
    }
    why
}

fn refused_owners(owners: &[&Map<String, Value>]) -> Vec<String> {
    const FIELDS: [&str; 4] = ["apiVersion", "kind", "name", "uid"];
    let says = |owner: &Map<String, Value>, field: &str| {
        owner.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut why = Vec::new();
    for (at, owner) in owners.iter().enumerate() {
        let at = format!("metadata.ownerReferences[{at}]");
        let is_known = |field: &str| FIELDS.contains(&field) || matches!(field, "controller" | "blockOwnerDeletion");
        let unknown = owner.keys().filter(|field| !is_known(field));
        why.extend(unknown.map(|field| format!("{at}.{} is no field of an owner: take it out", field.escape_debug())));
        let missing = FIELDS.iter().filter(|field| says(owner, field).is_empty());
        why.extend(missing.map(|field| format!("{at}.{field} is missing: write that of the owner")));
        let version = says(owner, "apiVersion");
        if !version.is_empty() && (version.ends_with('/') || version.matches('/').count() > 1) {
            why.push(format!("{at}.apiVersion is {version:?}: write GROUP/VERSION, as apps/v1"));
        }
        if version == "v1" && says(owner, "kind") == "Event" {
            why.push(format!("{at}: an Event owns nothing: take it out"));
        }
    }
    let uids: Vec<String> = owners.iter().map(|owner| says(owner, "uid")).collect();
    let twice = repeated(uids.iter().map(String::as_str).filter(|uid| !uid.is_empty()));
    why.extend(
        twice.map(|uid| format!("metadata.ownerReferences: the uid {uid:?} is there twice: take one of them out")),
    );
    let controllers = owners.iter().filter(|owner| owner.get("controller") == Some(&Value::Bool(true))).count();
    if controllers > 1 {
        why.push(format!("metadata.ownerReferences: {controllers} have controller: true, and only one may"));
    }
    why
}

/// The texts that come more than once.
pub fn repeated<'a>(texts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut seen = BTreeSet::new();
    texts.filter(move |text| !seen.insert(*text))
}

/// Why this field alone would be refused: it is unknown, or its value is of another type.
fn refused_field(field: &str, value: &Value) -> Option<String> {
    let parse = |value: &Value| serde_json::from_value::<ObjectMeta>(json!({ field: value }));
    // No field of metadata is a boolean, so this is an error for each but an unknown one, which is ignored.
    if parse(&Value::Bool(true)).is_ok() {
        let field = field.escape_debug();
        return Some(format!("metadata.{field} is no field of metadata; `kubectl explain dxcon.metadata` lists them"));
    }
    if let ("labels" | "annotations", Some(entries)) = (field, value.as_object()) {
        // A null is an empty text there.
        let (key, value) = entries.iter().find(|(_, value)| !value.is_string() && !value.is_null())?;
        return Some(format!("metadata.{field}: the value of {} is {value}, and no text: {QUOTE}", key.escape_debug()));
    }
    let error = parse(value).err()?;
    let is_text = matches!(field, "name" | "namespace" | "generateName" | "uid" | "resourceVersion");
    Some(if is_text {
        format!("metadata.{field} is {value}, and no text: {QUOTE}")
    } else {
        format!("metadata.{field} is {value}: {error}")
    })
}

/// The next step for a value that has to be text.
pub const QUOTE: &str = "put it in quotes";

fn unqualified(what: &str, key: &str) -> String {
    format!(
        "metadata.{what}s: {key:?} is no name of {what}: it has at most 63 letters, digits, '-', '_' and '.', begins and ends with a letter or a digit, and may have a domain and '/' before it"
    )
}

/// A DNS-1123 subdomain. Its parts may be longer than 63 characters, as in the API server.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns)
}

/// A DNS-1123 label.
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_dns(name)
}

/// A subdomain, or what becomes one with something behind its dash.
fn is_prefix(prefix: &str) -> bool {
    is_subdomain(&if prefix.ends_with('-') { prefix.to_owned() + "a" } else { prefix.to_owned() })
}

fn is_dns(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(is_inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// A key of a label: a name, with a domain and a slash before it if there is one.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_label_part(name),
        None => is_label_part(key),
    }
}

fn is_label_part(part: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_end = |c: char| c.is_ascii_alphanumeric();
    part.len() <= 63 && part.chars().all(is_inner) && part.starts_with(is_end) && part.ends_with(is_end)
}
