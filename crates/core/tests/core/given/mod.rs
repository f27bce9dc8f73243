//! Builders for connections, specs and claims, so that tests read as sentences.

mod story;

use std::sync::Arc;
use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, Observation, Source};
use directconnect_core::identity::{AccountId, CircuitId, ConnectionId, RegionName, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::{Connection, MacSecKey};
use directconnect_core::settings::Settings;
use directconnect_core::turn::{Claim, Shown};

pub use self::story::{Story, given, given_with};
pub use EncryptionMode::{MustEncrypt as Must, NoEncrypt as No, ShouldEncrypt as Should};

pub const ID: &str = "dxcon-fg1234ab";
pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "111122223333";
/// The resource of a story.
pub const RESOURCE: &str = "net/fra-1";
pub const UID: &str = "uid";

/// The defaults of the command line.
pub const SETTINGS: Settings = Settings {
    poll_interval: Duration::from_mins(1),
    encryption_soak: Duration::from_mins(1),
    settle_window: Duration::from_mins(1),
    progress_deadline: Duration::from_mins(10),
};

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn region(name: &str) -> RegionName {
    RegionName::parse(name).expect("it is a region")
}

pub fn circuit(region_name: &str, id: &str) -> CircuitId {
    CircuitId { region: region(region_name), id: ConnectionId::parse(id).expect("it is a connection id") }
}

/// The resource `namespace/name`.
pub fn resource(path: &str) -> ResourceId {
    let (namespace, name) = path.split_once('/').expect("it has a namespace");
    ResourceId::new(namespace, name)
}

/// The moment this many seconds after the start of the process.
pub fn second(second: u64) -> Moment {
    Moment::after_start(seconds(second))
}

/// A dedicated connection whose port supports MACsec, without a key.
pub fn connection() -> Connection {
    Connection {
        connection_name: Some("fra-1".into()),
        connection_state: Some("available".to_owned().into()),
        encryption_mode: Some(Should.into()),
        port_encryption_status: Some("Encryption Down".to_owned().into()),
        mac_sec_capable: Some(true),
        owner_account: Some(ACCOUNT.into()),
        region: Some(REGION.into()),
        ..Connection::default()
    }
}

/// The same with an associated key, and MACsec up.
pub fn encrypted_connection() -> Connection {
    connection().key("associated").encryption("Encryption Up")
}

pub trait ConnectionExt {
    fn named(self, name: &str) -> Self;
    fn mode(self, mode: &str) -> Self;
    fn without_mode(self) -> Self;
    fn state(self, state: &str) -> Self;
    fn encryption(self, status: &str) -> Self;
    fn key(self, state: &str) -> Self;
    fn without_keys(self) -> Self;
    fn of_account(self, account: &str) -> Self;
    fn in_lag(self, lag: &str) -> Self;
    fn hosted(self, vlan: i32) -> Self;
    fn incapable(self) -> Self;
}

impl ConnectionExt for Connection {
    fn named(self, name: &str) -> Self {
        Self { connection_name: Some(name.into()), ..self }
    }
    fn mode(self, mode: &str) -> Self {
        Self { encryption_mode: Some(mode.to_owned().into()), ..self }
    }
    fn without_mode(self) -> Self {
        Self { encryption_mode: None, ..self }
    }
    fn state(self, state: &str) -> Self {
        Self { connection_state: Some(state.to_owned().into()), ..self }
    }
    fn encryption(self, status: &str) -> Self {
        Self { port_encryption_status: Some(status.to_owned().into()), ..self }
    }
    fn key(mut self, state: &str) -> Self {
        let ckn = format!("{:064x}", self.mac_sec_keys.len());
        self.mac_sec_keys.push(MacSecKey { ckn: Some(ckn), state: Some(state.into()), ..MacSecKey::default() });
        self
    }
    fn without_keys(self) -> Self {
        Self { mac_sec_keys: Vec::new(), ..self }
    }
    fn of_account(self, account: &str) -> Self {
        Self { owner_account: Some(account.into()), ..self }
    }
    fn in_lag(self, lag: &str) -> Self {
        Self { lag_id: Some(lag.into()), ..self }
    }
    fn hosted(self, vlan: i32) -> Self {
        Self { vlan: Some(vlan), ..self }
    }
    fn incapable(self) -> Self {
        Self { mac_sec_capable: Some(false), ..self }
    }
}

/// A spec that manages nothing.
pub fn spec() -> Desired {
    Desired {
        circuit: circuit(REGION, ID),
        name: None,
        mode: None,
        transition: EncryptionTransition::Guarded,
        policy: ManagementPolicy::Manage,
        paused: false,
        generation: 1,
    }
}

pub trait Asks {
    fn name(self, name: &str) -> Self;
    fn to(self, mode: EncryptionMode) -> Self;
    fn immediately(self) -> Self;
    fn observing(self) -> Self;
    fn paused(self) -> Self;
    fn generation(self, generation: i64) -> Self;
}

impl Asks for Desired {
    fn name(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }
    fn to(self, mode: EncryptionMode) -> Self {
        Self { mode: Some(mode), ..self }
    }
    fn immediately(self) -> Self {
        Self { transition: EncryptionTransition::Immediate, ..self }
    }
    fn observing(self) -> Self {
        Self { policy: ManagementPolicy::Observe, ..self }
    }
    fn paused(self) -> Self {
        Self { paused: true, ..self }
    }
    fn generation(self, generation: i64) -> Self {
        Self { generation, ..self }
    }
}

pub fn renames(name: &str) -> Change {
    Change { name: Some(name.into()), mode: None }
}

pub fn sets(mode: EncryptionMode) -> Change {
    Change { name: None, mode: Some(mode) }
}

pub fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "UpdateConnection", "AWS says no")
}

pub fn lost() -> Fault {
    Fault { effect: Effect::Unknown, ..fault(FaultKind::Unavailable) }
}

/// A read by id that began and ended at `at`.
pub fn read_at(at: Moment, connection: Option<Connection>) -> Observation {
    Observation { began: at, ended: at, source: Source::ById, connection: connection.map(Arc::new) }
}

/// The claim of a resource that manages its connection, but no mode.
pub fn claim(path: &str) -> Claim {
    Claim {
        resource: resource(path),
        uid: UID.into(),
        created: 100,
        manages: true,
        is_being_deleted: false,
        wants: None,
        ledger: Ledger::default(),
        version: 1,
        updated_at: None,
        shown: Shown::default(),
        is_reported: false,
    }
}

pub trait Says {
    fn wanting(self, mode: EncryptionMode) -> Self;
    fn observing(self) -> Self;
    fn being_deleted(self) -> Self;
    fn created(self, created: i64) -> Self;
    fn version(self, version: u64) -> Self;
    fn unproven(self, step: EncryptionMode) -> Self;
    fn proven(self) -> Self;
    fn showing(self, mode: EncryptionMode) -> Self;
    fn showing_account(self, account: &str) -> Self;
    fn updated_at(self, at: Moment) -> Self;
}

impl Says for Claim {
    fn wanting(self, mode: EncryptionMode) -> Self {
        Self { wants: Some(mode), ..self }
    }
    fn observing(self) -> Self {
        Self { manages: false, ..self }
    }
    fn being_deleted(self) -> Self {
        Self { is_being_deleted: true, ..self }
    }
    fn created(self, created: i64) -> Self {
        Self { created, ..self }
    }
    fn version(self, version: u64) -> Self {
        Self { version, ..self }
    }
    fn unproven(mut self, step: EncryptionMode) -> Self {
        self.ledger.unproven_step = Some(step);
        self
    }
    fn proven(mut self) -> Self {
        self.ledger.proven = true;
        self
    }
    fn showing(mut self, mode: EncryptionMode) -> Self {
        self.shown.mode = Some(mode);
        self
    }
    fn showing_account(mut self, account: &str) -> Self {
        self.shown.account = Some(AccountId::new(account));
        self
    }
    fn updated_at(self, at: Moment) -> Self {
        Self { updated_at: Some(at), ..self }
    }
}

/// The other circuit of a story.
pub fn twin() -> CircuitId {
    circuit("us-east-1", "dxcon-ffffffff")
}
