//! The simulated AWS and far ends: AWS carries out all updates, and MACsec comes up if there is a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::Fault;
use directconnect_core::history::Change;
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName};
use directconnect_core::observed::{Connection, PortEncryptionStatus};

use crate::aws::Listing;

/// The connections of each region, or why they could not be read.
#[derive(Clone, Debug, Default)]
pub struct World {
    regions: BTreeMap<RegionName, Result<BTreeMap<ConnectionId, Arc<Connection>>, Fault>>,
}

impl World {
    /// The current state of AWS.
    pub fn new(read: BTreeMap<RegionName, Listing>) -> Self {
        let regions = read.into_iter().map(|(region, listing)| (region, listing.map(|all| all.into_iter().collect())));
        Self { regions: regions.collect() }
    }

    /// The regions that were read, or could not be read.
    pub fn regions(&self) -> impl Iterator<Item = &RegionName> {
        self.regions.keys()
    }

    /// The answer to a listing of a region.
    pub fn listing(&self, region: &RegionName) -> Listing {
        let all = self.regions.get(region).cloned().unwrap_or_else(|| Ok(BTreeMap::new()));
        all.map(|all| all.into_iter().collect())
    }

    /// The answer to a read by id.
    pub fn connection(&self, circuit: &CircuitId) -> Result<Option<&Connection>, &Fault> {
        match self.regions.get(&circuit.region) {
            Some(Ok(all)) => Ok(all.get(&circuit.id).map(Arc::as_ref)),
            Some(Err(fault)) => Err(fault),
            None => Ok(None),
        }
    }

    fn edit(&mut self, circuit: &CircuitId) -> Option<&mut Connection> {
        self.regions.get_mut(&circuit.region)?.as_mut().ok()?.get_mut(&circuit.id).map(Arc::make_mut)
    }

    /// Carries out `UpdateConnection`, and returns the connection afterwards.
    pub fn update(&mut self, circuit: &CircuitId, change: &Change) -> Option<Connection> {
        let connection = self.edit(circuit)?;
        if let Some(name) = &change.name {
            connection.connection_name = Some(name.clone());
        }
        if let Some(mode) = change.mode {
            connection.encryption_mode = Some(mode.into());
            if mode == EncryptionMode::NoEncrypt {
                connection.port_encryption_status = Some(PortEncryptionStatus::Down);
            }
        }
        Some(connection.clone())
    }

    /// Associates the keys that are being associated, and brings MACsec up. Returns whether anything changed.
    pub fn bring_macsec_up(&mut self, circuit: &CircuitId) -> bool {
        let Some(connection) = self.edit(circuit).filter(|connection| connection.has_key_at_all()) else {
            return false;
        };
        if connection.encryption_works() {
            return false;
        }
        for key in connection.mac_sec_keys.iter_mut().filter(|key| key.state.as_deref() == Some("associating")) {
            key.state = Some("associated".to_owned());
        }
        connection.port_encryption_status = Some(PortEncryptionStatus::Up);
        true
    }
}
