//! What an instrument is called here: its token, and whether its ticks are a simulator's.
//!
//! Owns the type alone. A token may stand for a real and for a mock instrument at the same time.

/// An instrument whose ticks are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstrumentId {
    pub(crate) token: u32,
    pub(crate) is_mock: bool,
}
