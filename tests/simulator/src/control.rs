//! The control API under `/_sim/`: it does for other processes what [`crate::Simulator`] does within one.

use std::sync::Arc;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::faults::Fault;
use crate::link::Link;
use crate::seed::{Seed, merged, ordinary_but};
use crate::settings::Settings;
use crate::state::{Shared, State};

/// The answer to `GET /_sim`.
const ROUTES: [&str; 24] = [
    "GET    /_sim                                    this list",
    "POST   /_sim/seed                               settings, connections by region and faults, added to what is",
    "POST   /_sim/reset                              forget connections, settings, faults and calls",
    "GET    /_sim/connections                        all connections by region, as they truly are",
    "GET    /_sim/connections/REGION                 those of a region",
    "POST   /_sim/connections/REGION                 add an ordinary connection with these differences",
    "GET    /_sim/connections/REGION/ID              one connection",
    "PUT    /_sim/connections/REGION/ID              add or replace it with exactly these fields",
    "PATCH  /_sim/connections/REGION/ID              change fields as AWS or someone else does; null removes one",
    "DELETE /_sim/connections/REGION/ID              make as if it had never been",
    "POST   /_sim/connections/REGION/ID/keys         associate the MACsec key {\"ckn\": ...}",
    "DELETE /_sim/connections/REGION/ID/keys/CKN     disassociate it",
    "GET    /_sim/settings                           delays, late reads, throttling, page size, access keys",
    "PATCH  /_sim/settings                           change some of them; null restores a default",
    "GET    /_sim/faults                             faults in force and spent",
    "POST   /_sim/faults                             add one",
    "DELETE /_sim/faults                             clear all; calls that hang go on, held answers are released",
    "GET    /_sim/held                               calls whose answers are held back",
    "DELETE /_sim/held                               release all of them",
    "DELETE /_sim/held/REQUEST-ID                    release one of them",
    "GET    /_sim/credential-sources                 where STS and the container's endpoint are",
    "GET    /_sim/credential-calls                   every call for credentials, in order of arrival",
    "GET    /_sim/calls                              every call of Direct Connect in order of arrival, those in flight too",
    "DELETE /_sim/calls                              forget both",
];

/// The result of a request: a status and a body, or what is wrong with the request.
type Answer = Result<(u16, Value), (u16, String)>;

/// Answers a control request.
pub(crate) fn answer(shared: &Arc<Shared>, head: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
    let path = head.uri.path().strip_prefix("/_sim").unwrap_or_default();
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (status, body) = route(&mut shared.lock(), &head.method, &path, body)
        .unwrap_or_else(|(status, problem)| (status, json!({"error": problem})));
    let text = serde_json::to_string_pretty(&body).unwrap_or_default() + "\n";
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(text)))
        .expect("a status of this file and a plain header make a response")
}

fn route(state: &mut State, method: &Method, path: &[&str], body: &[u8]) -> Answer {
    match (method.as_str(), path) {
        ("GET", []) => ok(json!({"routes": ROUTES})),
        ("POST", ["seed"]) => {
            Seed::parse(body).and_then(|seed| seed.plant(state)).map_err(bad)?;
            connections(state, None)
        }
        ("POST", ["reset"]) => {
            state.reset();
            ok(json!({}))
        }
        ("GET", ["connections"]) => connections(state, None),
        ("GET", ["connections", region]) => connections(state, Some(region)),
        ("POST", ["connections", region]) => {
            let connection = ordinary_but(&json_of(body)?).map_err(bad)?;
            add(state, region, connection)
        }
        ("PUT", ["connections", region, id]) => put(state, region, id, body),
        ("GET", ["connections", region, id]) => show(state, region, id),
        ("PATCH", ["connections", region, id]) => patch(state, region, id, &json_of(body)?),
        ("DELETE", ["connections", region, id]) => {
            if state.world.remove(region, id) {
                ok(json!({}))
            } else {
                show(state, region, id)
            }
        }
        ("POST", ["connections", region, id, "keys"]) => {
            let body = json_of(body)?;
            let ckn = body["ckn"].as_str().filter(|ckn| !ckn.is_empty());
            let ckn = ckn.ok_or_else(|| bad("the body must be {\"ckn\": \"the connection key name\"}"))?;
            key(state, region, id, |link, now, settings| link.associate(ckn, now, settings))
        }
        ("DELETE", ["connections", region, id, "keys", ckn]) => {
            key(state, region, id, |link, now, settings| link.disassociate(ckn, now, settings))
        }
        ("GET", ["settings"]) => ok(json!(state.settings)),
        ("PATCH", ["settings"]) => {
            let settings = merged(&json!(state.settings), &json_of(body)?).map_err(bad)?;
            state.set(settings).map_err(bad)?;
            ok(json!(state.settings))
        }
        ("GET", ["faults"]) => ok(json!({"faults": state.faults.list()})),
        ("POST", ["faults"]) => {
            let fault: Fault = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
            fault.check().map_err(bad)?;
            state.inject(fault);
            Ok((201, json!({"faults": state.faults.list()})))
        }
        ("DELETE", ["faults"]) => {
            state.clear_faults();
            ok(json!({"faults": []}))
        }
        ("GET", ["held"]) => ok(json!({"held": state.held.calls()})),
        ("DELETE", ["held"]) => {
            state.held.release_all();
            ok(json!({"held": []}))
        }
        ("DELETE", ["held", request_id]) => {
            state.held.release(request_id).map_err(|problem| (404, problem))?;
            ok(json!({"held": state.held.calls()}))
        }
        ("GET", ["credential-sources"]) => {
            ok(json!({"sts": state.ports.sts_endpoint(), "container": state.ports.container_uri()}))
        }
        ("GET", ["credential-calls"]) => ok(json!({"calls": state.log.credentials()})),
        ("GET", ["calls"]) => ok(json!({"calls": state.log.direct_connect()})),
        ("DELETE", ["calls"]) => {
            state.log.clear();
            ok(json!({"calls": []}))
        }
        _ => Err((404, format!("there is no {method} /_sim/{}; GET /_sim lists what there is", path.join("/")))),
    }
}

fn connections(state: &mut State, region: Option<&str>) -> Answer {
    let mut all = state.world.all(Instant::now(), &state.settings);
    match region {
        None => ok(json!({"connections": all})),
        Some(region) => ok(json!({"connections": all.remove(region).unwrap_or_default()})),
    }
}

fn show(state: &mut State, region: &str, id: &str) -> Answer {
    let link = state.world.link(region, id, Instant::now(), &state.settings).map_err(|problem| (404, problem))?;
    ok(json!(link.connection))
}

fn add(state: &mut State, region: &str, connection: Connection) -> Answer {
    let id = connection.connection_id.clone();
    state.world.add(region, connection).map_err(bad)?;
    show(state, region, &id).map(|(_, connection)| (201, connection))
}

fn put(state: &mut State, region: &str, id: &str, body: &[u8]) -> Answer {
    let mut connection: Connection = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    if connection.connection_id.is_empty() {
        id.clone_into(&mut connection.connection_id);
    }
    same_id(&connection, id)?;
    add(state, region, connection)
}

fn patch(state: &mut State, region: &str, id: &str, patch: &Value) -> Answer {
    let now = Instant::now();
    let link = state.world.link(region, id, now, &state.settings).map_err(|problem| (404, problem))?;
    let changed: Connection = merged(&json!(link.connection), patch).map_err(bad)?;
    same_id(&changed, id)?;
    link.change(now, &state.settings, |connection| *connection = changed);
    ok(json!(link.connection))
}

fn key(
    state: &mut State,
    region: &str,
    id: &str,
    act: impl FnOnce(&mut Link, Instant, &Settings) -> Result<(), String>,
) -> Answer {
    let now = Instant::now();
    let link = state.world.link(region, id, now, &state.settings).map_err(|problem| (404, problem))?;
    act(link, now, &state.settings).map_err(bad)?;
    ok(json!(link.connection))
}

fn same_id(connection: &Connection, id: &str) -> Result<(), (u16, String)> {
    let own = &connection.connection_id;
    if own == id { Ok(()) } else { Err(bad(format!("connectionId is {own:?}, but must be {id:?} as in the path"))) }
}

fn json_of(body: &[u8]) -> Result<Value, (u16, String)> {
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))
}

#[allow(clippy::unnecessary_wraps, reason = "it is the last word of most routes, which are all answers")]
fn ok(body: Value) -> Answer {
    Ok((200, body))
}

fn bad(problem: impl Into<String>) -> (u16, String) {
    (400, problem.into())
}
