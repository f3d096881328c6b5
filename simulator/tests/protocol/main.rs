//! The simulator as a client meets it: a real process, real sockets, a WebSocket client that shares
//! no code with it.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step is a failed test; the exemption of tests does not reach their harness"
)]

mod control;
mod handshake;
mod harness;
mod hours;
mod login;
mod morning;
mod process;
mod rest;
mod stream;
