//! The log of calls, in words that tests compare.

use serde_json::{Value, json};
use test_support::{REGION, World};

/// A call: its operation and all of its parameters.
pub type Told = (String, Value);

/// The calls about one connection by itself, in the order of their arrival.
pub fn about(world: &World, id: &str) -> Vec<Told> {
    let calls = world.aws.calls().into_iter().filter(|call| call.parameter("connectionId") == Some(id));
    calls.map(|call| (call.operation, call.parameters)).collect()
}

/// A read of one connection.
pub fn read(id: &str) -> Told {
    ("DescribeConnections".to_owned(), json!({ "connectionId": id, "maxResults": 100 }))
}

/// An update of one connection, with these fields and no others.
pub fn update(id: &str, fields: &[(&str, &str)]) -> Told {
    let mut parameters = json!({ "connectionId": id });
    for (field, value) in fields {
        parameters[field] = (*value).into();
    }
    ("UpdateConnection".to_owned(), parameters)
}

/// What the operator does about a difference: it reads the connection by itself, and updates it once.
pub fn one_update(id: &str, fields: &[(&str, &str)]) -> Vec<Told> {
    vec![read(id), update(id, fields)]
}

/// Someone else than the operator renames a connection of the operator's own region.
pub fn rename_behind_its_back(world: &World, id: &str, name: &str) {
    world.aws.edit(REGION, id, |connection| connection.connection_name = Some(name.to_owned()));
}
