//! The faults that were injected, and which of them hit a call, or what it reads.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Fault;
use super::kind::{Act, FaultKind, Stored};
use crate::calls::Call;
use crate::credentials::CredentialSource;
use crate::link::Line;
use crate::wire::Update;

/// The faults in force and those spent.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Injected>);

#[derive(Debug)]
struct Injected {
    fault: Fault,
    hold: watch::Sender<()>,
    /// Whether the next call that matches is one that is let be, as every other one is.
    skips: bool,
}

/// Told when a fault that holds a call is cleared.
#[derive(Debug)]
pub(crate) struct Hold(watch::Receiver<()>);

/// What the answer to an update shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerShows {
    /// The connection as it is.
    Stored,
    /// The name and the mode as they were sent.
    Sent,
}

/// The faults that may alter what one read shows. One that does has one of its times used up, however many connections
/// it alters; one that finds nothing to alter keeps them.
#[derive(Debug)]
pub(crate) struct ReadFaults<'a>(Vec<ReadFault<'a>>);

#[derive(Debug)]
struct ReadFault<'a> {
    injected: &'a mut Injected,
    /// Whether it hits this read, once it has found something to alter.
    struck: Option<bool>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(Injected { fault, hold: watch::Sender::new(()), skips: false });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<&Fault> {
        self.0.iter().map(|injected| &injected.fault).collect()
    }

    /// The fault that hits a call as a whole, which uses up one of its times. `page` is the page that the call asks for,
    /// if it asks for one. A spent fault stays, so that clearing it still lets go of what it holds.
    pub(crate) fn take(&mut self, call: &Call, page: u32) -> Option<(Act, Hold)> {
        self.0.iter_mut().find_map(|injected| {
            let act = injected.fault.what.act(call).filter(|_| injected.fault.hits(call, page))?;
            injected.strike().then(|| (act, Hold(injected.hold.subscribe())))
        })
    }

    /// Whether a credential source refuses connections.
    pub(crate) fn refuse_connections(&self, source: CredentialSource) -> bool {
        self.0.iter().any(|Injected { fault, .. }| {
            fault.what == FaultKind::ConnectionRefused && fault.operation.as_deref() == Some(source.operation())
        })
    }

    /// What is stored of an update that is accepted, and whether its answer shows it. A fault that changes nothing about
    /// that is not used up.
    pub(crate) fn stored(&mut self, call: &Call, sent: &Update) -> (Update, AnswerShows) {
        for injected in &mut self.0 {
            if let FaultKind::StoredOtherwise { connection_name, encryption_mode, answers_as_sent } =
                &injected.fault.what
                && injected.fault.hits(call, 1)
            {
                let of = |stored: &Stored, sent: &Option<String>| sent.as_deref().and_then(|sent| stored.of(sent));
                let stored = Update {
                    connection_id: sent.connection_id.clone(),
                    connection_name: of(connection_name, &sent.connection_name),
                    encryption_mode: of(encryption_mode, &sent.encryption_mode),
                };
                let shows = if *answers_as_sent { AnswerShows::Sent } else { AnswerShows::Stored };
                if stored != *sent && injected.strike() {
                    return (stored, shows);
                }
            }
        }
        (sent.clone(), AnswerShows::Stored)
    }

    /// The faults that may alter what a read shows.
    pub(crate) fn of_read(&mut self, call: &Call, page: u32) -> ReadFaults<'_> {
        let faults = self.0.iter_mut().filter(|injected| injected.fault.hits_read(call, page));
        ReadFaults(faults.map(|injected| ReadFault { injected, struck: None }).collect())
    }
}

impl Injected {
    /// Says of a call that matches whether it is hit, which uses up one time.
    fn strike(&mut self) -> bool {
        let skipped = self.skips;
        self.skips = self.fault.every_other && !skipped;
        if !skipped {
            self.fault.times = self.fault.times.map(|times| times.saturating_sub(1));
        }
        !skipped
    }
}

impl<'a> ReadFaults<'a> {
    /// Whether a connection is left out.
    pub(crate) fn leave_out(&mut self, id: &str) -> bool {
        self.about(id).any(|fault| fault.injected.fault.what == FaultKind::LeftOut && fault.alters())
    }

    /// What the read shows of a connection that is not left out.
    pub(crate) fn show(&mut self, line: &mut Line, now: Instant) -> Value {
        let id = line.connection.connection_id.clone();
        let newest = line.read(now);
        let mut old = None;
        for fault in self.about(&id) {
            if let FaultKind::OldRead(age) = fault.injected.fault.what
                && old.is_none()
                && let Some(connection) = line.past(age, now).filter(|old| **old != newest)
                && fault.alters()
            {
                old = Some(connection);
            }
        }
        let mut shown = json!(old.unwrap_or(&newest));
        for fault in self.about(&id) {
            if let FaultKind::WithoutField { field } = &fault.injected.fault.what
                && let Some(fields) = shown.as_object_mut()
                && fields.contains_key(field)
            {
                let field = field.clone();
                if fault.alters() {
                    fields.remove(&field);
                }
            }
        }
        shown
    }

    fn about(&mut self, id: &str) -> impl Iterator<Item = &mut ReadFault<'a>> {
        self.0.iter_mut().filter(move |fault| fault.injected.fault.is_about(id))
    }
}

impl ReadFault<'_> {
    /// Whether it alters what it has found to alter, which is the same for all that one read shows.
    fn alters(&mut self) -> bool {
        let injected = &mut *self.injected;
        *self.struck.get_or_insert_with(|| injected.strike())
    }
}

impl Hold {
    /// Waits until the fault is cleared.
    pub(crate) async fn released(mut self) {
        // The only news is that the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}
