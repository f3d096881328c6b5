//! Whether Kite accepts the access tokens of accounts, by `GET /user/profile`: the cheapest request that it authenticates.
//!
//! Owns the requests and when they are made. Must not decide what follows from an answer. A WebSocket that is dialled for
//! this would take one of three connections; the instruments list is not authenticated.

mod checker;
mod credentials;
mod profile;
mod schedule;

pub(crate) use checker::{ResultLabel, TokenCheckCounter, TokenChecker, TokenChecks};
pub(crate) use credentials::{CredentialSource, CredentialValues, TokenValues};
pub(crate) use profile::whose;
pub(crate) use schedule::CheckResult;
