//! `kite-operator local` with a real Redis, the simulator and plain subscribers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod bad_input;
mod boundary;
mod day;
mod demo;
mod digits;
mod documented;
mod documents;
mod events;
mod fail_static;
mod fleet;
mod greeks;
mod login;
mod market_day;
mod messages;
mod money;
mod morning;
mod moves;
mod plugin;
mod proxy;
mod reader;
mod recording;
mod references;
mod refusals;
mod renewal;
mod secrets;
mod selectors;
mod sleep;
mod standby;
mod streaming;
mod tokens;
mod two_sets;
mod versions;
mod wrong_sets;
