//! The encryption ladder (`no_encrypt`, `should_encrypt`, `must_encrypt`): which mode may be sent now, and if none, why
//! not.
//!
//! `must_encrypt` stops all traffic at once if MACsec is not up. It is therefore sent only when a key is associated and
//! `Encryption Up` was seen in every read for a whole soak, and to one circuit of an account at a time. Steps down the
//! ladder are sent at once.

use super::messages;
use crate::desired::EncryptionMode;
use crate::identity::{CircuitId, ResourceId};
use crate::observed::{Connection, ConnectionState};
use crate::reason::Reason;
use crate::turn::{HoldReason, Holder};

/// The next step from the mode that AWS shows to the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeStep {
    /// AWS shows the wanted mode, or the connection cannot be encrypted and the spec asks for clear text.
    Satisfied,
    /// This mode may be sent now. It is the wanted mode, or one on the way to it.
    Send(EncryptionMode),
    /// Nothing may be sent now. The reason says whether the operator waits or a person has to act.
    Blocked(Reason, String),
}

/// What the decision about a mode depends on, apart from the connection itself.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and asked for by itself")]
pub struct Evidence<'a> {
    /// MACsec was up in every read of a whole soak, at the mode that AWS shows.
    pub is_soaked: bool,
    /// There is a key, and MACsec has been down for longer than the progress deadline.
    pub is_overdue: bool,
    /// The transition is `Immediate`, which works once while `must_encrypt` is wanted without a break, and is unused.
    pub skips_ladder: bool,
    /// The transition is `Immediate`, but it has already been used.
    pub has_skipped_ladder: bool,
    /// The newest read may still show the state before the last update.
    pub is_unsettled: bool,
    /// Another circuit of the account, if one holds the turn.
    pub holder: Option<&'a Holder>,
    /// Another resource for this circuit whose ledger still says `proven`.
    pub other_proof: Option<&'a ResourceId>,
}

impl Evidence<'_> {
    /// What to do to skip the ladder once more, if it was skipped already.
    pub fn how_to_skip_again(&self) -> &'static str {
        if self.has_skipped_ladder {
            "; encryptionTransition Immediate was used for this wish: to use it again, want another mode first"
        } else {
            ""
        }
    }
}

/// Whether sending `mode` to a connection in the state `shown` can interrupt traffic: a step to `must_encrypt` always
/// can, and a step from `no_encrypt` to `should_encrypt` can if there is a key.
pub fn interrupts(mode: EncryptionMode, shown: &Connection) -> bool {
    match mode {
        EncryptionMode::NoEncrypt => false,
        EncryptionMode::ShouldEncrypt => shown.mode() == Some(EncryptionMode::NoEncrypt) && shown.may_have_a_key(),
        EncryptionMode::MustEncrypt => shown.mode() != Some(EncryptionMode::MustEncrypt),
    }
}

/// Decides which mode, if any, may be sent to bring `connection` to `wanted`.
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
    let is_direct = wanted < EncryptionMode::MustEncrypt || evidence.skips_ladder;
    let is_first = !is_direct && mode == EncryptionMode::NoEncrypt;
    let next = if is_first { EncryptionMode::ShouldEncrypt } else { wanted };
    let missing = if is_direct || is_first { None } else { without_evidence(connection, evidence, circuit) };
    match missing.unwrap_or_else(|| up_the_ladder(next, connection, evidence, circuit)) {
        ModeStep::Blocked(reason, message) => ModeStep::Blocked(reason, message + evidence.how_to_skip_again()),
        step => step,
    }
}

/// Hosted connections and ports without MACsec have no encryption mode. They are always in clear text, which satisfies
/// `no_encrypt`; the other modes are impossible.
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

/// AWS accepts a mode only in state `available`. In state `down` a step down the ladder is sent too, since it may bring
/// the link back.
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

/// Why the guarded step to `must_encrypt` may not be sent yet; `None` if nothing is missing.
fn without_evidence(connection: &Connection, evidence: Evidence<'_>, circuit: &CircuitId) -> Option<ModeStep> {
    let id = &circuit.id;
    let blocked = "must_encrypt would stop all traffic until MACsec is up";
    let (reason, message) = if !connection.has_key_at_all() {
        let next = format!("associate a MACsec key with {id}, then nothing else is needed");
        (Reason::NoMacSecKey, format!("{id} has no MACsec key, and {blocked}: {next}"))
    } else if !connection.encryption_works() && evidence.is_overdue {
        (
            Reason::EncryptionNotUp,
            format!(
                "{id} has a MACsec key but portEncryptionStatus has not come up in time, and {blocked}: check CKN, CAK and cipher suite of the router at the far end; must_encrypt follows by itself once it is up"
            ),
        )
    } else if !connection.encryption_works() {
        (
            Reason::WaitingForEncryptionUp,
            format!("waiting for an associated key and portEncryptionStatus Encryption Up on {id}, since {blocked}"),
        )
    } else if !evidence.is_soaked {
        (
            Reason::WaitingForEncryptionUp,
            format!(
                "portEncryptionStatus of {id} is Encryption Up; must_encrypt follows once that has held for the whole soak"
            ),
        )
    } else {
        return None;
    };
    Some(ModeStep::Blocked(reason, message))
}

/// A step up the ladder needs a settled read, and no other resource that still says the circuit is proven. A step that
/// can interrupt traffic also needs the turn.
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
