//! What AWS has refused. Of an update with two fields each goes alone once, so that the one that AWS refuses does not hold
//! back the other.

use super::{Change, History};
use crate::fault::FaultKind;

impl History {
    /// Called after an update failed.
    pub(super) fn note_refused(&mut self, change: &Change, kind: FaultKind) {
        if kind != FaultKind::Rejected {
            self.refused = None;
            return;
        }
        let refused = self.refused.get_or_insert_default();
        match change {
            Change { name: Some(name), mode: None } => refused.name = Some(name.clone()),
            Change { name: None, mode } => refused.mode = *mode,
            Change { .. } => {}
        }
    }

    /// While AWS refuses updates: one field of `change` that it has not refused alone, the mode first. The other field
    /// may be what it refuses.
    pub fn part_not_refused(&self, change: &Change) -> Option<Change> {
        let refused = self.refused.as_deref()?;
        let mode = change.mode.filter(|&mode| refused.mode != Some(mode));
        if mode.is_some() {
            return Some(Change { name: None, mode });
        }
        let name = change.name.clone().filter(|name| refused.name.as_ref() != Some(name))?;
        Some(Change { name: Some(name), mode: None })
    }
}
