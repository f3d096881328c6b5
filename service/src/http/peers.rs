//! The open connections of each peer, so that no peer takes all permits, and none that it left behind
//! keeps its next one out.
//!
//! Owns the counts, and which connection gives way. Must not know the purpose of a connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Open connections by address, the oldest first; an address without any is not kept.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, Vec<Arc<Occupancy>>>>);

/// What a connection is used for at the moment.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    /// Whether a request is in flight, or the connection was upgraded.
    pub(super) busy: AtomicBool,
    /// Cancelled when it has to give way to a newer one.
    pub(super) close: CancellationToken,
}

/// One open connection of a peer, until it is dropped.
#[derive(Debug)]
pub(super) struct PeerPermit {
    peers: Arc<Peers>,
    peer: IpAddr,
    pub(super) occupancy: Arc<Occupancy>,
}

impl Peers {
    /// A permit for one more connection of `peer`. If it already has `most`, the one that has been open
    /// longest without a request in flight is closed; if there is none such, there is no permit.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<PeerPermit> {
        let peer = peer.to_canonical();
        let mut all = self.lock();
        let open = all.entry(peer).or_default();
        if open.len() >= most {
            let idle = |it: &Arc<Occupancy>| !it.busy.load(Ordering::Relaxed);
            open.remove(open.iter().position(idle)?).close.cancel();
        }
        let occupancy = Arc::<Occupancy>::default();
        open.push(Arc::clone(&occupancy));
        drop(all);
        Some(PeerPermit {
            peers: Arc::clone(self),
            peer,
            occupancy,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Arc<Occupancy>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut all = self.peers.lock();
        if let Some(open) = all.get_mut(&self.peer) {
            open.retain(|it| !Arc::ptr_eq(it, &self.occupancy));
            if open.is_empty() {
                all.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_by_address_and_given_back() {
        let peers = Arc::new(Peers::default());
        let (one, same, other) = ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2");
        let admit = |ip: &str| peers.admit(ip.parse().unwrap(), 2);
        let held = [admit(one).unwrap(), admit(same).unwrap()];
        for permit in &held {
            permit.occupancy.busy.store(true, Ordering::Relaxed);
        }
        assert!(admit(one).is_none() && admit(other).is_some());
        held[1].occupancy.busy.store(false, Ordering::Relaxed);
        assert!(admit(one).is_some(), "in place of an idle one");
        let closed = held.each_ref().map(|it| it.occupancy.close.is_cancelled());
        assert_eq!(closed, [false, true]);
        drop(held);
        assert!(admit(one).is_some());
        assert_eq!(peers.0.lock().unwrap().len(), 0);
    }
}
