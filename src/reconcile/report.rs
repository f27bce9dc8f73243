//! What a pass says: status, events and gauges, each only when there is news.

use jiff::Timestamp;
use kube::{Resource as _, ResourceExt};
use tracing::info;

use super::{Pass, PassError};
use crate::api::DirectConnectConnectionStatus;
use crate::aws::Region;
use crate::kubernetes::events;
use crate::kubernetes::index::requested_at;
use crate::kubernetes::status::{self, WriteError};
use crate::metrics::{Health, Resource};
use directconnect_core::clock::Moment;
use directconnect_core::conditions::{self, Kind, Verdict};
use directconnect_core::decide::Plan;
use directconnect_core::desired::{Desired, EncryptionMode};
use directconnect_core::history::Look;
use directconnect_core::observed::ObservedMode;

impl Pass<'_> {
    /// Says how the resource stands, if that is news.
    pub(super) async fn report(
        &mut self,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        asked_at: Option<Moment>,
    ) -> Result<(), PassError> {
        let Some(verdict) = &plan.verdict else { return Ok(()) };
        let mut next = self.current.clone();
        if plan.met {
            next.met_generation = next.met_generation.max(Some(desired.generation));
        }
        match desired.mode {
            Some(EncryptionMode::MustEncrypt) if plan.met => next.must_encrypt_generation = Some(desired.generation),
            Some(EncryptionMode::MustEncrypt) => {}
            Some(EncryptionMode::NoEncrypt | EncryptionMode::ShouldEncrypt) | None => {
                next.must_encrypt_generation = None;
            }
        }
        let began = region.with_history(&desired.key.id, |history| history.look().map(|look| look.began));
        if asked_at.is_some_and(|asked_at| began.is_some_and(|began| began >= asked_at))
            && let Some(served) = requested_at(self.object)
        {
            next.last_handled_reconcile_at = Some(served.to_owned());
        }
        self.show(&mut next, desired, region, plan, verdict);
        self.write(next).await
    }

    /// Puts what AWS shows and what is thought of it into a status.
    pub(super) fn show(
        &self,
        next: &mut DirectConnectConnectionStatus,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        verdict: &Verdict,
    ) {
        let id = &desired.key.id;
        let look = region.with_history(id, |history| history.look().cloned());
        next.connection_id = Some(id.clone());
        next.drift = status::drift(&plan.drift);
        if let Some(look) = &look {
            next.connection = look.connection.clone().unwrap_or_default();
            next.arn = status::arn(&desired.key.region, id, &next.connection);
        }
        self.judge(next, verdict, look.as_ref());
    }

    /// Puts a verdict into a status.
    pub(super) fn judge(&self, next: &mut DirectConnectConnectionStatus, verdict: &Verdict, look: Option<&Look>) {
        let generation = self.object.meta().generation;
        let wanted = conditions::conditions(verdict, look);
        next.observed_generation = generation;
        next.conditions = status::conditions(wanted, &self.written.conditions, generation, Timestamp::now());
    }

    /// Writes a status that differs from the last.
    pub(super) async fn write(&mut self, next: DirectConnectConnectionStatus) -> Result<(), PassError> {
        if next == self.written { Ok(()) } else { self.write_now(next).await }
    }

    pub(super) async fn write_now(&mut self, next: DirectConnectConnectionStatus) -> Result<(), PassError> {
        let (namespace, name) = (self.object.namespace().unwrap_or_default(), self.object.name_any());
        let written = status::write(&self.operator.client, &namespace, &name, &self.resource_version, &next).await;
        let version = written.map_err(|error| self.unwritten(&error))?;
        self.operator.metrics.status_written();
        let reason = status::condition(&next, Kind::Ready).map(|ready| ready.reason.clone());
        info!(object = %self.name(), id = next.connection_id, reason, "status written");
        if let Some(version) = version {
            self.operator.with_memory(self.object, |memory| {
                memory.written = version.parse().ok().map(|version| (version, next.clone()));
            });
            self.resource_version = version;
        }
        self.written = next.clone();
        self.current = next;
        Ok(())
    }

    fn unwritten(&self, error: &WriteError) -> PassError {
        if matches!(error, WriteError::Outdated) {
            return PassError::Outdated { object: self.name() };
        }
        PassError::Status { object: self.name(), reason: error.to_string() }
    }

    /// What was as the spec asked and is not any more is news once.
    pub(super) fn note_drift(&mut self, desired: &Desired, plan: &Plan) {
        let first = !std::mem::replace(&mut self.has_looked, true);
        let was_met = self.before.met_generation == Some(desired.generation) && self.before.drift.is_empty();
        if first && was_met && !plan.drift.is_empty() {
            let each = plan.drift.iter().map(|drift| {
                let observed = drift.observed.as_deref().unwrap_or("absent");
                format!("{} is {observed:?} in AWS, {:?} in the spec", drift.field, drift.desired)
            });
            let what: Vec<String> = each.collect();
            self.news.push(events::drifted(&what.join("; ")));
        }
    }

    /// Tells the news of the whole pass, and how the resource is now.
    pub(super) fn finish(&mut self, paused: bool) {
        self.operator.with_memory(self.object, |memory| memory.failures = 0);
        let mut news = std::mem::take(&mut self.news);
        news.extend(events::transitions(&self.before, &self.current));
        self.operator.teller.tell(self.object, news);
        let is = |kind| status::truth(&self.current, kind) == Some("True");
        let id = match &self.object.0 {
            Ok(valid) => valid.spec.connection_id.clone(),
            Err(_) => String::new(),
        };
        let resource = Resource {
            namespace: self.object.namespace().unwrap_or_default(),
            name: self.object.name_any(),
            connection_id: id,
        };
        let health = Health {
            ready: is(Kind::Ready),
            link_up: is(Kind::LinkUp),
            encrypted: is(Kind::Encrypted),
            must_encrypt: self.current.connection.encryption_mode == Some(ObservedMode::MustEncrypt),
            drifted: !self.current.drift.is_empty(),
            paused,
        };
        self.operator.metrics.health(&resource, health);
    }
}
