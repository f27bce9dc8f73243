//! The world around the operator: AWS with its links, and the API server with its objects.

use std::sync::LazyLock;
use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::history::Change;
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::{Connection, MacSecKey};
use directconnect_core::settings::{FRESH, Settings};
use directconnect_core::turn::{Claim, Shown};

pub use EncryptionMode::{MustEncrypt as Must, NoEncrypt as No, ShouldEncrypt as Should};

/// The longest duration of a call to AWS. Reads from three ticks ago are too old to decide on.
pub const TICK: Duration = Duration::from_secs(12);

/// How long it takes until something else can happen.
pub const MOMENT: Duration = Duration::from_millis(1);

/// A soak takes two ticks, and reads may be late by one tick.
pub const TIMES: Settings = Settings {
    poll_interval: TICK,
    encryption_soak: Duration::from_secs(24),
    settle_window: TICK,
    progress_deadline: Duration::from_secs(36),
};

static REGIONS: LazyLock<Vec<RegionName>> = LazyLock::new(|| {
    ["eu-central-1", "eu-west-1"].iter().map(|name| RegionName::parse(name).expect("a region")).collect()
});
static IDS: LazyLock<Vec<ConnectionId>> =
    LazyLock::new(|| (0..3).map(|at| ConnectionId::parse(&format!("dxcon-0000000{at}")).expect("an id")).collect());
static RESOURCES: LazyLock<Vec<ResourceId>> =
    LazyLock::new(|| ["a", "b", "c"].iter().map(|name| ResourceId::new("net", name)).collect());
static UIDS: LazyLock<Vec<String>> = LazyLock::new(|| (0..=MAX_LIVES).map(|life| life.to_string()).collect());

/// How often an object can be made again.
pub const MAX_LIVES: u16 = 1000;

/// When a story begins.
pub fn began() -> Moment {
    Moment::after_start(Duration::from_hours(2))
}

pub fn region(at: usize) -> RegionName {
    REGIONS[at].clone()
}

pub fn connection_id(at: usize) -> ConnectionId {
    IDS[at].clone()
}

pub fn resource_id(at: usize) -> ResourceId {
    RESOURCES[at].clone()
}

/// The spec of a resource.
#[allow(clippy::struct_excessive_bools, reason = "each can turn by itself")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// `None`: the mode is not managed.
    pub mode: Option<EncryptionMode>,
    pub is_immediate: bool,
    pub observes: bool,
    pub paused: bool,
    /// Whether the spec wants another name than AWS has at first.
    pub renames: bool,
}

impl Spec {
    pub const MUST: Self =
        Self { mode: Some(Must), is_immediate: false, observes: false, paused: false, renames: false };
    pub const AT_ONCE: Self = Self { is_immediate: true, ..Self::MUST };
    pub const SHOULD: Self = Self { mode: Some(Should), ..Self::MUST };
}

/// A resource on the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// The link that the resource is for.
    pub link: usize,
    /// Counts how often the object was made.
    pub life: u16,
    pub created: i64,
    pub spec: Spec,
    pub generation: i64,
    /// Deleted, but kept by a finalizer.
    pub is_being_deleted: bool,
    pub version: u64,
    /// How many reads people have asked for by annotation, and how many of them status shows as served.
    pub requests: u32,
    pub served: u32,
    pub ledger: Ledger,
    pub shown: Shown,
}

impl Object {
    pub fn new(link: usize, created: i64, spec: Spec) -> Self {
        Self {
            link,
            life: 1,
            created,
            spec,
            generation: 1,
            is_being_deleted: false,
            version: 1,
            requests: 0,
            served: 0,
            ledger: Ledger::default(),
            shown: Shown::default(),
        }
    }

    pub fn uid(&self) -> &'static str {
        &UIDS[usize::from(self.life)]
    }

    /// What the operator writes to its status.
    pub fn status(&self) -> (&Ledger, &Shown, u32) {
        (&self.ledger, &self.shown, self.served)
    }

    /// Whether updates may be sent for it.
    pub fn is_managed(&self) -> bool {
        !self.spec.observes && !self.is_being_deleted
    }

    pub fn wants(&self, mode: EncryptionMode) -> bool {
        !self.is_being_deleted && self.spec.mode.is_some_and(|wanted| wanted >= mode)
    }

    /// When its last update was sent, by an exact wall clock.
    pub fn updated_at(&self) -> Option<Moment> {
        let sent: u64 = self.ledger.last_update.as_ref()?.time.parse().ok()?;
        Some(Moment::after_start(Duration::from_millis(sent)))
    }

    pub fn claim(&self, at: usize, circuit: &CircuitId) -> Claim {
        Claim {
            resource: resource_id(at),
            uid: self.uid().into(),
            created: self.created,
            manages: !self.spec.observes,
            is_being_deleted: self.is_being_deleted,
            wants: self.spec.mode,
            ledger: self.ledger.clone().about(circuit, self.generation),
            version: self.version,
            updated_at: self.updated_at(),
            shown: self.shown.clone(),
            is_reported: false,
        }
    }

    pub fn desired(&self, circuit: &CircuitId) -> Desired {
        Desired {
            circuit: circuit.clone(),
            name: self.spec.renames.then(|| "new".to_owned()),
            mode: self.spec.mode,
            transition: if self.spec.is_immediate {
                EncryptionTransition::Immediate
            } else {
                EncryptionTransition::Guarded
            },
            policy: if self.spec.observes { ManagementPolicy::Observe } else { ManagementPolicy::Manage },
            paused: self.spec.paused,
            generation: self.generation,
        }
    }
}

/// A connection in AWS, with its physical link.
#[allow(clippy::struct_excessive_bools, reason = "each can turn by itself, and does")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    pub region: usize,
    /// The owner that AWS shows.
    pub account: Option<&'static str>,
    pub mode: EncryptionMode,
    pub is_renamed: bool,
    /// Since when a key has been associated.
    pub key: Option<Moment>,
    /// Whether the far end's MACsec settings match.
    pub is_up: bool,
    pub has_light: bool,
    pub in_lag: bool,
    /// Whether the key is being associated.
    pub is_associating: bool,
    /// Whether AWS has deleted the connection.
    pub is_deleted: bool,
    /// Whether reads show an unknown mode.
    pub is_strange: bool,
    /// Whether reads lack the mode, the owner, or whether the port is capable of MACsec.
    pub hides_mode: bool,
    pub hides_owner: bool,
    pub hides_capability: bool,
    /// The mode before the last update, and until when reads may show it.
    pub before: Option<(EncryptionMode, Moment)>,
    /// Whether the leader knows of that update, and had read the mode before it.
    pub is_known: bool,
    /// Whether reads currently show the old mode.
    pub is_late: bool,
    /// Which reads find it.
    pub found: Found,
}

/// Which reads find a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    Always,
    /// Listings lack it, and so may reads by id, as long as they may be late after an update.
    IdOnly,
    /// As with the credentials of another account.
    Never,
}

impl Link {
    /// At `no_encrypt`, with a key and a matching far end.
    pub fn clear() -> Self {
        Self {
            region: 0,
            account: Some("111122223333"),
            mode: No,
            is_renamed: false,
            key: Some(began() - TICK * 10),
            is_up: true,
            has_light: true,
            in_lag: false,
            is_associating: false,
            is_deleted: false,
            is_strange: false,
            hides_mode: false,
            hides_owner: false,
            hides_capability: false,
            before: None,
            is_known: false,
            is_late: false,
            found: Found::Always,
        }
    }

    /// At `should_encrypt`.
    pub fn ready() -> Self {
        Self { mode: Should, ..Self::clear() }
    }

    /// At `must_encrypt`.
    pub fn tight() -> Self {
        Self { mode: Must, ..Self::clear() }
    }

    pub fn circuit(&self, at: usize) -> CircuitId {
        CircuitId { region: region(self.region), id: connection_id(at) }
    }

    /// Whether MACsec carries the traffic.
    pub fn works(&self) -> bool {
        self.key.is_some() && !self.is_associating && self.is_up && self.mode != No && !self.is_deleted
    }

    pub fn is_available(&self) -> bool {
        self.has_light && !self.is_deleted && (self.mode != Must || self.works())
    }

    /// What a read shows now, and whether that may be the state before the last update.
    pub fn shown(&self, now: Moment) -> (Connection, bool) {
        let before = self.before.filter(|(_, until)| now <= *until).map(|(old, _)| old);
        let mode = before.filter(|_| self.is_late).unwrap_or(self.mode);
        (self.showing(mode), self.is_known && before == Some(mode))
    }

    pub fn is_found_by_id(&self, now: Moment) -> bool {
        match self.found {
            Found::Always => true,
            Found::IdOnly => self.before.is_none_or(|(_, until)| now > until),
            Found::Never => false,
        }
    }

    pub fn found_turns(&mut self) {
        self.found = match self.found {
            Found::Always => Found::IdOnly,
            Found::IdOnly => Found::Never,
            Found::Never => Found::Always,
        };
    }

    /// The connection that the answer to an update shows.
    pub fn as_it_is(&self) -> Connection {
        self.showing(self.mode)
    }

    fn showing(&self, mode: EncryptionMode) -> Connection {
        let word = |word: &str| Some(word.to_owned());
        let (is_deleted, is_available) = (self.is_deleted, self.is_available());
        let state = if is_deleted {
            "deleted"
        } else if is_available {
            "available"
        } else {
            "down"
        };
        let mode = if self.is_strange { word("quantum_encrypt").map(Into::into) } else { Some(mode.into()) };
        let key_state = if self.is_associating { "associating" } else { "associated" };
        let key = MacSecKey { state: word(key_state), ..MacSecKey::default() };
        Connection {
            connection_name: word(if self.is_renamed { "new" } else { "old" }),
            connection_state: word(state).map(Into::into),
            encryption_mode: mode.filter(|_| !self.hides_mode),
            port_encryption_status: word(if self.works() { "Encryption Up" } else { "Encryption Down" })
                .map(Into::into),
            mac_sec_capable: (!self.hides_capability).then_some(true),
            mac_sec_keys: self.key.map(|_| key).into_iter().collect(),
            owner_account: self.account.filter(|_| !self.hides_owner).map(str::to_owned),
            lag_id: self.in_lag.then(|| "dxlag-1".to_owned()),
            ..Connection::default()
        }
    }

    /// An update takes effect. Reads may show the old mode for a settle window.
    pub fn take(&mut self, change: &Change, now: Moment, settle_window: Duration) {
        self.is_renamed |= change.name.is_some();
        if let Some(mode) = change.mode.filter(|mode| *mode != self.mode) {
            self.before = Some((self.mode, now + settle_window));
            (self.mode, self.is_known, self.is_late) = (mode, true, false);
        }
        self.keep_up();
    }

    /// AWS lowers the mode when the last key is removed.
    pub fn keep_up(&mut self) {
        if self.key.is_none() && self.mode == Must {
            self.mode = Should;
        }
    }

    /// Whether this mode can interrupt the link in its current state. A key younger than the oldest usable read does
    /// not count.
    pub fn is_interrupted_by(&self, mode: EncryptionMode, now: Moment) -> bool {
        match mode {
            No => false,
            Should => self.mode == No && self.key.is_some_and(|since| now.since(since) > FRESH),
            Must => self.mode != Must,
        }
    }
}
