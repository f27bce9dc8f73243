//! Seed files: a whole world in a file, with connections described by their differences from an ordinary one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::faults::Fault;
use crate::settings::Settings;
use crate::state::State;
use crate::world;

/// The format of `--seed` and `POST /_sim/seed`: settings, connections by region, faults; each may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Seed {
    settings: Option<Settings>,
    connections: BTreeMap<String, Vec<Value>>,
    faults: Vec<Fault>,
}

impl Seed {
    /// Parses a seed, or says what is wrong and where.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    /// Adds everything to the current state, or nothing if there is an error.
    pub(crate) fn plant(self, state: &mut State) -> Result<(), String> {
        let mut connections = Vec::new();
        for (region, described) in self.connections {
            for each in described {
                let connection = ordinary_but(&each)?;
                world::check(&region, &connection)?;
                connections.push((region.clone(), connection));
            }
        }
        self.faults.iter().try_for_each(Fault::check)?;
        if let Some(settings) = self.settings {
            state.set(settings)?;
        }
        for (region, connection) in connections {
            state.world.add(&region, connection)?;
        }
        self.faults.into_iter().for_each(|fault| state.inject(fault));
        Ok(())
    }
}

/// An ordinary connection with these differences; `null` makes a field absent.
pub(crate) fn ordinary_but(differences: &Value) -> Result<Connection, String> {
    let id = differences["connectionId"].as_str().ok_or("connectionId is missing, but every connection has one")?;
    merged(&json!(Connection::new(id, id)), differences)
}

/// A value with some fields replaced, or removed by `null`.
pub(crate) fn merged<T: serde::de::DeserializeOwned>(value: &Value, patch: &Value) -> Result<T, String> {
    let Some(patch) = patch.as_object() else {
        return Err("the body must be a JSON object".to_owned());
    };
    let mut value = value.clone();
    for (field, new) in patch {
        if new.is_null() {
            value.as_object_mut().map(|fields| fields.remove(field));
        } else {
            value[field] = new.clone();
        }
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}
