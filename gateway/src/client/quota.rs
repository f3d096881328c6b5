//! Who is connected.
//!
//! Owns how many connections there may be, in all and of one user.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::hub::ClientId;

/// The open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    most_per_user: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<ClientId, Connection>,
    users: FxHashMap<Arc<str>, usize>,
}

/// One open connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) connection_id: String,
    pub(crate) user_id: Arc<str>,
    /// Unix seconds.
    pub(crate) connected_at: f64,
}

/// Why a connection is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    /// Of all users together.
    #[error("Too many connections")]
    InAll,
    /// Of this user.
    #[error("Too many connections of this user")]
    OfUser,
}

/// The place of a connection; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    client: ClientId,
    open: Arc<Mutex<Open>>,
}

impl Connections {
    pub(crate) fn new(most: usize, most_per_user: usize) -> Self {
        Self {
            most,
            most_per_user,
            open: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place.
    ///
    /// # Errors
    /// When there are too many connections.
    pub(crate) fn enter(&self, client: ClientId, connection: Connection) -> Result<Place, TooMany> {
        let mut open = self.lock();
        if open.connections.len() >= self.most {
            return Err(TooMany::InAll);
        }
        let of_user = open
            .users
            .entry(Arc::clone(&connection.user_id))
            .or_default();
        if *of_user >= self.most_per_user {
            return Err(TooMany::OfUser);
        }
        *of_user += 1;
        open.connections.insert(client, connection);
        Ok(Place {
            client,
            open: Arc::clone(&self.open),
        })
    }

    /// The open connections, oldest first.
    pub(crate) fn all(&self) -> Vec<(ClientId, Connection)> {
        let open = self.lock();
        let all = open.connections.iter();
        all.map(|(client, it)| (*client, it.clone())).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().connections.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gone) = open.connections.remove(&self.client) else {
            return;
        };
        if let Some(of_user) = open.users.get_mut(&gone.user_id) {
            *of_user -= 1;
            if *of_user == 0 {
                open.users.remove(&gone.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Connection {
        Connection {
            connection_id: String::new(),
            user_id: user.into(),
            connected_at: 0.0,
        }
    }

    #[test]
    fn places_are_limited_and_free_again() {
        let connections = Connections::new(3, 2);
        let first = connections.enter(1, of("a")).unwrap();
        let _second = connections.enter(2, of("a")).unwrap();
        assert_eq!(connections.enter(3, of("a")).unwrap_err(), TooMany::OfUser);
        let _third = connections.enter(4, of("b")).unwrap();
        assert_eq!(connections.enter(5, of("c")).unwrap_err(), TooMany::InAll);
        drop(first);
        assert_eq!(connections.len(), 2);
        let _again = connections.enter(6, of("a")).unwrap();
        assert!(connections.lock().users.len() == 2);
    }
}
