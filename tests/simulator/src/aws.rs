//! The entry of the AWS API: determines the caller and the operation, adds the call to the log, and chooses the fault
//! that hits it.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::auth;
use crate::calls::{Call, Outcome};
use crate::exchange::{Exchange, pause};
use crate::server::Reset;
use crate::state::{Entry, Shared};
use crate::wire::{self, AwsError, Protocol, Request};

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
        credential_source: None,
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

    // Arrival, fault and log entry are one step, so that the n-th call in the log gets the n-th fault.
    let (entry, fault, scope, latency) = {
        let mut state = shared.lock();
        let scope = scope.and_then(|scope| {
            call.account = state.account_of(&scope.access_key_id);
            call.region = scope.region;
            call.access_key_id = scope.access_key_id;
            state.issued.check(&call.access_key_id, header("x-amz-security-token"))
        });
        let page = state.world.page_of(call.parameter("nextToken"));
        let fault = if scope.is_ok() && request.is_ok() { state.faults.take(&call, page) } else { None };
        let entry = Entry::open(shared, &mut state, call.clone());
        (entry, fault, scope, state.settings.latency)
    };
    pause(latency).await;

    let changes = matches!(request, Ok(Request::Update(_)));
    let exchange = Exchange { shared, call, entry, changes, protocol: Protocol::Json };
    let request = match scope.and(request) {
        Ok(request) => request,
        Err(error) => return Ok(exchange.refuse(&error)),
    };
    exchange.run(fault, |call| shared.lock().carry_out(call, &request)).await
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
