//! The encryption ladder: which mode may be sent now, and if none, why not.
//!
//! `must_encrypt` with MACsec not up stops every packet at once. So it is sent only when a key is associated and
//! `Encryption Up` has been seen at every read for a whole soak, to one circuit of an account at a time. Ways down the
//! ladder go at once.

use super::messages;
use crate::desired::EncryptionMode;
use crate::identity::{CircuitId, ResourceId};
use crate::observed::{Connection, ConnectionState};
use crate::reason::Reason;
use crate::turn::{HoldReason, Holder};

/// What the ladder says about a wanted mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeStep {
    /// AWS has it, or as good as.
    Satisfied,
    /// This mode may be sent now: the wanted one, or one on the way to it.
    Send(EncryptionMode),
    /// It cannot go now; the operator goes on by itself or a person has to help, as the reason says.
    Blocked(Reason, String),
}

/// What is known beyond the connection itself.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and asked for by itself")]
pub struct Evidence<'a> {
    /// MACsec has been up at every read of a whole soak, at the mode that is shown.
    pub is_soaked: bool,
    /// There is a key, and MACsec has been down for longer than the progress deadline.
    pub is_overdue: bool,
    /// The user asked for `must_encrypt` at once, and this unbroken wish has not used that up.
    pub skips_ladder: bool,
    /// The user asked for it at once, and has used that up.
    pub has_skipped_ladder: bool,
    /// The newest read may still show what was there before an update.
    pub is_unsettled: bool,
    /// Another circuit of the account holds the turn.
    pub holder: Option<&'a Holder>,
    /// Another resource about this circuit that still carries a proof.
    pub other_proof: Option<&'a ResourceId>,
}

/// Whether sending `mode` to a connection that is as `shown` can interrupt it: always on the way to `must_encrypt`, and
/// with a key in place when encryption begins.
pub fn interrupts(mode: EncryptionMode, shown: &Connection) -> bool {
    match mode {
        EncryptionMode::NoEncrypt => false,
        EncryptionMode::ShouldEncrypt => shown.mode() == Some(EncryptionMode::NoEncrypt) && shown.has_key_at_all(),
        EncryptionMode::MustEncrypt => shown.mode() != Some(EncryptionMode::MustEncrypt),
    }
}

/// What may be sent to bring `connection` to `wanted`.
pub fn next_mode_step(
    wanted: EncryptionMode,
    connection: &Connection,
    evidence: Evidence<'_>,
    circuit: &CircuitId,
) -> ModeStep {
    let id = &circuit.id;
    if !connection.takes_a_mode() {
        return without_macsec(wanted, connection, circuit);
    }
    let Some(mode) = connection.mode() else {
        return ModeStep::Blocked(Reason::AwsUnavailable, messages::unknown_mode(connection, id));
    };
    if mode == wanted {
        return ModeStep::Satisfied;
    }
    if let Some(lag) = &connection.lag_id {
        return ModeStep::Blocked(
            Reason::LagMember,
            format!(
                "{id} is a member of {lag} and takes its encryptionMode {mode} from it; set {wanted} on the LAG, or unset spec.encryptionMode"
            ),
        );
    }
    if let Some(not) = unavailable(mode, wanted, connection, circuit) {
        return not;
    }
    if wanted < mode {
        return ModeStep::Send(wanted);
    }
    let next = if wanted < EncryptionMode::MustEncrypt || evidence.skips_ladder {
        wanted
    } else if mode == EncryptionMode::NoEncrypt {
        EncryptionMode::ShouldEncrypt
    } else {
        if let Some(blocked) = without_evidence(connection, evidence, circuit) {
            return blocked;
        }
        EncryptionMode::MustEncrypt
    };
    up_the_ladder(next, connection, evidence, circuit)
}

/// Hosted connections and ports without MACsec take no mode: clear text is what they have, the rest they cannot have.
fn without_macsec(wanted: EncryptionMode, connection: &Connection, circuit: &CircuitId) -> ModeStep {
    if wanted == EncryptionMode::NoEncrypt {
        return ModeStep::Satisfied;
    }
    let id = &circuit.id;
    let why = if let Some(vlan) = connection.vlan {
        format!("{id} is a hosted connection (vlan {vlan})")
    } else if connection.mac_sec_capable == Some(true) {
        format!("AWS shows no encryptionMode for {id}")
    } else {
        format!("the port of {id} is not MACsec capable")
    };
    ModeStep::Blocked(
        Reason::MacSecNotSupported,
        format!("{why}, so it cannot be {wanted}; unset spec.encryptionMode or set it to no_encrypt"),
    )
}

/// AWS takes a mode only when `available`; a way down the ladder may be what brings a `down` link back.
fn unavailable(
    mode: EncryptionMode,
    wanted: EncryptionMode,
    connection: &Connection,
    circuit: &CircuitId,
) -> Option<ModeStep> {
    let state = connection.connection_state.as_ref();
    let allowed = match state {
        Some(ConnectionState::Available) => true,
        Some(ConnectionState::Down) => wanted < mode,
        _ => false,
    };
    (!allowed).then(|| {
        let state = state.map_or("absent", ConnectionState::as_str);
        ModeStep::Blocked(
            Reason::WaitingForAvailable,
            format!(
                "connectionState of {} is {state}; encryptionMode changes from {mode} to {wanted} once it is available",
                circuit.id
            ),
        )
    })
}

/// What the guarded way to `must_encrypt` still lacks.
fn without_evidence(connection: &Connection, evidence: Evidence<'_>, circuit: &CircuitId) -> Option<ModeStep> {
    let id = &circuit.id;
    let blocked = "must_encrypt would stop all traffic until MACsec is up";
    let again = if evidence.has_skipped_ladder {
        "; encryptionTransition Immediate was used for this wish: to use it again, want another mode first"
    } else {
        ""
    };
    let (reason, message) = if !connection.has_key_at_all() {
        let next = format!("associate a MACsec key with {id}, then nothing else is needed");
        (Reason::NoMacSecKey, format!("{id} has no MACsec key, and {blocked}: {next}{again}"))
    } else if !connection.encryption_works() && evidence.is_overdue {
        (
            Reason::EncryptionNotUp,
            format!(
                "{id} has a MACsec key but portEncryptionStatus has not come up in time, and {blocked}: check CKN, CAK and cipher suite of the router at the far end; must_encrypt follows by itself once it is up{again}"
            ),
        )
    } else if !connection.encryption_works() {
        (
            Reason::WaitingForEncryptionUp,
            format!(
                "waiting for an associated key and portEncryptionStatus Encryption Up on {id}, since {blocked}{again}"
            ),
        )
    } else if !evidence.is_soaked {
        (
            Reason::WaitingForEncryptionUp,
            format!(
                "portEncryptionStatus of {id} is Encryption Up; must_encrypt follows once that has held for the whole soak{again}"
            ),
        )
    } else {
        return None;
    };
    Some(ModeStep::Blocked(reason, message))
}

/// Up the ladder nothing is sent but on a settled read and while no other resource still says that the circuit is proven,
/// and a step that can interrupt the line only in its turn.
fn up_the_ladder(
    next: EncryptionMode,
    connection: &Connection,
    evidence: Evidence<'_>,
    circuit: &CircuitId,
) -> ModeStep {
    let id = &circuit.id;
    if evidence.is_unsettled {
        return ModeStep::Blocked(
            Reason::Settling,
            format!(
                "AWS may still show {id} as it was before the last update; {next} follows once reads that began after the settle window show how it is"
            ),
        );
    }
    if let Some(other) = evidence.other_proof {
        return ModeStep::Blocked(
            Reason::WaitingForTurn,
            format!(
                "{other} is about {id} too and has not yet written down that {id} is not at must_encrypt any more; {next} follows then"
            ),
        );
    }
    let holder = evidence.holder.filter(|_| interrupts(next, connection));
    holder.map_or(ModeStep::Send(next), |holder| wait_for(holder, next, circuit))
}

fn wait_for(holder: &Holder, next: EncryptionMode, circuit: &CircuitId) -> ModeStep {
    let id = &circuit.id;
    let other = &holder.circuit;
    let resource = holder.hold.resource.as_ref().map(ToString::to_string);
    let who = match &resource {
        Some(resource) => format!("{resource} ({other})"),
        None => format!("{other}"),
    };
    let goes_on = "it goes on by itself once that one has shown Encryption Up for a whole soak";
    let message = match (holder.hold.reason, resource) {
        (HoldReason::RaisedByOther, _) => format!(
            "{id} is ready for {next}, but somebody else has set {who} of the same AWS account to must_encrypt: {goes_on} or has been down for the progress deadline"
        ),
        (HoldReason::UnprovenMust, Some(resource)) => format!(
            "{id} is ready for {next}, but {who} of the same AWS account is at must_encrypt, or may be, and has not yet been seen to work there: {goes_on}; to free the turn, want another encryptionMode in {resource}, set its managementPolicy to Observe, or delete it"
        ),
        (_, Some(resource)) => format!(
            "{id} is ready for {next}, but {who} of the same AWS account is on its way: {goes_on}; to free the turn, want another encryptionMode in {resource}, or delete it"
        ),
        (_, None) => format!("{id} is ready for {next}, but {who} of the same AWS account is on its way: {goes_on}"),
    };
    ModeStep::Blocked(Reason::WaitingForTurn, message)
}
