//! AWS and the far end as a plan takes them to be: AWS does what it is told, and what only waits for MACsec gets it.

use std::collections::BTreeMap;

use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::Fault;
use directconnect_core::history::Change;
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName};
use directconnect_core::observed::{Connection, PortEncryptionStatus};

use crate::aws::Listing;

/// The connections of each region, or why they could not be read.
#[derive(Clone, Debug, Default)]
pub struct World {
    regions: BTreeMap<RegionName, Result<BTreeMap<ConnectionId, Connection>, Fault>>,
}

impl World {
    /// As AWS shows it now.
    pub fn new(read: BTreeMap<RegionName, Listing>) -> Self {
        let regions = read.into_iter().map(|(region, listing)| (region, listing.map(|all| all.into_iter().collect())));
        Self { regions: regions.collect() }
    }

    /// The regions that were read, or were tried.
    pub fn regions(&self) -> impl Iterator<Item = &RegionName> {
        self.regions.keys()
    }

    /// What a listing of a region shows.
    pub fn listing(&self, region: &RegionName) -> Listing {
        let all = self.regions.get(region).cloned().unwrap_or_else(|| Ok(BTreeMap::new()));
        all.map(|all| all.into_iter().collect())
    }

    /// What a read by id shows.
    pub fn connection(&self, circuit: &CircuitId) -> Result<Option<&Connection>, &Fault> {
        match self.regions.get(&circuit.region) {
            Some(Ok(all)) => Ok(all.get(&circuit.id)),
            Some(Err(fault)) => Err(fault),
            None => Ok(None),
        }
    }

    fn edit(&mut self, circuit: &CircuitId) -> Option<&mut Connection> {
        self.regions.get_mut(&circuit.region)?.as_mut().ok()?.get_mut(&circuit.id)
    }

    /// `UpdateConnection`: the connection after it.
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

    /// Keys that are on their way arrive, and the far end brings MACsec up. True if that is news.
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
