//! The facts in status that must outlive a restart, and all transitions of them. No other code writes these facts.
//!
//! In each pass the order is: [`Ledger::begin`]; for every update [`Ledger::before_send`], then
//! [`Ledger::after_answer`] or [`Ledger::after_failure`]; at the end [`Ledger::at_rest`].

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::desired::{Desired, EncryptionMode};
use crate::fault::Effect;
use crate::history::{Change, History};
use crate::identity::CircuitId;
use crate::settings::{RECENT_UPDATE, Settings};

/// What the operator has to know of a connection after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Newest generation of the spec that AWS was seen to match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met_generation: Option<i64>,
    /// Generation for which `must_encrypt` was last sent, or seen in AWS, since the spec began to ask for it. If someone else
    /// lowers the mode after that, it is raised again only as under `Guarded`, whatever `encryptionTransition` says. Absent
    /// while the spec asks for another mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_encrypt_generation: Option<i64>,
    /// A mode that can interrupt traffic and that was sent, or is about to be sent, but has not yet been seen to work for a
    /// whole soak. While it is set and the spec still asks for that mode, no other connection of the AWS account is set to
    /// such a mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven_step: Option<EncryptionMode>,
    /// True once MACsec has been seen working for a whole soak while AWS showed `must_encrypt`. It stays true as long as AWS
    /// shows that mode and the spec asks for it, even if MACsec fails later.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub proven: bool,
    /// The connection that `metGeneration`, `mustEncryptGeneration`, `unprovenStep`, `proven` and `lastUpdate` are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<LedgerCircuit>,
    /// The last `UpdateConnection` call for this resource that had, or may have had, an effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update: Option<LastUpdate>,
}

/// The connection that a ledger is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerCircuit {
    /// AWS region that the operator calls for it.
    pub region: String,
    /// Id of the connection.
    pub connection_id: String,
}

/// An `UpdateConnection` call: what was sent, when and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// When it was sent, RFC 3339.
    pub time: String,
    /// Generation of the spec that asked for it.
    pub generation: i64,
    /// Request id of AWS. Absent when the answer was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `connectionName` that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<String>,
    /// `encryptionMode` that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_mode: Option<EncryptionMode>,
}

impl LastUpdate {
    /// Whether both describe the same call, even if only one has the request id.
    pub fn is_same_call(&self, other: &Self) -> bool {
        Self { request_id: None, ..self.clone() } == Self { request_id: None, ..other.clone() }
    }
}

/// The parts of a status, written by the previous release, that its ledger lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlierRelease {
    /// Whether AWS showed `must_encrypt`.
    pub shows_must: bool,
    /// How long condition `Encrypted` has been `True`; `None` when it is not.
    pub encrypted_for: Option<Duration>,
    /// How long ago `lastUpdate` was, whatever it sent: a mode may have been sent just before it. `None` when there is
    /// none.
    pub updated: Option<Duration>,
}

/// What [`Ledger::at_rest`] needs beside ledger and history.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and asked for by itself")]
pub struct AtRest {
    /// Whether AWS has everything that the spec asks for.
    pub is_met: bool,
    /// Whether this resource is the one that may change the connection.
    pub acts: bool,
    /// Whether the newest read began late enough to prove that a mode is not there.
    pub is_settled: bool,
    /// Whether a read has shown that the proof in the ledgers does not hold any more.
    pub is_proof_over: bool,
}

impl From<&CircuitId> for LedgerCircuit {
    fn from(circuit: &CircuitId) -> Self {
        Self { region: circuit.region.to_string(), connection_id: circuit.id.to_string() }
    }
}

impl Ledger {
    /// The part of a ledger from status that applies to `circuit` at `generation` of its resource.
    ///
    /// A ledger of another connection does not apply; this happens if the operator's default region was changed. A
    /// proof without a circuit is ignored. A generation greater than the current one is ignored, and a proof beside it:
    /// they are from before the object was restored from a backup.
    #[must_use]
    pub fn about(self, circuit: &CircuitId, generation: i64) -> Self {
        if self.circuit.as_ref().is_some_and(|about| *about != LedgerCircuit::from(circuit)) {
            return Self::default();
        }
        let known = |of: Option<i64>| of.filter(|&of| of <= generation);
        let (met, must_encrypt) = (known(self.met_generation), known(self.must_encrypt_generation));
        let is_of_this_life = (met, must_encrypt) == (self.met_generation, self.must_encrypt_generation);
        Self {
            met_generation: met,
            must_encrypt_generation: must_encrypt,
            unproven_step: self.unproven_step.filter(|&step| step > EncryptionMode::NoEncrypt),
            proven: self.proven && self.circuit.is_some() && is_of_this_life,
            ..self
        }
    }

    /// Derives a proof from a status of the previous release, which recorded none. Called once, when the object is
    /// first seen.
    ///
    /// The status counts as a proof only if it shows MACsec up for longer than a soak and for more than an hour: within
    /// the last hour, the process that wrote it may have ended before its next read. Without a proof, the circuit has
    /// to be proven first.
    #[must_use]
    pub fn from_earlier_release(self, earlier: EarlierRelease, circuit: &CircuitId, soak: Duration) -> Self {
        let is_earlier = self.circuit.is_none() && self.must_encrypt_generation.is_some();
        let longer = |age: Option<Duration>| age.is_some_and(|age| age > soak.max(RECENT_UPDATE));
        let was_proven =
            earlier.shows_must && longer(earlier.encrypted_for) && earlier.updated.is_none_or(|age| longer(Some(age)));
        if !is_earlier || !was_proven {
            return self;
        }
        Self { proven: true, circuit: Some(circuit.into()), ..self }
    }

    /// The start of a pass of the acting resource. Tells the history the current generation and what an earlier process
    /// sent. `age` is how long ago `lastUpdate` was by the wall clock; `None` if it lies in the future.
    pub fn begin(
        &self,
        desired: &Desired,
        uid: &str,
        age: Option<Duration>,
        history: &mut History,
        settings: &Settings,
        now: Moment,
    ) {
        history.start_generation(uid, desired.generation, desired.mode, now);
        if let Some(last) = &self.last_update {
            let sent = Change { name: last.connection_name.clone(), mode: last.encryption_mode };
            history.resume(sent, age, now, settings.settle_window);
        }
    }

    /// The ledger to write before `change` is sent. If the change can interrupt traffic (`interrupts`), it is recorded
    /// as unproven and an earlier proof is dropped. That `must_encrypt` was seen while it is wanted (`had_must`) is in it,
    /// whatever is sent. `time` is in RFC 3339 format.
    #[must_use]
    pub fn before_send(
        &self,
        desired: &Desired,
        change: &Change,
        interrupts: bool,
        had_must: bool,
        time: String,
    ) -> Self {
        let is_must = change.mode == Some(EncryptionMode::MustEncrypt);
        let seen = (had_must && desired.mode == Some(EncryptionMode::MustEncrypt)).then_some(desired.generation);
        let known = self.must_encrypt_generation.or(seen);
        Self {
            must_encrypt_generation: if is_must { Some(desired.generation) } else { known },
            unproven_step: if interrupts { change.mode } else { self.unproven_step },
            proven: self.proven && !interrupts,
            circuit: Some((&desired.circuit).into()),
            last_update: Some(LastUpdate {
                time,
                generation: desired.generation,
                request_id: None,
                connection_name: change.name.clone(),
                encryption_mode: change.mode,
            }),
            ..self.clone()
        }
    }

    /// The ledger after the update was answered.
    #[must_use]
    pub fn after_answer(mut self, request_id: Option<String>) -> Self {
        if let Some(last) = &mut self.last_update {
            last.request_id = request_id;
        }
        self
    }

    /// The ledger after the update failed or was withdrawn. If it certainly had no effect, the ledger from before is
    /// restored; if the effect is unknown, the ledger keeps it.
    #[must_use]
    pub fn after_failure(self, before: &Self, effect: Effect) -> Self {
        match effect {
            Effect::None => before.clone(),
            Effect::Unknown => self,
        }
    }

    /// The ledger at the end of a pass, updated with what reads have shown.
    #[must_use]
    pub fn at_rest(&self, desired: &Desired, history: &History, end: AtRest, settings: &Settings) -> Self {
        let mut next = self.clone();
        if end.is_met {
            next.met_generation = next.met_generation.max(Some(desired.generation));
        }
        let wants_must = desired.mode == Some(EncryptionMode::MustEncrypt);
        let shows_must = history.connection().is_some_and(|connection| {
            connection.takes_a_mode() && connection.mode() == Some(EncryptionMode::MustEncrypt)
        });
        if !wants_must {
            next.must_encrypt_generation = None;
        } else if shows_must {
            next.must_encrypt_generation = Some(desired.generation);
        } else if history.had_must() {
            next.must_encrypt_generation = next.must_encrypt_generation.or(Some(desired.generation));
        }
        let unproven = next.unproven_step.filter(|&step| {
            desired.mode.is_some_and(|wanted| wanted >= step) && !is_step_over(step, history, end.is_settled, settings)
        });
        // If a status says both `proven` and `unprovenStep`, the latter counts.
        next.proven = next.proven && next.unproven_step.is_none();
        let soaked = history.is_soaked(EncryptionMode::MustEncrypt, settings.encryption_soak);
        if soaked && wants_must && shows_must && (end.acts || self.unproven_step.is_some()) {
            next.proven = true;
        }
        next.unproven_step = unproven.filter(|_| !next.proven);
        // What the newest read shows is asked here too: this ledger may have become known after it.
        next.proven = next.proven && wants_must && !end.is_proof_over && !contradicts_proof(history, end.is_settled);
        // Without facts about a circuit, the ledger names none: the matched generation alone is harmless for another
        // circuit. A status of an earlier release without proof is marked with its circuit, so that it is not taken for
        // a proof later.
        let says_more = next.must_encrypt_generation.is_some() || next.unproven_step.is_some() || next.proven;
        if says_more && next.circuit.is_none() {
            next.circuit = Some((&desired.circuit).into());
        }
        next
    }

    /// Whether this resource may skip the ladder: once, for as long as it wants `must_encrypt` without a break,
    /// whatever the generation. If the mode is lowered later, the way back up uses the ladder.
    pub fn may_skip_ladder(&self, history: &History) -> bool {
        self.must_encrypt_generation.is_none() && !history.had_must()
    }
}

/// Whether an interrupting step is over: it was proven, it was given up, or the mode is no longer there.
///
/// This follows from reads alone, never from the clock: a chain of reads as long as the soak with MACsec up, or as long
/// as the progress deadline with MACsec down. Only a settled read proves that a mode or a key is not there. One
/// that does not find the connection says nothing: with the credentials of another account none is found.
pub fn is_step_over(step: EncryptionMode, history: &History, is_settled: bool, settings: &Settings) -> bool {
    let Some(connection) = history.connection() else { return false };
    let is_lower = is_settled && connection.mode().is_some_and(|mode| mode < step);
    let is_proven = [EncryptionMode::ShouldEncrypt, EncryptionMode::MustEncrypt]
        .into_iter()
        .any(|mode| mode >= step && history.is_soaked(mode, settings.encryption_soak));
    let is_given_back = step == EncryptionMode::ShouldEncrypt
        && ((is_settled && connection.mode().is_some() && !connection.may_have_a_key())
            || history.was_down_for(step, settings.progress_deadline));
    connection.lag_id.is_some() || connection.is_gone() || is_lower || is_proven || is_given_back
}

/// Whether the newest read shows that a proof of `must_encrypt` no longer holds. A read that does not find the
/// connection shows no lower mode, nor does one that is not settled.
pub fn contradicts_proof(history: &History, is_settled: bool) -> bool {
    history.connection().is_some_and(|connection| {
        connection.lag_id.is_some()
            || connection.is_gone()
            || is_settled && connection.mode().is_some_and(|mode| mode < EncryptionMode::MustEncrypt)
    })
}
