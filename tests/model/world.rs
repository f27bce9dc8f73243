//! What surrounds the operator: AWS, people, another writer, and time.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::decide::Settings;
use directconnect_core::desired::{ConnectionKey, Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::history::History;
use directconnect_core::observed::{Connection, MacSecKey};
use directconnect_core::turn::Turns;

use super::operator::Mutant;

pub use EncryptionMode::{MustEncrypt as Must, NoEncrypt as No, ShouldEncrypt as Should};

const TICK: Duration = Duration::from_secs(30);
/// Ticks in which a calm world has to meet every wish: as long as the longest wait of a dispute that a bounded number of
/// moves can raise, and a soak for each line after it.
const CALM_TICKS: u8 = 30;

/// Two ticks for what lasts, less what the calls take.
pub const SET: Settings = Settings {
    poll_interval: TICK,
    encryption_soak: Duration::from_secs(59),
    settle_window: Duration::from_secs(59),
    progress_deadline: Duration::from_secs(89),
};

/// What a resource asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// `None`: the mode is not managed.
    pub mode: Option<EncryptionMode>,
    pub transition: EncryptionTransition,
    pub policy: ManagementPolicy,
    pub paused: bool,
    pub deleted: bool,
}

impl Wish {
    pub const MUST: Self = Self {
        mode: Some(Must),
        transition: EncryptionTransition::Guarded,
        policy: ManagementPolicy::Manage,
        paused: false,
        deleted: false,
    };
    pub const AT_ONCE: Self = Self { transition: EncryptionTransition::Immediate, ..Self::MUST };
    pub const SHOULD: Self = Self { mode: Some(Should), ..Self::MUST };
    pub const CLEAR: Self = Self { mode: Some(No), ..Self::MUST };
    pub const UNMANAGED: Self = Self { mode: None, ..Self::MUST };
    const PAUSED: Self = Self { paused: true, ..Self::MUST };
    const OBSERVED: Self = Self { policy: ManagementPolicy::Observe, ..Self::MUST };
    const DELETED: Self = Self { deleted: true, ..Self::MUST };
    const ALL: [Self; 8] = [
        Self::CLEAR,
        Self::SHOULD,
        Self::MUST,
        Self::AT_ONCE,
        Self::UNMANAGED,
        Self::PAUSED,
        Self::OBSERVED,
        Self::DELETED,
    ];

    /// Whether the operator may act on it.
    pub fn is_managed(self) -> bool {
        self.policy == ManagementPolicy::Manage && !self.deleted
    }

    pub fn wants_must(self) -> bool {
        self.mode == Some(Must)
    }
}

/// What becomes of the next update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It takes effect and is answered.
    Done,
    /// The same, but reads show the old value for most of the settle window.
    DoneButReadsLag,
    /// The answer is lost, and it took effect or did not.
    Lost {
        took: bool,
    },
    /// AWS answers with a server failure, and it took effect or did not.
    Failed {
        took: bool,
    },
    Throttled,
    /// The operator dies after sending.
    Crash {
        took: bool,
    },
}

/// `status.lastUpdate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastUpdate {
    pub mode: EncryptionMode,
    pub generation: i64,
    pub at: Moment,
}

/// What a witness outside the operator remembers of a line, to judge it by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness {
    /// Since which look since the last update that reached AWS every look has seen MACsec work.
    pub works_since: Option<Moment>,
    pub last_look: Option<Moment>,
    /// It was read by id since the last update was sent.
    pub was_read: bool,
    /// `must_encrypt` went out, may be in effect, is wanted, and has not been followed by a soak.
    pub is_on_its_way: bool,
    /// Newest generation that `must_encrypt` went out for, or was seen in AWS for.
    pub had_must: i64,
    /// AWS was seen to have `must_encrypt` since it has been wanted without a break.
    pub was_met: bool,
}

/// One connection, its resource, and what the operator remembers of it.
#[allow(clippy::struct_excessive_bools, reason = "each can turn by itself, and does")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    // In AWS.
    pub mode: EncryptionMode,
    pub has_key: bool,
    pub is_up: bool,
    pub has_light: bool,
    pub in_lag: bool,
    /// Reads show a mode that nobody knows.
    pub is_strange: bool,
    /// What reads show instead of the mode, and until when.
    pub lag: Option<(EncryptionMode, Moment)>,
    pub fate: Fate,
    // In the cluster.
    pub wish: Wish,
    /// An older resource claims the connection, and does nothing with it.
    pub has_elder: bool,
    pub generation: i64,
    pub met_generation: Option<i64>,
    pub must_generation: Option<i64>,
    pub last_update: Option<LastUpdate>,
    // In the operator.
    pub history: History,
    pub wake_at: Option<Moment>,
    pub witness: Witness,
}

impl Line {
    /// A capable line as it is: clear text, no key.
    pub fn clear() -> Self {
        Self {
            mode: No,
            has_key: false,
            is_up: false,
            has_light: true,
            in_lag: false,
            is_strange: false,
            lag: None,
            fate: Fate::Done,
            wish: Wish::SHOULD,
            has_elder: false,
            generation: 1,
            met_generation: None,
            must_generation: None,
            last_update: None,
            history: History::default(),
            wake_at: None,
            witness: Witness::default(),
        }
    }

    /// As AWS delivers it.
    pub fn keyless() -> Self {
        Self { mode: Should, ..Self::clear() }
    }

    /// With a key, and MACsec up.
    pub fn ready() -> Self {
        Self { has_key: true, is_up: true, ..Self::keyless() }
    }

    /// Encrypted or nothing.
    pub fn tight() -> Self {
        Self { mode: Must, ..Self::ready() }
    }

    pub fn wanted(self, wish: Wish) -> Self {
        Self { wish, ..self }
    }

    /// MACsec carries traffic: there is a key, it is in use, and the far end agrees.
    pub fn works(&self) -> bool {
        self.has_key && self.is_up && self.mode != No
    }

    pub fn is_available(&self) -> bool {
        self.has_light && (self.mode != Must || self.works())
    }

    /// Whether this resource is the one that may change the connection.
    pub fn acts(&self) -> bool {
        self.wish.is_managed() && !self.has_elder
    }

    /// What a read shows.
    pub fn shown(&self, now: Moment) -> Connection {
        let mode = self.lag.filter(|(_, until)| now < *until).map_or(self.mode, |(old, _)| old);
        let key = MacSecKey { state: Some("associated".into()), ..MacSecKey::default() };
        let word = |word: &str| Some(word.to_owned());
        Connection {
            connection_state: word(if self.is_available() { "available" } else { "down" }).map(Into::into),
            encryption_mode: if self.is_strange { word("quantum_encrypt").map(Into::into) } else { Some(mode.into()) },
            port_encryption_status: word(if self.works() { "Encryption Up" } else { "Encryption Down" })
                .map(Into::into),
            mac_sec_capable: Some(true),
            mac_sec_keys: self.has_key.then_some(key).into_iter().collect(),
            lag_id: self.in_lag.then(|| "dxlag-1".to_owned()),
            ..Connection::default()
        }
    }

    pub fn desired(&self, at: usize) -> Desired {
        Desired {
            key: key(at),
            name: None,
            mode: self.wish.mode,
            transition: self.wish.transition,
            policy: self.wish.policy,
            paused: self.wish.paused,
            generation: self.generation,
        }
    }

    /// AWS lowers the mode when the last key goes.
    fn keep_up(&mut self) {
        if !self.has_key && self.mode == Must {
            self.set(Should);
            self.witness.is_on_its_way = false;
        }
    }

    /// A mode takes effect in AWS, or another writer sets it.
    pub fn set(&mut self, mode: EncryptionMode) {
        self.mode = mode;
        self.lag = None;
    }
}

/// When the story begins: long enough after the start of the process that nothing is confused with it.
fn began() -> Moment {
    Moment::after_start(Duration::from_hours(2))
}

pub fn key(at: usize) -> ConnectionKey {
    ConnectionKey { region: "eu-central-1".into(), id: format!("dxcon-0000000{at}") }
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// 30 s pass, and the account is polled.
    Tick,
    /// AWS or the far end.
    KeyTurns(usize),
    SessionTurns(usize),
    LightTurns(usize),
    JoinsLag(usize),
    ModeTurnsStrange(usize),
    /// Another writer.
    SomeoneSets(usize, EncryptionMode),
    /// People.
    Wishes(usize, Wish),
    ElderTurns(usize),
    /// Misfortune.
    Meets(usize, Fate),
    Crash,
}

/// What can happen besides the passing of time.
pub fn moves(state: &State, moves: &mut Vec<Move>) {
    moves.push(Move::Crash);
    for (at, line) in state.lines.iter().enumerate() {
        moves.extend([Move::KeyTurns(at), Move::SessionTurns(at), Move::LightTurns(at), Move::ModeTurnsStrange(at)]);
        if !line.in_lag {
            moves.push(Move::JoinsLag(at));
        }
        let others = [No, Should, Must].into_iter().filter(|mode| *mode != line.mode);
        moves.extend(others.map(|mode| Move::SomeoneSets(at, mode)));
        if !line.wish.deleted {
            moves.push(Move::ElderTurns(at));
            let others = Wish::ALL.into_iter().filter(|wish| *wish != line.wish);
            moves.extend(others.map(|wish| Move::Wishes(at, wish)));
        }
        if line.fate == Fate::Done {
            let either = [false, true];
            moves.extend([Fate::DoneButReadsLag, Fate::Throttled].map(|fate| Move::Meets(at, fate)));
            moves.extend(either.map(|took| Move::Meets(at, Fate::Lost { took })));
            moves.extend(either.map(|took| Move::Meets(at, Fate::Failed { took })));
            moves.extend(either.map(|took| Move::Meets(at, Fate::Crash { took })));
        }
    }
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub lines: Vec<Line>,
    pub turns: Turns,
    pub ticks: u8,
    pub moves: u8,
    pub now: Moment,
    /// What the operator did that it must never do.
    pub violation: Option<&'static str>,
}

impl State {
    pub fn begin(lines: Vec<Line>, mutant: Mutant) -> Self {
        let mut state = Self { lines, turns: Turns::default(), ticks: 0, moves: 0, now: began(), violation: None };
        state.poll(mutant);
        state
    }

    pub fn happens(&mut self, what: Move, mutant: Mutant) {
        if what != Move::Tick {
            self.moves += 1;
        }
        match what {
            Move::Tick => self.tick(mutant),
            Move::KeyTurns(at) => {
                let line = &mut self.lines[at];
                line.has_key = !line.has_key;
                line.keep_up();
            }
            Move::ModeTurnsStrange(at) => self.lines[at].is_strange ^= true,
            Move::SessionTurns(at) => self.lines[at].is_up ^= true,
            Move::LightTurns(at) => self.lines[at].has_light ^= true,
            Move::JoinsLag(at) => {
                let line = &mut self.lines[at];
                (line.in_lag, line.has_key) = (true, false);
                line.keep_up();
            }
            Move::SomeoneSets(at, mode) => {
                self.lines[at].set(mode);
                self.lines[at].witness.is_on_its_way = false;
            }
            Move::Wishes(at, wish) => {
                let line = &mut self.lines[at];
                // An annotation is not part of the spec.
                line.generation += i64::from(Wish { paused: false, ..wish } != Wish { paused: false, ..line.wish });
                line.wish = wish;
                line.witness.is_on_its_way &= wish.wants_must() && line.acts();
                line.witness.was_met &= wish.wants_must();
                if wish.deleted {
                    self.delete(at, mutant);
                } else {
                    self.pass(at, mutant);
                }
            }
            Move::ElderTurns(at) => {
                let line = &mut self.lines[at];
                line.has_elder = !line.has_elder;
                line.witness.is_on_its_way &= line.acts();
                if line.has_elder {
                    line.history.wished("elder", 1, self.now);
                }
                self.pass(at, mutant);
            }
            Move::Meets(at, fate) => self.lines[at].fate = fate,
            Move::Crash => self.crash(mutant),
        }
    }

    /// A call to AWS takes a moment.
    pub fn call(&mut self) {
        self.now = self.now + Duration::from_millis(1);
    }

    fn tick(&mut self, mutant: Mutant) {
        self.ticks += 1;
        self.now = began() + TICK * u32::from(self.ticks);
        self.poll(mutant);
    }

    /// The world does its best, and time goes by. What comes of it, if that is not that every wish that can be met is
    /// met.
    pub fn unmet_once_calm(&self) -> Option<Self> {
        let mut calm = self.clone();
        for line in &mut calm.lines {
            (line.has_key, line.is_up, line.has_light) = (true, true, true);
            (line.is_strange, line.fate) = (false, Fate::Done);
        }
        let is_met = |line: &Line| {
            line.in_lag || line.wish.paused || !line.acts() || line.wish.mode.is_none_or(|wanted| line.mode == wanted)
        };
        for _ in 0..CALM_TICKS {
            calm.tick(Mutant::None);
            if calm.violation.is_some() {
                break;
            }
            // Met, and the operator knows it.
            if calm.lines.iter().all(|line| is_met(line) && calm.now.since(self.now) > SET.settle_window) {
                return None;
            }
        }
        Some(calm)
    }
}
