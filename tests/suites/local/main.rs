//! `kite-operator local` with a real Redis, the simulator and plain subscribers.

mod bad_input;
mod digits;
mod streaming;
