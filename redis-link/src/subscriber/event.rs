//! What a subscriber tells.
//!
//! Owns the type alone.

/// What happens on a wanted channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEvent<'a> {
    /// From now on every message arrives.
    Subscribed {
        /// The channel.
        channel: &'a str,
    },
    /// One message.
    Message {
        /// The channel.
        channel: &'a str,
        /// What was published.
        payload: &'a [u8],
    },
    /// From now on messages are missed, until it is subscribed again. Comes only after `Subscribed`.
    Lost {
        /// The channel.
        channel: &'a str,
    },
}
