//! What the data plane is built from, and what others may ask of it.
//!
//! Owns types only.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use service::clock::Clock;
use tokio::sync::{mpsc, watch};

use crate::directory::listing::DirectoryListing;
use crate::events::EventCounts;
use crate::events::event::Event;
use crate::input::assignment::PreparedAssignment;
use crate::input::credentials::CredentialFiles;
use crate::recorder::Recorder;
use redis_link::access::Access;

/// What others want of the data plane.
#[derive(Debug)]
pub(crate) enum DataPlaneCommand {
    /// Stream this from now on.
    Assign(Box<PreparedAssignment>),
    /// Say why the file in the folder is not in force; `None` when it is.
    AssignmentError(Option<String>),
    /// These are the credentials.
    Credentials(CredentialFiles),
}

/// What the data plane is built from.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The clock.
    pub(crate) clock: Clock,
    /// How to trust.
    pub(crate) tls: Arc<ClientConfig>,
    /// Where key and token lie.
    pub(crate) credentials: PathBuf,
    /// What Redis asks for.
    pub(crate) redis: Access,
    /// The start of this process in microseconds, as text.
    pub(crate) epoch: String,
    /// Makes the waits of this process its own.
    pub(crate) seed: u64,
    /// Where the listing go that an assignment makes.
    pub(crate) listing: watch::Sender<Option<Arc<DirectoryListing>>>,
    /// Where events go.
    pub(crate) events: mpsc::Sender<Event>,
    /// What becomes of events.
    pub(crate) event_counts: Arc<EventCounts>,
    /// Who records frames, if anybody.
    pub(crate) recorder: Option<Recorder>,
}
