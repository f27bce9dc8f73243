//! The encryption ladder: which mode may be sent now, and if none, why not.
//!
//! `must_encrypt` with MACsec not up stops every packet at once. So it is sent only when a key is associated and
//! `Encryption Up` has been seen at every look for a whole soak, to one connection of an account at a time. Everything
//! else on the ladder keeps the link up and goes at once.

use crate::conditions::Reason;
use crate::desired::EncryptionMode;
use crate::observed::{Connection, ConnectionState, ObservedMode};

/// What the ladder says about a wanted mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rung {
    /// AWS has it, or as good as.
    Met,
    /// This mode may be sent now: the wanted one, or one on the way to it.
    Go(EncryptionMode),
    /// It cannot go now; the operator goes on by itself or a person has to help, as the reason says.
    Not(Reason, String),
}

/// What is known beyond the connection itself.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// MACsec has worked at every look for a whole soak, and works.
    pub soaked: bool,
    /// There is a key, and MACsec has been down for longer than the progress deadline.
    pub overdue: bool,
    /// The user asked for `must_encrypt` at once, and this wish has not been met before.
    pub immediate: bool,
    /// Another resource of the account is on its way to `must_encrypt`.
    pub other: Option<&'a str>,
}

/// What may be sent to bring `connection` to `wanted`. `id` is for the messages.
pub fn climb(wanted: EncryptionMode, connection: &Connection, evidence: Evidence<'_>, id: &str) -> Rung {
    if !connection.takes_a_mode() {
        return without_macsec(wanted, connection, id);
    }
    let Some(mode) = connection.mode() else {
        return Rung::Not(
            Reason::AwsUnavailable,
            format!(
                "AWS shows encryptionMode {:?} for {id}, which this operator does not know; nothing is sent until it shows one that it knows",
                connection.encryption_mode.as_ref().map_or("", ObservedMode::as_str)
            ),
        );
    };
    if mode == wanted {
        return Rung::Met;
    }
    if let Some(lag) = &connection.lag_id {
        return Rung::Not(
            Reason::LagMember,
            format!(
                "{id} is a member of {lag} and takes its encryptionMode {mode} from it; set {wanted} on the LAG, or unset spec.encryptionMode"
            ),
        );
    }
    if let Some(not) = unavailable(mode, wanted, connection, id) {
        return not;
    }
    if wanted < EncryptionMode::MustEncrypt {
        return Rung::Go(wanted);
    }
    if evidence.immediate {
        return evidence.other.map_or(Rung::Go(wanted), |other| wait_for(other, id));
    }
    if mode == EncryptionMode::NoEncrypt {
        return Rung::Go(EncryptionMode::ShouldEncrypt);
    }
    to_must(connection, evidence, id)
}

/// Hosted connections and ports without MACsec take no mode: clear text is what they have, the rest they cannot have.
fn without_macsec(wanted: EncryptionMode, connection: &Connection, id: &str) -> Rung {
    if wanted == EncryptionMode::NoEncrypt {
        return Rung::Met;
    }
    let why = if let Some(vlan) = connection.vlan {
        format!("{id} is a hosted connection (vlan {vlan})")
    } else if connection.mac_sec_capable == Some(true) {
        format!("AWS shows no encryptionMode for {id}")
    } else {
        format!("the port of {id} is not MACsec capable")
    };
    Rung::Not(
        Reason::MacSecNotSupported,
        format!("{why}, so it cannot be {wanted}; unset spec.encryptionMode or set it to no_encrypt"),
    )
}

/// AWS takes a mode only when `available`; a way down the ladder may be what brings a `down` link back.
fn unavailable(mode: EncryptionMode, wanted: EncryptionMode, connection: &Connection, id: &str) -> Option<Rung> {
    let state = connection.connection_state.as_ref();
    let allowed = match state {
        Some(ConnectionState::Available) => true,
        Some(ConnectionState::Down) => wanted < mode,
        _ => false,
    };
    (!allowed).then(|| {
        let state = state.map_or("absent", ConnectionState::as_str);
        Rung::Not(
            Reason::WaitingForAvailable,
            format!("connectionState of {id} is {state}; encryptionMode changes from {mode} to {wanted} once it is available"),
        )
    })
}

fn to_must(connection: &Connection, evidence: Evidence<'_>, id: &str) -> Rung {
    let held = "must_encrypt would stop all traffic until MACsec is up";
    if !connection.has_key_at_all() {
        Rung::Not(
            Reason::NoMacSecKey,
            format!(
                "{id} has no MACsec key, and {held}: associate a MACsec key with {id}, then nothing else is needed"
            ),
        )
    } else if !connection.encryption_works() && evidence.overdue {
        Rung::Not(
            Reason::EncryptionNotUp,
            format!(
                "{id} has a MACsec key but portEncryptionStatus has not come up in time, and {held}: check CKN, CAK and cipher suite of the router at the far end; must_encrypt follows by itself once it is up"
            ),
        )
    } else if !connection.encryption_works() {
        Rung::Not(
            Reason::WaitingForEncryptionUp,
            format!("waiting for an associated key and portEncryptionStatus Encryption Up on {id}, since {held}"),
        )
    } else if !evidence.soaked {
        Rung::Not(
            Reason::WaitingForEncryptionUp,
            format!(
                "portEncryptionStatus of {id} is Encryption Up; must_encrypt follows once that has held for the whole soak"
            ),
        )
    } else if let Some(other) = evidence.other {
        wait_for(other, id)
    } else {
        Rung::Go(EncryptionMode::MustEncrypt)
    }
}

fn wait_for(other: &str, id: &str) -> Rung {
    Rung::Not(
        Reason::WaitingForTurn,
        format!(
            "{id} is ready for must_encrypt, but {other} of the same AWS account is on its way there: it goes on once that one has shown Encryption Up for a whole soak or no longer wants must_encrypt"
        ),
    )
}
