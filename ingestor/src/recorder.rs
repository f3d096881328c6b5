//! Records what Kite sends, for replay: `--record`.
//!
//! Owns the bounded queue of frames and the thread that writes them: a slow disk costs frames of the
//! recording, which are counted, and never a tick. The files are written in [`files`].

mod files;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use kite::recording::FrameKind;
use service::clock::Clock;

use files::Files;

/// Frames that may wait for the disk: those of two seconds at 45,000 ticks a second.
const QUEUE: usize = 4_096;

/// Records frames; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    frames: SyncSender<RecordedFrame>,
    counts: Arc<RecordingCounts>,
}

/// Counts of frames.
#[derive(Debug, Default)]
pub(crate) struct RecordingCounts {
    /// Written.
    pub(crate) recorded: AtomicU64,
    /// Lost, because the disk was too slow or full.
    pub(crate) lost: AtomicU64,
}

#[derive(Debug)]
struct RecordedFrame {
    received_us: i64,
    connection: u8,
    kind: FrameKind,
    payload: Bytes,
}

/// The recording cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot record into {folder}")]
pub struct RecordError {
    folder: PathBuf,
    source: io::Error,
}

impl Recorder {
    /// Records into `folder`, which is created if needed, up to `most_bytes` in all files. The
    /// thread ends, with a complete file, when the last recorder is dropped.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(crate) fn start(
        folder: &Path,
        most_bytes: u64,
    ) -> Result<(Self, JoinHandle<()>), RecordError> {
        let failed = |source| RecordError {
            folder: folder.to_owned(),
            source,
        };
        service::folder::ensure_writable(folder).map_err(failed)?;
        let (frames, taken) = sync_channel(QUEUE);
        let counts = Arc::new(RecordingCounts::default());
        let files = Files {
            clock: Clock::system(),
            folder: folder.to_owned(),
            most_bytes,
            counts: Arc::clone(&counts),
        };
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || files.write(&taken))
            .map_err(failed)?;
        Ok((Self { frames, counts }, thread))
    }

    /// Records a frame, or counts it as lost.
    pub(crate) fn offer(&self, received_us: i64, connection: u8, kind: FrameKind, payload: Bytes) {
        let frame = RecordedFrame {
            received_us,
            connection,
            kind,
            payload,
        };
        if self.frames.try_send(frame).is_err() {
            self.counts.lost.fetch_add(1, Relaxed);
        }
    }

    /// The counts of frames so far.
    #[must_use]
    pub(crate) fn counts(&self) -> Arc<RecordingCounts> {
        Arc::clone(&self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Recorder::start(&file, 1).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
