//! The limits Kite sets. Owns numbers only; other modules enforce them.

use std::time::Duration;

/// WebSocket connections that one API key may hold at a time; a further one is answered 429.
pub const CONNECTIONS_PER_API_KEY: u8 = 3;

/// Instruments that one connection may subscribe to. Duplicates count.
pub const TOKENS_PER_CONNECTION: u16 = 3000;

/// How often the server sends a one-byte frame, whether or not there is data.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The text of the error frame that answers a subscription above [`TOKENS_PER_CONNECTION`].
pub const TOO_MANY_TOKENS: &str = "Can't subscribe to more than 3000 instruments.";

/// The largest binary frame the format can express: 65,535 packets of 184 bytes and their lengths.
pub const LARGEST_FRAME: usize = 2 + 65_535 * (2 + 184);
