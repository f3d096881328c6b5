//! The contract between the operator, its ingest processes, and the program at which people ask.
//!
//! The operator writes what to stream ([`Assignment`], a file in a mounted folder); the process
//! reports its state ([`Report`], its answer to `GET /v1/report`). People get an [`answer`] from the
//! operator. This crate owns the documents, their versions, hash and limits, and the layout of the folder. It must not open a
//! socket or know Kubernetes. The two sides are upgraded apart: a change of meaning is a new
//! version, an added member needs a default.

pub mod answer;
pub mod assignment;
pub mod mount;
pub mod report;
pub mod sealed;
mod text;
mod version;

pub use assignment::{
    ASSIGNMENT_VERSIONS, Account, Assignment, Boundary, Chain, ClassSessions, CredentialChoice,
    Egress, Former, LastValuePersistence, Move, MovePart, Output, ParityPair, Persistence, Row,
    SessionMoment, SessionSpan, Shape, StreamLength, TokenSource, session_key_hash,
};
pub use report::Report;
pub use sealed::Sealed;

/// The port of an ingest pod's HTTP server: report, health, probes, metrics.
pub const INGESTOR_PORT: u16 = 9400;

/// A variable for the allocator of an ingest process, name and value. One thread at a time
/// allocates much, when an assignment arrives; with an arena per thread, freed memory stays with
/// its thread: 9,000 instruments take 34 MiB instead of 29.
pub const INGESTOR_ENVIRONMENT: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

/// Where an ingest process serves its [`Report`].
pub const REPORT_PATH: &str = "/v1/report";
