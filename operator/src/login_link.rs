//! The links with which users log in: Kite's login page, and the signed state that comes back from it.
//!
//! Pure. Must not know which account needs one.

mod address;
mod state;

pub(crate) use address::{link, offer};
#[cfg(test)]
pub(crate) use state::sample;
pub(crate) use state::{LoginState, StateError, StateKey, new_key, random_text};
