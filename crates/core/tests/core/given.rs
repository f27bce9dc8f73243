//! Connections, wishes and the story of one resource, in words that read as sentences.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::Reason;
use directconnect_core::decide::{Circumstances, Plan, Settings, Step, decide};
use directconnect_core::desired::{ConnectionKey, Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History, Look};
use directconnect_core::observed::{Connection, MacSecKey};

pub use EncryptionMode::{MustEncrypt as Must, NoEncrypt as No, ShouldEncrypt as Should};

pub const ID: &str = "dxcon-fg1234ab";
pub const REGION: &str = "eu-central-1";

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

/// That many seconds after the start of the process.
pub fn second(second: u64) -> Moment {
    Moment::after_start(seconds(second))
}

/// A dedicated, MACsec-capable line without a key, as AWS delivers it.
pub fn line() -> Connection {
    Connection {
        connection_name: Some("fra-1".into()),
        connection_state: Some("available".to_owned().into()),
        encryption_mode: Some(Should.into()),
        port_encryption_status: Some("Encryption Down".to_owned().into()),
        mac_sec_capable: Some(true),
        owner_account: Some("111122223333".into()),
        region: Some(REGION.into()),
        ..Connection::default()
    }
}

/// The same with a key, and MACsec up.
pub fn encrypted_line() -> Connection {
    line().key("associated").encryption("Encryption Up")
}

pub trait Line {
    fn named(self, name: &str) -> Self;
    fn mode(self, mode: &str) -> Self;
    fn without_mode(self) -> Self;
    fn state(self, state: &str) -> Self;
    fn encryption(self, status: &str) -> Self;
    fn key(self, state: &str) -> Self;
    fn without_keys(self) -> Self;
    fn in_lag(self, lag: &str) -> Self;
    fn hosted(self, vlan: i32) -> Self;
    fn incapable(self) -> Self;
}

impl Line for Connection {
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

/// A resource that asks for nothing yet.
pub fn wish() -> Desired {
    Desired {
        key: ConnectionKey { region: REGION.into(), id: ID.into() },
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

pub fn fault(class: FaultKind) -> Fault {
    Fault::new(class, "UpdateConnection", "AWS says no")
}

pub fn lost() -> Fault {
    Fault { effect: Effect::Unknown, ..fault(FaultKind::Unavailable) }
}

/// One resource over time.
pub struct Story {
    pub wish: Desired,
    pub history: History,
    pub now: Moment,
    pub settings: Settings,
    pub poll_fault: Option<Fault>,
    pub elder: Option<&'static str>,
    pub other: Option<&'static str>,
    pub asked_at: Option<Moment>,
    pub met_generation: Option<i64>,
    pub mode_sent: Option<(EncryptionMode, i64)>,
}

/// A story that begins a while after the process did.
pub fn given(wish: Desired) -> Story {
    let mut story = Story {
        wish,
        history: History::default(),
        now: second(10_000),
        settings: SETTINGS,
        poll_fault: None,
        elder: None,
        other: None,
        asked_at: None,
        met_generation: None,
        mode_sent: None,
    };
    story.history.wished("uid", story.wish.generation, story.now);
    story
}

impl Story {
    pub fn wishes(mut self, wish: Desired) -> Self {
        self.history.wished("uid", wish.generation, self.now);
        self.wish = wish;
        self
    }

    pub fn after(mut self, passed: u64) -> Self {
        self.now = self.now + seconds(passed);
        self
    }

    /// A read by id, right now.
    pub fn sees(mut self, connection: Connection) -> Self {
        self.look(true, Some(connection));
        self
    }

    /// A poll, right now.
    pub fn polls(mut self, connection: Connection) -> Self {
        self.look(false, Some(connection));
        self
    }

    /// A read by id finds no such connection.
    pub fn misses(mut self) -> Self {
        self.look(true, None);
        self
    }

    fn look(&mut self, by_id: bool, connection: Option<Connection>) {
        let look = Look { began: self.now, ended: self.now, by_id, connection };
        assert!(self.history.saw(look, self.settings.settle_window), "a look at {:?} is late", self.now);
    }

    /// MACsec is seen working for a whole soak, every 15 s.
    pub fn soaks(mut self, connection: &Connection) -> Self {
        for _ in 0..4 {
            self = self.sees(connection.clone()).after(15);
        }
        self.sees(connection.clone())
    }

    pub fn gets_answer(mut self, change: Change, answer: &Connection) -> Self {
        self.mode_sent = change.mode.map(|mode| (mode, self.wish.generation));
        self.history.answered(change, answer, self.now);
        self
    }

    pub fn gets_refusal(mut self, change: Change, fault: Fault) -> Self {
        self.history.refused(change, fault, self.now, self.settings.poll_interval, 1.0);
        self
    }

    pub fn read_fails(mut self, fault: Fault) -> Self {
        self.history.read_failed(fault, self.now, self.settings.poll_interval, 1.0);
        self
    }

    pub fn polls_fail(mut self, class: FaultKind) -> Self {
        self.poll_fault = Some(Fault::new(class, "DescribeConnections", "AWS says no"));
        self
    }

    pub fn polls_work(mut self) -> Self {
        self.poll_fault = None;
        self
    }

    pub fn was_met(mut self, generation: i64) -> Self {
        self.met_generation = Some(generation);
        self
    }

    pub fn has_elder(mut self, elder: &'static str) -> Self {
        self.elder = Some(elder);
        self
    }

    pub fn waits_for(mut self, other: &'static str) -> Self {
        self.other = Some(other);
        self
    }

    pub fn around(&self) -> Circumstances<'_> {
        Circumstances {
            poll_fault: self.poll_fault.as_ref(),
            elder: self.elder,
            other: self.other,
            asked_at: self.asked_at,
            met_generation: self.met_generation,
            mode_sent: self.mode_sent,
        }
    }

    pub fn plan(&self) -> Plan {
        decide(&self.wish, &self.history, &self.around(), &self.settings, self.now)
    }

    #[track_caller]
    pub fn sends(self, change: &Change) -> Self {
        assert_eq!(self.plan().step, Step::Update(change.clone()), "{:#?}", self.plan());
        self
    }

    #[track_caller]
    pub fn reads(self) -> Self {
        assert_eq!(self.plan().step, Step::Read, "{:#?}", self.plan());
        self
    }

    /// Nothing is done, for this reason.
    #[track_caller]
    pub fn rests(self, reason: Reason) -> Self {
        let plan = self.plan();
        assert_eq!(plan.step, Step::Rest, "{plan:#?}");
        assert_eq!(plan.verdict.as_ref().map(|verdict| verdict.reason), Some(reason), "{plan:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let message = self.plan().verdict.expect("there is a verdict").message;
        assert!(message.contains(words), "{message}");
        self
    }

    /// It is decided again that many seconds from now.
    #[track_caller]
    pub fn looks_again_in(self, left: u64) -> Self {
        assert_eq!(self.plan().look_again.map(|at| at.since(self.now).as_secs()), Some(left), "{:#?}", self.plan());
        self
    }
}
