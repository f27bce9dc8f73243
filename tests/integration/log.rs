//! The call log in a form that tests can compare.

use serde_json::{Value, json};
use test_support::{REGION, World};

/// A call: its operation and all its parameters.
pub type LoggedCall = (String, Value);

/// The calls for one connection by its id, in order of arrival.
pub fn about(world: &World, id: &str) -> Vec<LoggedCall> {
    let calls = world.aws.calls().into_iter().filter(|call| call.parameter("connectionId") == Some(id));
    calls.map(|call| (call.operation, call.parameters)).collect()
}

/// A read of one connection by its id.
pub fn read(id: &str) -> LoggedCall {
    ("DescribeConnections".to_owned(), json!({ "connectionId": id, "maxResults": 100 }))
}

/// An update of one connection with these fields only.
pub fn update(id: &str, fields: &[(&str, &str)]) -> LoggedCall {
    let mut parameters = json!({ "connectionId": id });
    for (field, value) in fields {
        parameters[field] = (*value).into();
    }
    ("UpdateConnection".to_owned(), parameters)
}

/// The fields of an update.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// Asserts that the calls for one connection are these updates in this order, each after a read by id.
///
/// If a poll comes between read and update, the operator may read once more.
#[track_caller]
pub fn assert_updates(world: &World, id: &str, expected: &[Fields<'_>]) {
    let calls = about(world, id);
    let updates: Vec<&LoggedCall> = calls.iter().filter(|call| **call != read(id)).collect();
    let expected: Vec<LoggedCall> = expected.iter().map(|fields| update(id, fields)).collect();
    assert_eq!(updates, expected.iter().collect::<Vec<_>>(), "{calls:?}");
    for pair in calls.windows(2) {
        assert!(pair[1] == read(id) || pair[0] == read(id), "no read before an update: {calls:?}");
    }
    assert_eq!(calls.first(), (!expected.is_empty()).then(|| read(id)).as_ref(), "{calls:?}");
    assert!(calls.len() <= 5 * expected.len(), "too many reads: {calls:?}");
}

/// Someone else renames a connection in the operator's own region.
pub fn rename_behind_its_back(world: &World, id: &str, name: &str) {
    world.aws.edit(REGION, id, |connection| connection.connection_name = Some(name.to_owned()));
}

/// The number of updates of a connection.
pub fn updates_of(world: &World, id: &str) -> usize {
    world.updates().iter().filter(|call| call.parameter("connectionId") == Some(id)).count()
}
