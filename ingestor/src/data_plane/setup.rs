//! The parts that the data plane is built from.
//!
//! Owns types, and how the two times of the clock relate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use service::address::Address;
use service::clock::Clock;
use tokio::sync::{mpsc, watch};

use crate::directory::listing::DirectoryListing;
use crate::directory::refusal::DirectoryHealth;
use crate::events::EventCounts;
use crate::events::alive::AliveState;
use crate::events::event::AccountEvent;
use crate::events::market::MarketClasses;
use crate::input::credential_reader::CredentialReader;
use crate::recorder::Recorder;
use redis_link::access::Access;

/// The parts that the data plane is built from.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The clock.
    pub(crate) clock: Clock,
    /// The TLS configuration.
    pub(crate) tls: Arc<ClientConfig>,
    /// What credentials are read with.
    pub(crate) credentials: CredentialReader,
    /// The login and certificates for Redis.
    pub(crate) redis: Access,
    /// The start of this process in microseconds, as text.
    pub(crate) epoch: String,
    /// Makes the waits of this process differ from others'.
    pub(crate) seed: u64,
    /// Where the listing of an assignment is sent.
    pub(crate) listing: watch::Sender<Option<Arc<DirectoryListing>>>,
    /// Where events are sent.
    pub(crate) events: mpsc::Sender<AccountEvent>,
    /// Where the state for signs of life is sent.
    pub(crate) alive: watch::Sender<Option<AliveState>>,
    /// What each class of instruments does.
    pub(crate) market: watch::Sender<MarketClasses>,
    /// The counters of events.
    pub(crate) event_counts: Arc<EventCounts>,
    /// Where it is told which server gets the ticks.
    pub(crate) ticks_at: watch::Sender<Option<Address>>,
    /// What is known of the connections beside those that carry ticks.
    pub(crate) directory: watch::Receiver<DirectoryHealth>,
    /// The recorder of frames, if they are recorded.
    pub(crate) recorder: Option<Recorder>,
}

impl Setup {
    /// The monotonic time of a past second of the wall clock, epoch seconds.
    pub(crate) fn monotonic(&self, since: i64) -> Option<Instant> {
        let now = self.clock.times();
        let passed = now.wall.as_second().checked_sub(since)?;
        let passed = Duration::from_secs(u64::try_from(passed).ok()?);
        now.monotonic.checked_sub(self.clock.real(passed))
    }
}
