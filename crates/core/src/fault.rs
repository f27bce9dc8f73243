//! Every failure of a call to AWS: what it means, what to tell people, and whether the call may have had an effect.

use std::time::Duration;

use crate::conditions::Reason;
use crate::text;

/// What kind of failure it was. The class decides the reason in status and the retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
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

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What kind of failure it was.
    pub class: Class,
    /// The operation that failed, as the AWS API names it.
    pub operation: &'static str,
    /// What AWS or the network said, made fit for status.
    pub words: String,
    /// Request id that AWS gave, for its support.
    pub request_id: Option<String>,
    /// Whether the request may have taken effect although no answer came.
    pub in_doubt: bool,
    /// Whether AWS answered, or whatever stands before it.
    pub answered: bool,
}

impl Fault {
    /// A fault of `class` in `operation`, with the words of whoever refused.
    pub fn new(class: Class, operation: &'static str, words: &str) -> Self {
        Self { class, operation, words: text::clean(words), request_id: None, in_doubt: false, answered: false }
    }

    /// Whether the request may have taken effect: no answer came, or the one that came was of a server that failed over it.
    pub fn may_have_had_an_effect(&self) -> bool {
        self.in_doubt || (self.class == Class::Unavailable && self.answered)
    }

    /// The reason that conditions carry for it.
    pub fn reason(&self) -> Reason {
        match self.class {
            Class::NotFound => Reason::NotFound,
            Class::AccessDenied => Reason::AccessDenied,
            Class::CredentialsInvalid => Reason::CredentialsInvalid,
            Class::Throttled => Reason::Throttled,
            Class::Unavailable => Reason::AwsUnavailable,
            Class::Rejected => Reason::RequestRejected,
        }
    }

    /// What happened and what to do next, for the connection `id` in `region`.
    ///
    /// Request ids stay out of it: they change with every try, and status would change with them.
    pub fn message(&self, region: &str, id: &str) -> String {
        let Self { operation, words, .. } = self;
        let words = words.trim_end_matches('.');
        match self.class {
            Class::NotFound => format!(
                "{id} was not found in {region}: {words}. Check spec.connectionId, spec.region and the AWS account of the operator"
            ),
            Class::AccessDenied => format!(
                "directconnect:{operation} on {id} in {region} was denied: {words}. Allow the operator's IAM role directconnect:{operation}"
            ),
            Class::CredentialsInvalid => format!(
                "directconnect:{operation} in {region} had no valid credentials: {words}. Check the operator's AWS credentials; the region may also not be enabled for the account, or the clock be wrong"
            ),
            Class::Throttled => {
                format!(
                    "AWS throttled directconnect:{operation} in {region}: {words}. The operator slows down and tries again by itself"
                )
            }
            Class::Unavailable => {
                format!("directconnect:{operation} in {region} failed: {words}. The operator tries again by itself")
            }
            Class::Rejected => {
                format!(
                    "AWS rejected directconnect:{operation} on {id} in {region}: {words}. Change the spec as AWS asks; it is tried again by itself now and then"
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
pub fn retry_after(class: Class, tries: u32, poll_interval: Duration, dice: f64) -> Duration {
    match class {
        Class::AccessDenied | Class::CredentialsInvalid | Class::NotFound => poll_interval,
        Class::Rejected => doubled(REJECTED, tries),
        Class::Throttled | Class::Unavailable => doubled(UNAVAILABLE, tries).mul_f64(dice.clamp(0.0, 1.0)),
    }
}

fn doubled((first, longest): (Duration, Duration), tries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(tries.saturating_sub(1).min(20));
    first.saturating_mul(factor).min(longest)
}
