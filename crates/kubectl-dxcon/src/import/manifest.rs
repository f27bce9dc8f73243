//! Turns a connection into a manifest. It is written as text, since it contains comments.

use directconnect_core::desired::{DefaultRegion, Desired, EncryptionMode, ManagementPolicy, SpecInput};
use directconnect_core::identity::CircuitId;
use directconnect_core::observed::{Connection, ConnectionState};
use directconnect_operator::api::DirectConnectConnection;
use kube::Resource as _;
use serde::Serialize;

use crate::arguments::Managed;
use crate::problem::Problem;

/// The fields that the operator will manage. If there are none, it only observes.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a>(pub &'a [Managed]);

impl Scope<'_> {
    fn policy(self) -> ManagementPolicy {
        if self.0.is_empty() { ManagementPolicy::Observe } else { ManagementPolicy::Manage }
    }

    /// Whether the field goes into the spec. If the operator only observes, all fields do, so that differences are
    /// shown.
    fn takes(self, field: Managed) -> bool {
        self.0.is_empty() || self.0.contains(&field)
    }

    fn manages_the_mode(self) -> bool {
        self.0.contains(&Managed::Mode)
    }
}

/// The manifest of a connection with this name. Fields that the CRD would refuse or that cannot be managed become
/// comments.
pub fn write(
    name: &str,
    namespace: Option<&str>,
    circuit: &CircuitId,
    connection: &Connection,
    scope: Scope<'_>,
) -> Result<String, Problem> {
    let mut lines = vec![
        format!("apiVersion: {}", DirectConnectConnection::api_version(&())),
        format!("kind: {}", DirectConnectConnection::kind(&())),
        "metadata:".to_owned(),
        format!("  name: {}", scalar(name)?),
    ];
    if let Some(namespace) = namespace {
        lines.push(format!("  namespace: {}", scalar(namespace)?));
    }
    lines.push("spec:".to_owned());
    lines.push(format!("  connectionId: {}", circuit.id));
    lines.push(format!("  region: {}", circuit.region));
    lines.extend(state_note(connection).map(comment));
    lines.push(match connection_name(circuit, connection, scope) {
        Ok(name) => format!("  connectionName: {}", scalar(name)?),
        Err(why) => comment(why),
    });
    lines.extend(mode_note(connection).map(comment));
    lines.push(match encryption_mode(connection, scope) {
        Ok(mode) => format!("  encryptionMode: {mode}"),
        Err(why) => comment(why),
    });
    lines.push(format!("  managementPolicy: {}", scalar(scope.policy())?));
    Ok(lines.join("\n") + "\n")
}

/// A value as YAML on one line.
fn scalar(value: impl Serialize) -> Result<String, Problem> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(&value, options).map_err(|error| error.to_string())?;
    Ok(yaml.trim_end_matches('\n').to_owned())
}

/// A comment line. Callers quote and escape what AWS returned, so it cannot contain a line break.
fn comment(words: impl AsRef<str>) -> String {
    format!("  # {}", words.as_ref())
}

/// The name for the spec, or why it is left out.
fn connection_name<'a>(circuit: &CircuitId, connection: &'a Connection, scope: Scope<'_>) -> Result<&'a str, String> {
    let Some(name) = connection.connection_name.as_deref() else {
        return Err("connectionName is left out: AWS shows none".to_owned());
    };
    if !scope.takes(Managed::Name) {
        return Err(format!("connectionName is not managed; in AWS it is {name:?}"));
    }
    let (id, region) = (circuit.id.as_str(), Some(circuit.region.as_str()));
    let spec = SpecInput { connection_id: id, region, name: Some(name), ..SpecInput::default() };
    match Desired::new(&spec, &DefaultRegion::Unset) {
        Ok(_) => Ok(name),
        Err(invalid) => Err(format!("connectionName is left out, as the cluster would refuse it: {invalid}")),
    }
}

/// The mode for the spec, or why it is left out.
fn encryption_mode(connection: &Connection, scope: Scope<'_>) -> Result<EncryptionMode, String> {
    match (connection.mode(), &connection.encryption_mode) {
        (Some(mode), _) if !scope.takes(Managed::Mode) => {
            Err(format!("encryptionMode is not managed; in AWS it is {mode}"))
        }
        (Some(mode), _) if is_left_out(mode, connection, scope) => {
            Err(format!("encryptionMode is left out; in AWS it is {mode}"))
        }
        (Some(mode), _) => Ok(mode),
        (None, Some(shown)) => Err(format!("encryptionMode is left out: AWS shows {:?}", shown.as_str())),
        (None, None) => Err("encryptionMode is left out: AWS shows none".to_owned()),
    }
}

/// Whether the mode that AWS shows is not for the spec. Where a connection takes none, one in the spec is a difference that
/// nobody can end, but for `no_encrypt`: such a connection is in clear text.
fn is_left_out(mode: EncryptionMode, connection: &Connection, scope: Scope<'_>) -> bool {
    if scope.manages_the_mode() {
        cannot_be_managed(connection).is_some()
    } else {
        !connection.takes_a_mode() && mode != EncryptionMode::NoEncrypt
    }
}

fn mode_note(connection: &Connection) -> Option<String> {
    cannot_be_managed(connection).map(|why| format!("{why}: its encryption mode cannot be managed here"))
}

/// Why the mode of this connection cannot be managed, if it cannot.
fn cannot_be_managed(connection: &Connection) -> Option<String> {
    if let Some(vlan) = connection.vlan {
        return Some(format!("hosted connection (vlan {vlan})"));
    }
    if !connection.has_macsec_port() {
        let is_said = connection.mac_sec_capable.is_some();
        let why = if is_said { "port without MACsec" } else { "AWS does not say whether the port has MACsec" };
        return Some(why.to_owned());
    }
    if let Some(lag) = &connection.lag_id {
        return Some(format!("member of the LAG {lag:?}, which sets its mode"));
    }
    (!connection.takes_a_mode()).then(|| "AWS shows no mode".to_owned())
}

fn state_note(connection: &Connection) -> Option<String> {
    match &connection.connection_state {
        Some(state @ (ConnectionState::Unknown | ConnectionState::Other(_))) => {
            Some(format!("AWS shows the state {:?}, which says nothing about the link", state.as_str()))
        }
        Some(
            ConnectionState::Ordering
            | ConnectionState::Requested
            | ConnectionState::Pending
            | ConnectionState::Available
            | ConnectionState::Down
            | ConnectionState::Deleting
            | ConnectionState::Deleted
            | ConnectionState::Rejected,
        ) => None,
        None => Some("AWS shows no state".to_owned()),
    }
}

#[cfg(test)]
mod tests;
