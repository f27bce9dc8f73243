//! The injected faults, and which of them hit a call or a read.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Fault;
use super::kind::{Act, FaultKind, Stored};
use crate::calls::Call;
use crate::credentials::CredentialSource;
use crate::link::Link;
use crate::wire::Update;

/// The active faults and the spent ones.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Injected>);

#[derive(Debug)]
struct Injected {
    fault: Fault,
    hold: watch::Sender<()>,
    /// Whether the next matching call is skipped, if only every other one is hit.
    skips: bool,
}

/// Notified when a fault that holds a call is cleared.
#[derive(Debug)]
pub(crate) struct Hold(watch::Receiver<()>);

/// What the answer to an update shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerShows {
    /// The stored connection.
    Stored,
    /// The name and the mode as they were sent.
    Sent,
}

/// The faults that may alter one read. A fault that alters the read uses up one of its times, however many connections
/// it alters. A fault that finds nothing to alter uses up none.
#[derive(Debug)]
pub(crate) struct ReadFaults<'a>(Vec<ReadFault<'a>>);

#[derive(Debug)]
struct ReadFault<'a> {
    injected: &'a mut Injected,
    /// Whether it hits this read; decided when it first finds something to alter.
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

    /// The fault that hits a whole call. It uses up one of its times. `page` is the number of the requested page, if
    /// any. A spent fault is kept, so that clearing it still releases what it holds.
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

    /// What an accepted update stores, and whether its answer shows that. A fault that changes nothing about it is not
    /// used up.
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

    /// The faults that may alter a read.
    pub(crate) fn of_read(&mut self, call: &Call, page: u32) -> ReadFaults<'_> {
        let faults = self.0.iter_mut().filter(|injected| injected.fault.hits_read(call, page));
        ReadFaults(faults.map(|injected| ReadFault { injected, struck: None }).collect())
    }
}

impl Injected {
    /// Decides whether a matching call is hit, and uses up one time if so.
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
    pub(crate) fn show(&mut self, link: &mut Link, now: Instant) -> Value {
        let id = link.connection.connection_id.clone();
        let newest = link.read(now);
        let mut old = None;
        for fault in self.about(&id) {
            if let FaultKind::OldRead(age) = fault.injected.fault.what
                && old.is_none()
                && let Some(connection) = link.past(age, now).filter(|old| **old != newest)
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
    /// Whether it alters the read. The result is the same for all connections of one read.
    fn alters(&mut self) -> bool {
        let injected = &mut *self.injected;
        *self.struck.get_or_insert_with(|| injected.strike())
    }
}

impl Hold {
    /// Waits until the fault is cleared.
    pub(crate) async fn released(mut self) {
        // The channel carries no values. An error means that the sender was dropped.
        while self.0.changed().await.is_ok() {}
    }
}
