//! What server-side apply refuses in the status of a manifest. The API server ignores a status that is applied, but compares
//! it with the types of the schema first.

use serde_json::{Map, Value};

use super::metadata::repeated;

/// Why this value at `path` is not of the type that its schema names; empty if it is. A null is always accepted, and what
/// else the schema says of values counts only where the operator writes them.
pub fn refusals(path: &str, value: &Value, schema: &Value) -> Vec<String> {
    const NEXT: &str = "take it out, as the operator writes status";
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, value) {
        (_, Value::Null)
        | ("string", Value::String(_))
        | ("integer" | "number", Value::Number(_))
        | ("boolean", Value::Bool(_)) => Vec::new(),
        ("object", Value::Object(fields)) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let refused = |(field, value): (&String, &Value)| match known.and_then(|known| known.get(field)) {
                Some(schema) => refusals(&format!("{path}.{field}"), value, schema),
                None => vec![format!("{path}.{} is no field: {NEXT}", field.escape_debug())],
            };
            fields.iter().flat_map(refused).collect()
        }
        ("array", Value::Array(items)) => {
            let of_items = schema.get("items").unwrap_or_default();
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys: Vec<&str> = keys.into_iter().flatten().filter_map(Value::as_str).collect();
            let mut why = Vec::new();
            for (at, item) in items.iter().enumerate() {
                let at = format!("{path}[{at}]");
                if item.is_null() && !keys.is_empty() {
                    why.push(format!("{at} is null: {NEXT}"));
                    continue;
                }
                let missing = item.as_object().into_iter().flat_map(|item| missing(item, &keys));
                why.extend(missing.map(|key| format!("{at}.{key} is missing: {NEXT}")));
                why.extend(refusals(&at, item, of_items));
            }
            for key in keys {
                let values = items.iter().filter_map(|item| item.get(key)?.as_str());
                why.extend(repeated(values).map(|value| format!("{path}: the {key} {value:?} is there twice: {NEXT}")));
            }
            why
        }
        (kind, value) => {
            let wanted = match kind {
                "string" => "no text",
                "integer" | "number" => "no number",
                "boolean" => "neither true nor false",
                "array" => "no list",
                _ => "no mapping",
            };
            vec![format!("{path} is {value}, and {wanted}: {NEXT}")]
        }
    }
}

/// The keys that an item of a list lacks, of those that tell its items apart.
fn missing<'a>(item: &Map<String, Value>, keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().filter(|key| !item.contains_key(**key)).copied().collect()
}
