//! One call of the AWS API, from its arrival to its answer or the lack of one.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::auth;
use crate::calls::{Call, Outcome};
use crate::faults::Act;
use crate::server::Reset;
use crate::state::{Done, Entry, Shared};
use crate::wire::{self, AwsError, Request};

/// Answers a call, or asks for its connection to be reset.
pub(crate) async fn answer(shared: &Arc<Shared>, head: &Parts, body: &[u8]) -> Result<Response<Full<Bytes>>, Reset> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let target = header("x-amz-target").unwrap_or_default();
    let scope = auth::scope(&head.headers);
    let parameters: Result<Value, _> = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(body) };
    let request_id = uuid::Uuid::new_v4().to_string();

    let mut call = Call {
        time: shared.clock.now(),
        finished: None,
        operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
        region: String::new(),
        access_key_id: String::new(),
        account: String::new(),
        parameters: parameters.as_ref().map_or(Value::Null, Value::clone),
        outcome: Outcome::Pending,
        effect: false,
        request_id: request_id.clone(),
        user_agent: header("user-agent").map(str::to_owned),
    };
    let request = read(head, target, parameters);

    // Arrival, fault and place in the log are one step, so that the n-th call in the log meets the n-th fault.
    let (entry, fault, latency) = {
        let mut state = shared.lock();
        if let Ok(scope) = &scope {
            call.region.clone_from(&scope.region);
            call.access_key_id.clone_from(&scope.access_key_id);
            state.settings.account_of(&scope.access_key_id).clone_into(&mut call.account);
        }
        let page = state.world.page_of(call.parameter("nextToken"));
        let fault = if scope.is_ok() && request.is_ok() { state.faults.take(&call, page) } else { None };
        let entry = Entry::open(shared, &mut state, call.clone());
        (entry, fault, state.settings.latency)
    };
    pause(latency).await;

    let refuse = |entry: Entry, error: &AwsError| {
        let AwsError { status, code, message } = error.clone();
        entry.close(Outcome::Error { status, code, message }, false);
        Ok(error.response(&request_id))
    };
    let reply = |entry: Entry, done: Done, outcome: Outcome| match done.answer {
        Ok(body) => {
            entry.close(outcome, done.effect);
            Ok(wire::response(200, body.to_string(), &request_id))
        }
        Err(error) => refuse(entry, &error),
    };
    let request = match scope.and(request) {
        Ok(request) => request,
        Err(error) => return refuse(entry, &error),
    };
    let carry_out = || shared.lock().carry_out(&call.account, &call.region, &request);

    let Some((act, hold)) = fault else {
        return reply(entry, carry_out(), Outcome::Ok);
    };
    match act {
        Act::Refuse(error) => refuse(entry, &error),
        Act::Delay(duration) => {
            pause(duration).await;
            reply(entry, carry_out(), Outcome::Ok)
        }
        Act::ShowState(state) => {
            let mut done = carry_out();
            done.answer = done.answer.map(|answer| with_state(answer, &state));
            reply(entry, done, Outcome::UnknownState)
        }
        Act::HalveAnswer => {
            let done = carry_out();
            let whole = done.answer.map_or_else(|_| "{}".to_owned(), |answer| answer.to_string());
            entry.close(Outcome::BadJson, done.effect);
            Ok(wire::response(200, whole.chars().take(whole.chars().count() / 2).collect(), &request_id))
        }
        Act::Hang { effect } => {
            let early = effect.then(carry_out);
            entry.note(Outcome::Hang, early.as_ref().is_some_and(|done| done.effect));
            hold.released().await;
            let done = match (early, &request) {
                (Some(done), _) => done,
                (None, Request::Describe(_)) => carry_out(),
                (None, Request::Update(_)) => {
                    Done { answer: Err(AwsError::server("The request was not carried out.")), effect: false }
                }
            };
            reply(entry, done, Outcome::Ok)
        }
        Act::ResetAfter => {
            let done = carry_out();
            entry.close(Outcome::ResetAfter, done.effect);
            Err(Reset)
        }
        Act::ResetBefore => {
            entry.close(Outcome::ResetBefore, false);
            Err(Reset)
        }
    }
}

fn read(head: &Parts, target: &str, parameters: Result<Value, serde_json::Error>) -> Result<Request, AwsError> {
    let content = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    let spoken = head.method == Method::POST && head.uri.path() == "/" && content == Some(wire::CONTENT);
    if !spoken {
        let message = format!("Calls are POST / with content type {} and an X-Amz-Target", wire::CONTENT);
        return Err(AwsError::new(404, "UnknownOperationException", message));
    }
    let parameters = parameters.map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))?;
    Request::parse(target, &parameters)
}

/// Shows a state in a connection, or in each of a list.
fn with_state(mut answer: Value, state: &str) -> Value {
    match answer.get_mut("connections").and_then(Value::as_array_mut) {
        Some(connections) => connections.iter_mut().for_each(|each| each["connectionState"] = json!(state)),
        None => answer["connectionState"] = json!(state),
    }
    answer
}

/// Sleeps, but does not even yield for nothing.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
