//! One update of AWS: written down first, checked once more, sent once.

use jiff::Timestamp;
use tracing::{info, warn};

use super::operator::Sent;
use super::{Pass, PassError};
use crate::api::LastUpdate;
use crate::aws::Region;
use crate::kubernetes::{events, status};
use directconnect_core::decide::Plan;
use directconnect_core::desired::{Desired, EncryptionMode};
use directconnect_core::fault::Effect;
use directconnect_core::history::Change;
use directconnect_core::observed::Connection;
use directconnect_core::turn;

impl Pass<'_> {
    /// Sends an update, if it still holds when its turn has come. Whatever comes of it, the next decision knows.
    pub(super) async fn update(
        &mut self,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        change: &Change,
    ) -> Result<(), PassError> {
        let operator = self.operator;
        let id = &desired.key.id;
        let Ok(call) = region.wait_to_update().await else { return Ok(()) };
        // The wait may have made the read old, and another connection may have taken the turn.
        let again = self.decide(desired, region, None);
        if again.step != plan.step || !self.take_turn(desired, region, change) {
            return Ok(());
        }
        let before = region.with_history(id, |history| {
            let connection = history.look().and_then(|look| look.connection.clone()).unwrap_or_default();
            Change { mode: connection.mode(), name: connection.connection_name }
        });
        if operator.leadership.until().is_none() {
            return Err(PassError::NotLeading { object: self.name() });
        }
        // What is about to be sent is written down first. That keeps it through a crash, and the API server refuses to
        // write it if the spec is not the newest any more.
        let earlier = self.current.last_update.replace(LastUpdate {
            time: status::whole_seconds(Timestamp::now()).to_string(),
            generation: desired.generation,
            request_id: None,
            connection_name: change.name.clone(),
            encryption_mode: change.mode,
        });
        // A name may be the next that is sent, and what was sent before it must not be forgotten.
        let earlier_must = self.current.must_encrypt_generation;
        if change.mode == Some(EncryptionMode::MustEncrypt) {
            self.current.must_encrypt_generation = Some(desired.generation);
        }
        let mut next = self.current.clone();
        // A failure stands until a try succeeds; else conditions would flicker with each.
        let stands = region.with_history(id, |history| history.update_failure().is_some());
        if let Some(verdict) = plan.verdict.as_ref().filter(|_| !stands) {
            self.show(&mut next, desired, region, plan, verdict);
        }
        if let Err(error) = self.write_now(next).await {
            self.settle_turn(desired, region);
            return Err(error);
        }
        // Checked last, after every wait: whoever leads next may begin when this lease ends.
        let permit = operator.sending.try_acquire();
        let Some(until) = operator.leadership.until().filter(|_| permit.is_ok()) else {
            return Err(PassError::NotLeading { object: self.name() });
        };
        match region.update(call, id, change.clone(), until).await {
            Ok(updated) => {
                let request_id = updated.request_id;
                info!(
                    object = %self.name(), %id, region = region.name(), request_id,
                    name = change.name, mode = change.mode.map(|mode| mode.to_string()),
                    "AWS was updated"
                );
                let news = events::updated(id, change, &before, request_id.as_deref());
                operator.teller.tell(self.object, news);
                if let Some(last) = &mut self.current.last_update {
                    last.request_id = request_id;
                }
            }
            Err(fault) => {
                warn!(
                    object = %self.name(), %id, region = region.name(), reason = fault.reason().as_str(),
                    request_id = fault.request_id, in_doubt = fault.effect == Effect::Unknown,
                    name = change.name, mode = change.mode.map(|mode| mode.to_string()),
                    "an update of AWS failed: {}", fault.message
                );
                if fault.effect == Effect::None {
                    self.current.last_update = earlier;
                    self.current.must_encrypt_generation = earlier_must;
                }
            }
        }
        // Should the status not get through, the next pass still knows.
        let sent = Sent(self.current.last_update.clone());
        operator.with_memory(self.object, |memory| memory.sent = Some(sent));
        Ok(())
    }

    /// Takes the account's turn for a change to `must_encrypt`; any other change needs none.
    fn take_turn(&self, desired: &Desired, region: &Region, change: &Change) -> bool {
        if change.mode != Some(EncryptionMode::MustEncrypt) {
            return true;
        }
        let resource = self.name();
        region.with_history(&desired.key.id, |history| {
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            self.operator.index.turns().try_take(account, &desired.key, &resource)
        })
    }

    /// Gives the turn up once the connection has proven itself or is no longer wanted at `must_encrypt`.
    pub(super) fn settle_turn(&self, desired: &Desired, region: &Region) {
        let operator = self.operator;
        let resource = self.name();
        if !self.acts(desired) {
            // It may have had the turn before it was told to stand back.
            if operator.index.turns().release(&desired.key, &resource) {
                operator.index.wake_all();
            }
            return;
        }
        let released = region.with_history(&desired.key.id, |history| {
            let mut turns = operator.index.turns();
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            let now = operator.clock.now();
            if turn::is_on_its_way(desired, history, &operator.settings, now) {
                turns.hold(account, &desired.key, &resource);
                return false;
            }
            history.prove_if_soaked(operator.settings.encryption_soak);
            turns.release(&desired.key, &resource)
        });
        if released {
            operator.index.wake_all();
        }
    }
}

/// Account that shares a turn. Connections whose owner AWS does not show share one too.
pub(super) fn account_of(connection: Option<&Connection>) -> &str {
    connection.and_then(|connection| connection.owner_account.as_deref()).unwrap_or_default()
}
