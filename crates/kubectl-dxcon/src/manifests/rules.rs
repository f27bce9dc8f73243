//! Checks what the API server would refuse, with the CRD's own schema and CEL rules.

use directconnect_operator::api::{DirectConnectConnection, crd};
use kube::Resource as _;
use kube_cel::{CompiledSchema, ValidationErrors, compile_schema, validate_compiled};
use serde_json::{Map, Value};

use super::{metadata, status};
use crate::problem::Problem;

/// The schema and the rules of the CRD.
pub struct Rules {
    schema: Value,
    compiled: CompiledSchema,
}

impl Rules {
    /// Those of this version.
    pub fn of_crd() -> Result<Self, Problem> {
        let schema = schema()?;
        let compiled = compile_schema(&schema);
        Ok(Self { schema, compiled })
    }

    /// Why the API server would refuse this object, in its words; empty if it would accept it. `old` is the current
    /// object.
    pub fn refusals(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let other_type = refused_type(object);
        if !other_type.is_empty() {
            return other_type;
        }
        let mut refused = self.unknown_fields(object);
        refused.extend(metadata::refusals(
            object.get("metadata").unwrap_or_default(),
            old.map(|old| old.get("metadata").unwrap_or_default()),
        ));
        refused.extend(self.refused_spec(object.get("spec").unwrap_or_default()));
        let status = self.schema.pointer("/properties/status").unwrap_or_default();
        refused.extend(status::refusals("status", object.get("status").unwrap_or_default(), status));
        if !refused.is_empty() {
            // The API server does not evaluate the rules either as long as something else is wrong.
            return refused;
        }
        let refused = validate_compiled(&self.compiled, object, old).err();
        refused.into_iter().flat_map(ValidationErrors::into_vec).map(|refusal| refusal.message).collect()
    }

    /// Whether a field of the spec is known and this value of it says more than its absence.
    pub fn says_something(&self, field: &str, value: &Value) -> bool {
        fields_of_spec(&self.schema).get(field).is_some_and(|known| known.get("default") != Some(value))
    }

    fn unknown_fields(&self, object: &Value) -> Vec<String> {
        let of_resource = self.schema.get("properties").and_then(Value::as_object);
        let is_known = |field: &str| {
            matches!(field, "apiVersion" | "kind" | "metadata")
                || of_resource.is_some_and(|known| known.contains_key(field))
        };
        let fields = object.as_object().into_iter().flat_map(Map::keys).filter(|field| !is_known(field));
        let unknown = |field: &String| {
            let field = field.escape_debug();
            format!("{field} is no field of a DirectConnectConnection; `kubectl explain dxcon` lists them")
        };
        fields.map(unknown).collect()
    }

    /// What the schema of the spec refuses.
    fn refused_spec(&self, spec: &Value) -> Vec<String> {
        let Some(spec) = spec.as_object() else {
            return vec![if spec.is_null() {
                "spec is missing".to_owned()
            } else {
                format!("spec is {spec}, and no mapping: write the fields of it below, as connectionId: ID")
            }];
        };
        let known = fields_of_spec(&self.schema);
        let mut refused: Vec<String> =
            spec.iter().filter_map(|(field, value)| refused_field(field, value, known.get(field))).collect();
        let required = self.schema.pointer("/properties/spec/required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        let missing = required.filter(|field| !spec.contains_key(*field));
        refused.extend(missing.map(|field| format!("spec.{field} is missing")));
        refused
    }
}

/// The schema of the CRD.
fn schema() -> Result<Value, Problem> {
    let crd = serde_json::to_value(crd()).map_err(|error| Problem::new(error.to_string()))?;
    Ok(crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default())
}

fn fields_of_spec(schema: &Value) -> &Value {
    schema.pointer("/properties/spec/properties").unwrap_or_default()
}

/// Replaces nulls by what the API server stores for them: the default of a field of the spec, and an empty text as the
/// value of an annotation. All other nulls are left.
pub fn fill_nulls<'a>(objects: impl Iterator<Item = &'a mut Value>) -> Result<(), Problem> {
    let schema = schema()?;
    let default = |field: &str| fields_of_spec(&schema).get(field).and_then(|known| known.get("default"));
    for object in objects {
        let spec = object.get_mut("spec").and_then(Value::as_object_mut);
        for (field, value) in spec.into_iter().flatten().filter(|(_, value)| value.is_null()) {
            *value = default(field).cloned().unwrap_or_default();
        }
        let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
        for (_, value) in annotations.into_iter().flatten().filter(|(_, value)| value.is_null()) {
            *value = "".into();
        }
    }
    Ok(())
}

/// An object of the group whose version or kind the CRD does not have.
fn refused_type(object: &Value) -> Vec<String> {
    let version = DirectConnectConnection::api_version(&());
    let kind = DirectConnectConnection::kind(&());
    let wrong = |field: &str, right: &str| match object.get(field).unwrap_or_default() {
        said if said == right => None,
        Value::Null => Some(format!("{field} is missing: write {field}: {right}")),
        said => Some(format!("{field} is {said}, and the CRD has none but {right}: write {field}: {right}")),
    };
    wrong("apiVersion", &version).into_iter().chain(wrong("kind", &kind)).collect()
}

/// Why the schema refuses this field of the spec.
fn refused_field(field: &str, value: &Value, known: Option<&Value>) -> Option<String> {
    let Some(known) = known else {
        let field = field.escape_debug();
        return Some(format!("spec.{field} is no field of a connection; `kubectl explain dxcon.spec` lists them"));
    };
    if value.is_null() {
        return Some(format!("spec.{field} is null: leave the field out, since server-side apply refuses a null"));
    }
    let Some(text) = value.as_str() else {
        return Some(format!("spec.{field} is {value}, and no text: {}", metadata::QUOTE));
    };
    if let Some(values) = known.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return Some(format!("spec.{field} is {text:?}: it is one of {}", values.join(", ")));
    }
    let length = text.chars().count();
    let limit = known.get("maxLength").and_then(Value::as_u64).filter(|limit| length as u64 > *limit);
    limit.map(|limit| format!("spec.{field} has {length} characters: it may have {limit}, so shorten it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusals(spec: &Value, old: Option<&Value>) -> Vec<String> {
        let object = |spec: &Value| {
            json!({ "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
                "metadata": { "name": "line" }, "spec": spec })
        };
        Rules::of_crd().expect("there is a CRD").refusals(&object(spec), old.map(object).as_ref())
    }

    #[test]
    fn what_the_api_server_would_take_is_taken() {
        let whole = json!({ "connectionId": "dxcon-fg1234ab", "region": "eu-central-1", "connectionName": "線 ß",
            "encryptionMode": "must_encrypt", "encryptionTransition": "Immediate", "managementPolicy": "Observe" });
        assert_eq!(refusals(&json!({ "connectionId": "dxcon-fg1234ab" }), None), [""; 0]);
        assert_eq!(refusals(&whole, None), [""; 0]);
        assert_eq!(refusals(&whole, Some(&whole)), [""; 0]);
    }

    /// A keyword of which nothing is known here would let through what the API server refuses.
    #[test]
    fn the_schema_of_the_spec_says_nothing_that_is_not_checked() {
        let schema = schema().expect("there is a CRD");
        let checked = [
            "default",
            "description",
            "enum",
            "maxLength",
            "type",
            "x-kubernetes-validations",
            "properties",
            "required",
        ];
        let spec = &schema["properties"]["spec"];
        let fields = spec["properties"].as_object().expect("it has fields");
        for (field, says) in fields.iter().chain([(&"spec".to_owned(), spec)]) {
            let keywords: Vec<&String> = says.as_object().expect("it is a schema").keys().collect();
            assert!(keywords.iter().all(|keyword| checked.contains(&keyword.as_str())), "{field}: {keywords:?}");
            assert!(field == "spec" || says["type"] == "string", "{field}: {says}");
        }
    }

    #[test]
    fn what_it_would_refuse_is_refused_with_its_words() {
        let id = "dxcon-fg1234ab";
        let table = [
            (json!({}), None, "connectionId"),
            (json!({ "connectionId": "dxcon-FG" }), None, "spec.connectionId must be the id"),
            (json!({ "connectionId": id, "region": "Frankfurt" }), None, "spec.region must be an AWS region"),
            (json!({ "connectionId": id, "connectionName": "" }), None, "1 to 200 characters"),
            (json!({ "connectionId": id, "connectionName": "a\tb" }), None, "control characters"),
            (json!({ "connectionId": id, "connectionName": "a " }), None, "begin or end with a blank"),
            (json!({ "connectionId": id, "encryptionMode": "always" }), None, "always"),
            (json!({ "connectionId": id, "encryptionMode": 1 }), None, "spec.encryptionMode is 1, and no text"),
            (json!({ "connectionId": id, "conectionName": "a" }), None, "spec.conectionName is no field"),
            (
                json!({ "connectionId": id }),
                Some(json!({ "connectionId": id, "region": "eu-west-1" })),
                "spec.region cannot be changed",
            ),
            (
                json!({ "connectionId": id }),
                Some(json!({ "connectionId": "dxcon-00000000" })),
                "spec.connectionId cannot be changed",
            ),
        ];
        for (spec, old, words) in table {
            let refused = refusals(&spec, old.as_ref());
            assert!(refused.iter().any(|refusal| refusal.contains(words)), "{spec}: {refused:?}");
        }
    }
}
