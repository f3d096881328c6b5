//! The language of Zerodha's Kite Connect: what travels over its ticker WebSocket, its instruments
//! dump and the few REST answers this project needs.
//!
//! This crate owns bytes and rules: packet decoding *and* encoding, text frames, commands, the
//! session of one WebSocket as a state machine without I/O, limits and divisors. It must not open a
//! socket, read a clock or know who uses it: every time is an argument.
//!
//! Sources of the facts below are Kite's documentation and the official clients
//! (pykiteconnect 5, gokiteconnect 4, kiteconnectjs 5, javakiteconnect 3); each is named where it
//! is used.

pub mod access_token;
pub mod command;
pub mod endpoint;
pub mod frame;
pub mod instruments;
pub mod ist;
pub mod limits;
pub mod market_session;
pub mod mode;
pub mod packet;
pub mod recording;
pub mod rest;
pub mod session;
pub mod text;
pub mod token;

pub use command::Command;
pub use frame::{FrameBuilder, FrameError, Packets};
pub use instruments::{Instrument, InstrumentType};
pub use market_session::MarketSession;
pub use mode::Mode;
pub use packet::{Depth, Detail, Full, IndexQuote, Level, Packet, Quote};
pub use text::ServerText;
pub use token::{Segment, Token};
