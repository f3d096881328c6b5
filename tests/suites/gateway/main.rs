//! The gateway with a real Redis, ticks that are published by hand or by an ingestor, and WebSockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod additions;
mod admission;
mod asking;
mod documented;
mod keys;
mod kite;
mod old_protocol;
mod outage;
mod publisher;
mod slow;
mod streaming;
mod tokens;
