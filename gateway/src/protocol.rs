//! The JSON protocol of `/ws/ticks`.
//!
//! Owns how commands are read and how answers are written. Pure; must not know sockets.

pub(crate) mod answer;
pub(crate) mod command;
