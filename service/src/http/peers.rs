//! Counts the open connections of each peer, so that no peer takes all permits.
//!
//! Owns the counts. Must not know the purpose of a connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Open connections by address; an address without any is not kept.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// One open connection of a peer, until it is dropped.
#[derive(Debug)]
pub(super) struct PeerPermit {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// A permit for one more connection of `peer`, unless it already has `most`.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<PeerPermit> {
        let peer = peer.to_canonical();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(PeerPermit {
            peers: Arc::clone(self),
            peer,
        })
    }
}

impl Drop for PeerPermit {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
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
        assert!(admit(one).is_none() && admit(other).is_some());
        drop(held);
        assert!(admit(one).is_some());
        assert_eq!(peers.0.lock().unwrap().len(), 0);
    }
}
