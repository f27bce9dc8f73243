//! Checks what the API server would refuse, with the CRD's own schema and CEL rules.

use directconnect_operator::api::crd;
use directconnect_operator::kubernetes::Watched;
use kube_cel::{CompiledSchema, ValidationErrors, compile_schema, validate_compiled};
use serde_json::Value;

use crate::problem::Problem;

/// The schema and the rules of the CRD.
pub struct Rules {
    schema: Value,
    compiled: CompiledSchema,
}

impl Rules {
    /// Those of this version.
    pub fn of_crd() -> Result<Self, Problem> {
        let crd = serde_json::to_value(crd()).map_err(|error| Problem::new(error.to_string()))?;
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
        let compiled = compile_schema(&schema);
        Ok(Self { schema, compiled })
    }

    /// Why the API server would refuse this object, in its words; empty if it would accept it. `old` is the current
    /// object.
    pub fn refusals(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return vec!["metadata.name is missing".to_owned()];
        }
        let unknown = self.unknown_fields(object);
        if !unknown.is_empty() {
            return unknown;
        }
        if let Err(error) =
            serde_json::from_value::<Watched>(object.clone()).map_err(|e| e.to_string()).and_then(|w| w.spec)
        {
            return vec![format!("spec: {error}")];
        }
        let refused = validate_compiled(&self.compiled, object, old).err();
        refused.into_iter().flat_map(ValidationErrors::into_vec).map(|refusal| refusal.message).collect()
    }

    /// Whether a field of the spec is known and this value of it says more than its absence.
    pub fn says_something(&self, field: &str, value: &Value) -> bool {
        let known = self.schema.pointer("/properties/spec/properties").and_then(|known| known.get(field));
        known.is_some_and(|known| known.get("default") != Some(value))
    }

    fn unknown_fields(&self, object: &Value) -> Vec<String> {
        let known = self.schema.pointer("/properties/spec/properties").and_then(Value::as_object);
        let spec = object.get("spec").and_then(Value::as_object);
        let fields = spec.into_iter().flat_map(|spec| spec.keys());
        let unknown = fields.filter(|field| known.is_some_and(|known| !known.contains_key(*field)));
        unknown
            .map(|field| format!("spec.{field} is no field of a connection; `kubectl explain dxcon.spec` lists them"))
            .collect()
    }
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
            (json!({ "connectionId": id, "encryptionMode": 1 }), None, "spec: "),
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
