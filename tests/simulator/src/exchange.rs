//! Makes the answer to a call, or leaves it out: carries the call out, and applies its fault.

use std::future::pending;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::calls::{Call, Outcome};
use crate::faults::{Act, Hold};
use crate::held::HeldAnswer;
use crate::server::Reset;
use crate::state::{Done, Entry, Shared};
use crate::wire::{AwsError, Protocol};

/// A call in flight.
pub(crate) struct Exchange<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) call: Call,
    pub(crate) entry: Entry,
    /// Whether the call can change something.
    pub(crate) changes: bool,
    pub(crate) protocol: Protocol,
}

impl Exchange<'_> {
    /// Carries the call out and answers it, as far as its fault allows.
    pub(crate) async fn run(
        self,
        fault: Option<(Act, Hold)>,
        carry_out: impl Fn(&Call) -> Done,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        let call = self.call.clone();
        let carry_out = || carry_out(&call);
        let Some((act, hold)) = fault else {
            return Ok(self.reply(carry_out(), Outcome::Ok));
        };
        match act {
            Act::Refuse(error) => Ok(self.refuse(&error)),
            Act::Delay(duration) => {
                pause(duration).await;
                Ok(self.reply(carry_out(), Outcome::Ok))
            }
            Act::HoldAnswer(at_most) => {
                let done = carry_out();
                self.hold_answer(&done, at_most, hold).await;
                Ok(self.reply(done, Outcome::Ok))
            }
            Act::ShowState(state) => {
                let mut done = carry_out();
                done.answer = done.answer.map(|answer| with_state(answer, &state));
                Ok(self.reply(done, Outcome::UnknownState))
            }
            Act::HalveAnswer => Ok(self.reply_by_half(carry_out())),
            Act::Hang { effect } => {
                let early = effect.then(carry_out);
                self.entry.note(Outcome::Hang, early.as_ref().is_some_and(|done| done.effect));
                hold.released().await;
                let done = match early {
                    Some(done) => done,
                    None if self.changes => {
                        Done { answer: Err(AwsError::server("The request was not carried out.")), effect: false }
                    }
                    None => carry_out(),
                };
                Ok(self.reply(done, Outcome::Ok))
            }
            Act::ResetAfter => {
                let done = carry_out();
                self.entry.close(Outcome::ResetAfter, done.effect);
                Err(Reset)
            }
            Act::ResetBefore => {
                self.entry.close(Outcome::ResetBefore, false);
                Err(Reset)
            }
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(self, error: &AwsError) -> Response<Full<Bytes>> {
        let AwsError { status, code, message } = error.clone();
        self.entry.close(Outcome::Error { status, code, message }, false);
        let request_id = &self.call.request_id;
        self.protocol.response(error.status, self.protocol.error_body(error, request_id), request_id)
    }

    fn reply(self, done: Done, outcome: Outcome) -> Response<Full<Bytes>> {
        match done.answer {
            Ok(body) => {
                self.entry.close(outcome, done.effect);
                let request_id = &self.call.request_id;
                self.protocol.response(200, self.protocol.body(&body, request_id), request_id)
            }
            Err(error) => self.refuse(&error),
        }
    }

    fn reply_by_half(self, done: Done) -> Response<Full<Bytes>> {
        let request_id = &self.call.request_id;
        let whole = done.answer.map_or_else(|_| "{}".to_owned(), |answer| self.protocol.body(&answer, request_id));
        self.entry.close(Outcome::BadJson, done.effect);
        self.protocol.response(200, whole.chars().take(whole.chars().count() / 2).collect(), request_id)
    }

    /// Waits until the answer that was made may be delivered.
    async fn hold_answer(&self, done: &Done, at_most: Option<Duration>, hold: Hold) {
        self.entry.note(Outcome::Held, done.effect);
        let call = Call { outcome: Outcome::Held, effect: done.effect, ..self.call.clone() };
        let mut answer = HeldAnswer::new(self.shared, call);
        tokio::select! {
            () = answer.released() => {}
            () = hold.released() => {}
            () = end_of(at_most) => {}
        }
    }
}

/// Sets a state in a connection, or in each connection of a list.
fn with_state(mut answer: Value, state: &str) -> Value {
    match answer.get_mut("connections").and_then(Value::as_array_mut) {
        Some(connections) => connections.iter_mut().for_each(|each| each["connectionState"] = json!(state)),
        None => answer["connectionState"] = json!(state),
    }
    answer
}

/// Resolves after this duration, or never.
async fn end_of(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => pending().await,
    }
}

/// Sleeps, but does not even yield for a duration of zero.
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
