//! The rules of `UpdateConnection`: what it accepts, and the error messages otherwise. Nothing here changes anything.

use crate::connection::Connection;
use crate::wire::AwsError;

/// The documented modes, weakest first.
const MODES: [&str; 3] = ["no_encrypt", "should_encrypt", "must_encrypt"];

/// Whether an id is well-formed: `dxcon-` and at least eight lower-case letters or digits.
pub(crate) fn check_id(id: &str) -> Result<(), AwsError> {
    let well_formed = id.strip_prefix("dxcon-").is_some_and(|rest| {
        (8..=58).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    if well_formed { Ok(()) } else { Err(AwsError::client(format!("Connection ID {id} has an invalid format."))) }
}

/// The error for an id that does not exist or belongs to another account.
pub(crate) fn not_found(id: &str) -> AwsError {
    AwsError::client(format!("Could not find Connection with ID {id}"))
}

/// Whether an update is accepted, as a whole.
pub(crate) fn check_update(connection: &Connection, name: Option<&str>, mode: Option<&str>) -> Result<(), AwsError> {
    let id = &connection.connection_id;
    if matches!(connection.state(), "deleting" | "deleted" | "rejected") {
        return Err(AwsError::client(format!(
            "Connection {id} is in state {} and cannot be updated.",
            connection.state()
        )));
    }
    if name.is_none() && mode.is_none() {
        return Err(AwsError::client(format!("No attribute of Connection {id} to update was given.")));
    }
    if let Some(name) = name {
        check_name(connection, name)?;
    }
    mode.map_or(Ok(()), |mode| check_mode(connection, mode))
}

fn check_name(connection: &Connection, name: &str) -> Result<(), AwsError> {
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(AwsError::client("Connection name must have 1 to 200 characters and no control characters."));
    }
    if matches!(connection.state(), "requested" | "pending" | "available" | "down") {
        return Ok(());
    }
    let id = &connection.connection_id;
    Err(AwsError::client(format!("Connection {id} cannot be renamed in state {}.", connection.state())))
}

fn check_mode(connection: &Connection, mode: &str) -> Result<(), AwsError> {
    let id = &connection.connection_id;
    let Some(wanted) = rank(mode) else {
        return Err(AwsError::client(format!(
            "Encryption mode {mode} is invalid. Valid values are no_encrypt, should_encrypt and must_encrypt."
        )));
    };
    if connection.vlan.is_some_and(|vlan| vlan != 0) {
        return Err(AwsError::client(format!(
            "Connection {id} is a hosted connection. MACsec is not supported on hosted connections."
        )));
    }
    if connection.mac_sec_capable != Some(true) {
        return Err(AwsError::client(format!("Connection {id} is not MACsec capable.")));
    }
    if let Some(lag) = &connection.lag_id {
        return Err(AwsError::client(format!(
            "Connection {id} is associated with LAG {lag}. Update the encryption mode of the LAG instead."
        )));
    }
    let loosens = rank(connection.mode()).is_some_and(|current| wanted < current);
    match connection.state() {
        "available" => Ok(()),
        // Whether the update lowers the mode of a link that `must_encrypt` has taken down.
        "down" if loosens => Ok(()),
        state => Err(AwsError::client(format!(
            "Connection {id} must be in state available to change its encryption mode, but is {state}."
        ))),
    }
}

fn rank(mode: &str) -> Option<usize> {
    MODES.iter().position(|known| *known == mode)
}
