//! Who holds the turns. The operator's core determines it from the statuses.

use std::collections::BTreeMap;

use directconnect_core::desired::{DefaultRegion, Desired};
use directconnect_core::identity::{AccountId, CircuitId, RegionName};
use directconnect_core::turn::{CircuitView, Claim, Holder, Read, Shown, share_turn};
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::claims::claim;

/// The circuits that hold the turn of their account.
pub struct TurnHolders {
    holders: Vec<(Option<AccountId>, Holder)>,
}

impl TurnHolders {
    /// Determines the holders from all resources that the user may read.
    pub fn of(objects: &[Watched]) -> Self {
        let mut circuits: BTreeMap<CircuitId, Vec<Claim>> = BTreeMap::new();
        for (object, desired) in objects.iter().filter_map(|object| Some((object, desired(object)?))) {
            circuits.entry(desired.circuit.clone()).or_default().push(claim(object, &desired));
        }
        let holders = circuits.into_iter().filter_map(|(circuit, mut claims)| {
            claims.sort_by(|one, other| one.age().cmp(&other.age()));
            // Only the statuses are known here: there are no reads, and nothing is known of steps in flight.
            let read = Read::Nothing { is_awaited: false, last_mode: None };
            let view = CircuitView { claims: &claims, read, step: None, was_raised: false, is_proof_over: false };
            let hold = view.hold()?;
            Some((view.account(), Holder { circuit, hold }))
        });
        Self { holders: holders.collect() }
    }

    /// Whether its circuit holds the turn because of this resource.
    pub fn has(&self, object: &Watched) -> bool {
        let id = object.id();
        self.holders.iter().any(|(_, holder)| holder.hold.resource.as_ref() == Some(&id))
    }

    /// The holders that a resource may be waiting for.
    pub fn before<'a>(&'a self, object: &Watched) -> impl Iterator<Item = &'a Holder> {
        let circuit = desired(object).map(|desired| desired.circuit);
        let account = Shown::of(&object.status.connection).account;
        let others = self.holders.iter().filter(move |(of, _)| share_turn(of, &account));
        others.map(|(_, holder)| holder).filter(move |holder| Some(&holder.circuit) != circuit.as_ref())
    }
}

/// The region of the connection: from the spec, otherwise the one in which the operator read it.
pub fn region(object: &Watched) -> Option<RegionName> {
    let spec = object.spec.as_ref().ok().and_then(|spec| spec.region.as_deref());
    let circuit = object.status.ledger.circuit.as_ref().map(|circuit| circuit.region.as_str());
    let read = object.status.connection.region.as_deref();
    [spec, circuit, read].into_iter().flatten().find_map(RegionName::parse)
}

fn desired(object: &Watched) -> Option<Desired> {
    let default = region(object).map_or(DefaultRegion::Unset, DefaultRegion::Set);
    object.desired(&default).ok()
}
