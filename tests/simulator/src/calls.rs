//! The call log.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::credentials::CredentialSource;

/// At most this many calls are kept, so that a long demonstration does not use ever more memory.
const KEPT: usize = 100_000;

/// A call, from its arrival on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// When the whole request had arrived.
    pub time: Moment,
    /// When it was answered, cut off or given up by the client; `None` while it is in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<Moment>,
    /// `DescribeConnections` or `UpdateConnection`, or another operation that the client asked for.
    pub operation: String,
    /// The source, for a request for credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_source: Option<CredentialSource>,
    /// From the credential scope; empty if the request had none.
    pub region: String,
    /// From the credential scope; empty if the request had none.
    pub access_key_id: String,
    /// The account of the access key.
    pub account: String,
    /// The body of the request.
    pub parameters: Value,
    /// How it ended, or why it is still waiting.
    pub outcome: Outcome,
    /// Whether it changed a connection, whatever the client was told.
    pub effect: bool,
    /// The `x-amzn-requestid` of the answer.
    pub request_id: String,
    /// The user agent of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A point in time on two clocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// The wall clock, RFC 3339, UTC.
    pub wall: String,
    /// Milliseconds since the simulator started, on a monotonic clock.
    pub millis: f64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum Outcome {
    /// It has not been answered yet.
    Pending,
    /// The correct answer.
    Ok,
    /// The correct answer with another connection state.
    UnknownState,
    /// Half of the correct answer.
    BadJson,
    /// An error.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code, if the answer had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The message of AWS.
        message: String,
    },
    /// The answer is made but held back, or was until the client went away.
    Held,
    /// No answer: the call hangs, or did until the client went away.
    Hang,
    /// No answer: the client went away first.
    ClientGone,
    /// No answer: the connection was reset before the effect.
    ResetBefore,
    /// No answer: the connection was reset after the effect.
    ResetAfter,
}

impl Call {
    /// Whether two calls were in flight at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |call: &Self| call.finished.as_ref().map_or(f64::INFINITY, |moment| moment.millis);
        self.time.millis < end(other) && other.time.millis < end(self)
    }

    /// A string parameter of the request, such as `connectionId`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters[name].as_str()
    }

    /// Whether it got the correct answer.
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

impl Outcome {
    /// The error code in the answer, if any.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Error { code, .. } => code.as_deref(),
            Self::Pending
            | Self::Ok
            | Self::UnknownState
            | Self::BadJson
            | Self::Held
            | Self::Hang
            | Self::ClientGone
            | Self::ResetBefore
            | Self::ResetAfter => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => to.write_str("pending"),
            Self::Ok => to.write_str("ok"),
            Self::UnknownState => to.write_str("ok, with an unknown state"),
            Self::BadJson => to.write_str("half an answer"),
            Self::Error { status, code, message } => {
                write!(to, "{status} {} {message:?}", code.as_deref().unwrap_or("without a code"))
            }
            Self::Held => to.write_str("held back"),
            Self::Hang => to.write_str("hang"),
            Self::ClientGone => to.write_str("client gone"),
            Self::ResetBefore => to.write_str("reset before the effect"),
            Self::ResetAfter => to.write_str("reset after the effect"),
        }
    }
}

impl fmt::Display for Call {
    /// One line for viewers.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: &'_ str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        write!(
            to,
            "{} {} {} {} {} -> {}",
            self.time.wall,
            or_dash(&self.region),
            or_dash(&self.account),
            or_dash(&self.operation),
            self.parameters,
            self.outcome
        )?;
        if self.effect {
            to.write_str(" (changed)")?;
        }
        if let Some(finished) = &self.finished {
            write!(to, " {:.1} ms", finished.millis - self.time.millis)?;
        }
        Ok(())
    }
}

/// The current time on both clocks.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        let wall = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        Moment { wall, millis: self.0.elapsed().as_secs_f64() * 1000.0 }
    }
}

/// Calls by their number.
#[derive(Debug, Default)]
pub(crate) struct Log {
    calls: BTreeMap<u64, Call>,
    next: u64,
}

impl Log {
    pub(crate) fn open(&mut self, call: Call) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, call);
        if self.calls.len() > KEPT {
            self.calls.pop_first();
        }
        number
    }

    /// A call, unless the log has been cleared since.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.get_mut(&number)
    }

    /// The calls to Direct Connect.
    pub(crate) fn direct_connect(&self) -> Vec<Call> {
        self.calls.values().filter(|call| call.credential_source.is_none()).cloned().collect()
    }

    /// The requests for credentials.
    pub(crate) fn credentials(&self) -> Vec<Call> {
        self.calls.values().filter(|call| call.credential_source.is_some()).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
