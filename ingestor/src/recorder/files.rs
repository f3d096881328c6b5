//! The files of recordings.
//!
//! Owns the files: they are compressed, a new one is started when one is large, and the oldest are
//! removed when all together are too large. Must not run on the data plane's thread.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use kite::recording::{self, MAGIC};
use service::clock::Clock;

use super::{RecordedFrame, RecordingCounts};

/// A file is closed and the next one started when its frames have this many bytes.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Written data is flushed at least this often, so that a kill costs no more.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// After a failure recording is tried again after this time.
const TRY_EVERY: Duration = Duration::from_secs(10);

const EXTENSION: &str = "kiterec.gz";

/// The thread that writes.
pub(super) struct Files {
    pub(super) clock: Clock,
    pub(super) folder: PathBuf,
    /// The limit for all files together.
    pub(super) most_bytes: u64,
    pub(super) counts: Arc<RecordingCounts>,
}

/// A file that is being written.
struct Open {
    encoder: GzEncoder<File>,
    path: PathBuf,
    bytes: u64,
    /// When it was last flushed.
    flushed: Instant,
}

impl Files {
    /// Writes until the last recorder is dropped.
    pub(super) fn write(self, frames: &Receiver<RecordedFrame>) {
        let mut open: Option<Open> = None;
        let mut record = Vec::new();
        // After a failure, nothing is recorded before this time.
        let mut pause_until = self.clock.now();
        loop {
            match frames.recv_timeout(FLUSH_EVERY) {
                Ok(_) if self.clock.now() < pause_until => {
                    self.counts.lost.fetch_add(1, Relaxed);
                }
                Ok(frame) => match self.append(&mut open, &mut record, &frame) {
                    Ok(()) => drop(self.counts.recorded.fetch_add(1, Relaxed)),
                    Err(error) => {
                        self.counts.lost.fetch_add(1, Relaxed);
                        pause_until = self.clock.now() + TRY_EVERY;
                        give_up(open.take(), &error);
                    }
                },
                Err(RecvTimeoutError::Timeout) => {
                    let flushed = open.as_mut().map(|file| file.encoder.flush());
                    if let Some(Err(error)) = flushed {
                        give_up(open.take(), &error);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    if let Some(Err(error)) = open.map(|file| file.encoder.finish()) {
                        tracing::warn!(%error, "the end of the recording could not be written");
                    }
                    return;
                }
            }
        }
    }

    fn append(
        &self,
        open: &mut Option<Open>,
        record: &mut Vec<u8>,
        frame: &RecordedFrame,
    ) -> io::Result<()> {
        if let Some(full) = open.take_if(|file| file.bytes >= FILE_BYTES) {
            full.encoder.finish()?;
        }
        let file = match open {
            Some(file) => file,
            None => open.insert(self.begin(frame.received_us)?),
        };
        record.clear();
        recording::write(
            record,
            frame.received_us.max(0).cast_unsigned(),
            frame.connection,
            frame.kind,
            &frame.payload,
        );
        file.encoder.write_all(record)?;
        file.bytes += record.len() as u64;
        let now = self.clock.now();
        if now.saturating_duration_since(file.flushed) >= FLUSH_EVERY {
            file.flushed = now;
            file.encoder.flush()?;
        }
        Ok(())
    }

    fn begin(&self, now_us: i64) -> io::Result<Open> {
        self.make_room()?;
        let path = self.folder.join(format!("{now_us:020}.{EXTENSION}"));
        let file = File::options().write(true).create_new(true).open(&path)?;
        let encoder = GzEncoder::new(file, Compression::fast());
        let mut open = Open {
            encoder,
            path,
            bytes: 0,
            flushed: self.clock.now(),
        };
        match open.encoder.write_all(&MAGIC) {
            Ok(()) => Ok(open),
            Err(error) => {
                remove_if_empty(open);
                Err(error)
            }
        }
    }

    /// Removes the oldest recordings until there is room for one more.
    fn make_room(&self) -> io::Result<()> {
        let mut files = recordings(&self.folder)?;
        let mut total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        files.reverse();
        while let Some((path, bytes)) = files.pop()
            && total.saturating_add(FILE_BYTES) > self.most_bytes.max(2 * FILE_BYTES)
        {
            fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

/// A full disk stays full for a while. The written data stays; an empty file is deleted.
fn give_up(open: Option<Open>, error: &io::Error) {
    tracing::warn!(%error, "recording is paused after an error: frames are lost");
    if let Some(open) = open {
        remove_if_empty(open);
    }
}

fn remove_if_empty(Open { encoder, path, .. }: Open) {
    // Writes as much as possible.
    drop(encoder);
    if fs::metadata(&path).is_ok_and(|file| file.len() == 0)
        && let Err(error) = fs::remove_file(&path)
    {
        tracing::warn!(%error, "an empty recording file could not be deleted");
    }
}

/// Recordings of a folder with their sizes, oldest first.
fn recordings(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.ends_with(EXTENSION));
        if ours {
            files.push((entry.path(), entry.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_recordings_make_room_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..4 {
            let path = folder.path().join(format!("{number:020}.{EXTENSION}"));
            let file = File::create(path).unwrap();
            file.set_len(FILE_BYTES).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let files = Files {
            clock: Clock::system(),
            folder: folder.path().to_owned(),
            most_bytes: 3 * FILE_BYTES,
            counts: Arc::default(),
        };
        files.begin(9).unwrap();
        let left: Vec<_> = recordings(folder.path()).unwrap();
        let names = left
            .iter()
            .filter_map(|(path, _)| path.file_name()?.to_str());
        let numbers: Vec<u64> = names
            .filter_map(|name| name.split('.').next()?.parse().ok())
            .collect();
        assert_eq!(numbers, [2, 3, 9]);
        assert!(folder.path().join("notes.txt").exists());
    }
}
