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

/// What an update sends, by field.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// Holds all calls about one connection to these updates, in this order, each decided on a read of that connection.
///
/// A poll that comes between the read and the update is a newer look, so the operator may read once more.
#[track_caller]
pub fn assert_updates(world: &World, id: &str, expected: &[Fields<'_>]) {
    let calls = about(world, id);
    let updates: Vec<&Told> = calls.iter().filter(|call| **call != read(id)).collect();
    let expected: Vec<Told> = expected.iter().map(|fields| update(id, fields)).collect();
    assert_eq!(updates, expected.iter().collect::<Vec<_>>(), "{calls:?}");
    for pair in calls.windows(2) {
        assert!(pair[1] == read(id) || pair[0] == read(id), "no read before an update: {calls:?}");
    }
    assert_eq!(calls.first(), (!expected.is_empty()).then(|| read(id)).as_ref(), "{calls:?}");
    assert!(calls.len() <= 5 * expected.len(), "too many reads: {calls:?}");
}

/// Someone else than the operator renames a connection of the operator's own region.
pub fn rename_behind_its_back(world: &World, id: &str, name: &str) {
    world.aws.edit(REGION, id, |connection| connection.connection_name = Some(name.to_owned()));
}

/// How many updates of a connection there were.
pub fn updates_of(world: &World, id: &str) -> usize {
    world.updates().iter().filter(|call| call.parameter("connectionId") == Some(id)).count()
}
