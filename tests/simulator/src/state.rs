//! The state of the server, behind one lock that is never held across an await.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::calls::{Call, Clock, Log, Outcome};
use crate::connection::DEFAULT_ACCOUNT;
use crate::credentials::{CredentialSource, Issued, Ports};
use crate::faults::{Fault, Faults};
use crate::held::HeldAnswers;
use crate::settings::Settings;
use crate::throttle::Buckets;
use crate::wire::{AwsError, Request};
use crate::world::{Caller, World};

/// Called with each call when it ends.
pub(crate) type Watcher = Arc<dyn Fn(&Call) + Send + Sync>;

/// The connections, the faults and the log.
pub(crate) struct State {
    pub(crate) ports: Ports,
    pub(crate) issued: Issued,
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) buckets: Buckets,
    pub(crate) held: HeldAnswers,
    pub(crate) log: Log,
    pub(crate) watcher: Option<Watcher>,
}

/// The shared state.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Clock,
}

/// The result of a call: the answer, and whether a connection changed.
pub(crate) struct Done {
    pub(crate) answer: Result<Value, AwsError>,
    pub(crate) effect: bool,
}

impl Shared {
    pub(crate) fn new(ports: Ports) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(ports)), clock: Clock::start() })
    }

    /// Locks the state. A closure of a test that panicked may have left a change incomplete, which only affects that
    /// test.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(ports: Ports) -> Self {
        Self {
            ports,
            issued: Issued::default(),
            world: World::default(),
            settings: Settings::default(),
            faults: Faults::default(),
            buckets: Buckets::default(),
            held: HeldAnswers::default(),
            log: Log::default(),
            watcher: None,
        }
    }

    /// The account of an access key.
    pub(crate) fn account_of(&self, access_key_id: &str) -> String {
        let configured = self.settings.access_keys.get(access_key_id).map(String::as_str);
        configured.or_else(|| self.issued.account_of(access_key_id)).unwrap_or(DEFAULT_ACCOUNT).to_owned()
    }

    /// Adds a fault that has been checked.
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.faults.add(fault);
        self.open_and_close_ports();
    }

    /// Clears all faults, and releases what they hold.
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
        self.open_and_close_ports();
    }

    fn open_and_close_ports(&mut self) {
        for source in CredentialSource::ALL {
            let opened = self.ports.set_refusing(source, self.faults.refuse_connections(source));
            opened.expect("a port that was kept can be opened again");
        }
    }

    /// Carries a call out, if the token bucket and the rules allow it.
    pub(crate) fn carry_out(&mut self, call: &Call, request: &Request) -> Done {
        let Call { account, region, .. } = call;
        let now = Instant::now();
        if let Some(throttle) = self.settings.throttle
            && !self.buckets.take(account, region, throttle, now)
        {
            return Done { answer: Err(AwsError::throttled()), effect: false };
        }
        let caller = Caller { account, region, now };
        match request {
            Request::Describe(request) => {
                let page = self.world.page_of(request.next_token.as_deref());
                let mut faults = self.faults.of_read(call, page);
                Done { answer: self.world.describe(caller, &self.settings, request, &mut faults), effect: false }
            }
            Request::Update(sent) => {
                let stored = || self.faults.stored(call, sent);
                match self.world.update(caller, &self.settings, sent, stored) {
                    Ok((answer, effect)) => Done { answer: Ok(answer), effect },
                    Err(error) => Done { answer: Err(error), effect: false },
                }
            }
        }
    }

    /// Replaces the settings, if they are valid. Changed buckets start full.
    pub(crate) fn set(&mut self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        if settings.throttle != self.settings.throttle {
            self.buckets.refill();
        }
        self.settings = settings;
        Ok(())
    }

    /// Resets the state, except for watchers, ports, waiters for held answers, and the numbering of the log: a call in
    /// flight must not end another call's entry.
    pub(crate) fn reset(&mut self) {
        self.clear_faults();
        let Self { ports: _, issued, world, settings, faults: _, buckets, held, log, watcher: _ } = self;
        *issued = Issued::default();
        *world = World::default();
        *settings = Settings::default();
        *buckets = Buckets::default();
        held.release_all();
        log.clear();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The log entry of a call. It is closed when the call ends. If it is dropped before, the client is gone.
#[derive(Debug)]
pub(crate) struct Entry {
    shared: Arc<Shared>,
    number: u64,
    closed: bool,
}

impl Entry {
    pub(crate) fn open(shared: &Arc<Shared>, state: &mut State, call: Call) -> Self {
        Self { shared: Arc::clone(shared), number: state.log.open(call), closed: false }
    }

    /// Records what a call that is not over has done so far.
    pub(crate) fn note(&self, outcome: Outcome, effect: bool) {
        if let Some(call) = self.shared.lock().log.get_mut(self.number) {
            call.outcome = outcome;
            call.effect = effect;
        }
    }

    pub(crate) fn close(mut self, outcome: Outcome, effect: bool) {
        self.note(outcome, effect);
        self.end();
    }

    fn end(&mut self) {
        self.closed = true;
        let finished = self.shared.clock.now();
        let mut state = self.shared.lock();
        let watcher = state.watcher.clone();
        let Some(call) = state.log.get_mut(self.number) else {
            return;
        };
        call.finished = Some(finished);
        if call.outcome == Outcome::Pending {
            call.outcome = Outcome::ClientGone;
        }
        let call = call.clone();
        drop(state);
        if let Some(watcher) = watcher {
            watcher(&call);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.closed {
            self.end();
        }
    }
}
