//! Failures of calls to AWS: what they mean, what to report, and whether the call may have had an effect.

use std::time::Duration;

use strum::VariantArray;

use crate::identity::CircuitId;
use crate::reason::Reason;
use crate::text;

/// The operation that changes a connection, as the AWS API names it.
pub const UPDATE: &str = "UpdateConnection";
/// The operation that reads connections, as the AWS API names it.
pub const DESCRIBE: &str = "DescribeConnections";

/// Kind of a failure. It decides the reason in status and the delay before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, VariantArray)]
pub enum FaultKind {
    /// AWS knows no such connection.
    NotFound,
    /// The credentials lack a permission.
    AccessDenied,
    /// There are no credentials, or AWS does not accept them.
    CredentialsInvalid,
    /// AWS throttled the call.
    Throttled,
    /// AWS, or the network on the way to it, does not work.
    Unavailable,
    /// AWS rejects the request as it is.
    Rejected,
}

/// Whether a failed call may have been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Certainly not: the request was not sent, or AWS refused it.
    #[default]
    None,
    /// Unknown: no answer came, or the server failed while it handled the request.
    Unknown,
}

/// A failed call to AWS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What kind of failure it was.
    pub kind: FaultKind,
    /// The operation that failed, as the AWS API names it.
    pub operation: &'static str,
    /// The error message of AWS or the network, sanitized.
    pub message: String,
    /// Request id from AWS, for AWS support.
    pub request_id: Option<String>,
    /// Whether the request may have been carried out anyway.
    pub effect: Effect,
}

impl Fault {
    /// A fault whose request certainly had no effect. `message` is the error text as it came.
    pub fn new(kind: FaultKind, operation: &'static str, message: &str) -> Self {
        Self { kind, operation, message: text::clean(message), request_id: None, effect: Effect::None }
    }

    /// A fault of which nobody knows whether its request was carried out, since no answer came that can be understood.
    pub fn in_doubt(operation: &'static str, message: &str) -> Self {
        Self { effect: Effect::Unknown, ..Self::new(FaultKind::Unavailable, operation, message) }
    }

    /// The reason that conditions show for this fault.
    pub fn reason(&self) -> Reason {
        match self.kind {
            FaultKind::NotFound => Reason::NotFound,
            FaultKind::AccessDenied => Reason::AccessDenied,
            FaultKind::CredentialsInvalid => Reason::CredentialsInvalid,
            FaultKind::Throttled => Reason::Throttled,
            FaultKind::Unavailable => Reason::AwsUnavailable,
            FaultKind::Rejected => Reason::RequestRejected,
        }
    }

    /// Whether another failure has the same cause as this one: status says the same of both.
    pub fn has_cause_of(&self, other: &Self) -> bool {
        (self.kind, self.operation) == (other.kind, other.operation)
            && text::lasting(&self.message) == text::lasting(&other.message)
    }

    /// What happened and what to do next, for a connection.
    ///
    /// Request ids and times are left out: they change with every attempt, and each change would cause a status write.
    pub fn describe(&self, CircuitId { region, id }: &CircuitId) -> String {
        let (operation, words) = (self.operation, text::lasting(&self.message));
        let words = words.trim_end_matches('.');
        match self.kind {
            FaultKind::NotFound => format!(
                "{id} was not found in {region}: {words}. Check spec.connectionId, spec.region and the AWS account of the operator"
            ),
            FaultKind::AccessDenied => format!(
                "directconnect:{operation} on {id} in {region} was denied: {words}. Allow the operator's IAM role directconnect:{operation}"
            ),
            FaultKind::CredentialsInvalid => format!(
                "directconnect:{operation} in {region} had no valid credentials: {words}. Check the operator's AWS credentials; the region may also not be enabled for the account, or the clock be wrong"
            ),
            FaultKind::Throttled => {
                format!(
                    "AWS throttled directconnect:{operation} in {region}: {words}. The operator slows down and tries again by itself"
                )
            }
            FaultKind::Unavailable => {
                format!("directconnect:{operation} in {region} failed: {words}. The operator tries again by itself")
            }
            FaultKind::Rejected if operation == UPDATE => {
                format!(
                    "AWS rejected directconnect:{operation} on {id} in {region}: {words}. Change the spec as AWS asks; it is tried again by itself now and then"
                )
            }
            // A read contains nothing from the spec, and often reads a whole region. So the advice is not about the
            // spec.
            FaultKind::Rejected => {
                format!(
                    "AWS rejected directconnect:{operation} in {region}, so {id} could not be read: {words}. Check that the endpoint the operator calls is the one of that region; AWS is asked again at every poll"
                )
            }
        }
    }
}

/// First and longest delay between attempts of an update that AWS rejected.
const REJECTED: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(30));
/// First and longest delay between attempts while AWS does not work or throttles.
const UNAVAILABLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));

/// The delay before a failed update is tried again.
///
/// `tries` is the number of failures in a row, from 1. `jitter` is a number from 0 to 1. Delays for faults that many
/// resources share are spread over their whole length, so that the resources do not all try again at the same time.
pub fn retry_after(kind: FaultKind, tries: u32, poll_interval: Duration, jitter: f64) -> Duration {
    match kind {
        FaultKind::AccessDenied | FaultKind::CredentialsInvalid | FaultKind::NotFound => poll_interval,
        FaultKind::Rejected => doubled(REJECTED, tries),
        FaultKind::Throttled | FaultKind::Unavailable => doubled(UNAVAILABLE, tries).mul_f64(jitter.clamp(0.0, 1.0)),
    }
}

fn doubled((first, max): (Duration, Duration), tries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(tries.saturating_sub(1).min(20));
    first.saturating_mul(factor).min(max)
}
