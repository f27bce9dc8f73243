//! Every failure of a call to AWS: what it means, what to tell people, and whether the call may have had an effect.

use std::time::Duration;

use strum::VariantArray;

use crate::reason::Reason;
use crate::text;

/// The operation that changes a connection, as the AWS API names it.
pub const UPDATE: &str = "UpdateConnection";
/// The operation that reads connections, as the AWS API names it.
pub const DESCRIBE: &str = "DescribeConnections";

/// What kind of failure it was. The class decides the reason in status and the retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, VariantArray)]
pub enum FaultKind {
    /// AWS knows no such connection.
    NotFound,
    /// The credentials may not do this.
    AccessDenied,
    /// There are no credentials, or AWS does not accept them.
    CredentialsInvalid,
    /// Too many calls.
    Throttled,
    /// AWS, or the way to it, does not work.
    Unavailable,
    /// AWS refuses the request as it stands.
    Rejected,
}

/// Whether a failed call may have been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Certainly not: nothing was sent, or AWS refused it.
    #[default]
    None,
    /// Nobody knows: no answer came, or the one that came was of a server that failed over it.
    Unknown,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What kind of failure it was.
    pub kind: FaultKind,
    /// The operation that failed, as the AWS API names it.
    pub operation: &'static str,
    /// What AWS or the network said, made fit for status.
    pub message: String,
    /// Request id that AWS gave, for its support.
    pub request_id: Option<String>,
    /// Whether the request may have been carried out all the same.
    pub effect: Effect,
}

impl Fault {
    /// A fault of `kind` in `operation`, with the words of whoever refused.
    pub fn new(kind: FaultKind, operation: &'static str, message: &str) -> Self {
        Self { kind, operation, message: text::clean(message), request_id: None, effect: Effect::None }
    }

    /// The reason that conditions carry for it.
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

    /// What happened and what to do next, for the connection `id` in `region`.
    ///
    /// Request ids stay out of it: they change with every try, and status would change with them.
    pub fn describe(&self, region: &str, id: &str) -> String {
        let Self { operation, message, .. } = self;
        let words = message.trim_end_matches('.');
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
            FaultKind::Rejected if *operation == UPDATE => {
                format!(
                    "AWS rejected directconnect:{operation} on {id} in {region}: {words}. Change the spec as AWS asks; it is tried again by itself now and then"
                )
            }
            // A read asks for nothing that the spec wants, and often it is one of a whole region.
            FaultKind::Rejected => {
                format!(
                    "AWS rejected directconnect:{operation} in {region}, so {id} could not be read: {words}. Check that the endpoint the operator calls is the one of that region; AWS is asked again at every poll"
                )
            }
        }
    }
}

/// First and longest wait between two tries of an update that AWS refused.
const REJECTED: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(30));
/// First and longest wait between two tries while AWS does not work.
const UNAVAILABLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));

/// How long to wait before an update that failed is tried again.
///
/// `tries` counts the failures in a row, from 1. `dice` is a number from 0 to 1: waits that many resources share are
/// spread over their whole length, so that they do not return as one.
pub fn retry_after(kind: FaultKind, tries: u32, poll_interval: Duration, dice: f64) -> Duration {
    match kind {
        FaultKind::AccessDenied | FaultKind::CredentialsInvalid | FaultKind::NotFound => poll_interval,
        FaultKind::Rejected => doubled(REJECTED, tries),
        FaultKind::Throttled | FaultKind::Unavailable => doubled(UNAVAILABLE, tries).mul_f64(dice.clamp(0.0, 1.0)),
    }
}

fn doubled((first, longest): (Duration, Duration), tries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(tries.saturating_sub(1).min(20));
    first.saturating_mul(factor).min(longest)
}
