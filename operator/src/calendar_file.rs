//! The calendar that is in force: what is built in, with the rows of a file over it.
//!
//! Owns reading the file again when it changes; a file that is no calendar changes nothing. Must not decide anything by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use calendar::{Calendar, CalendarError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the file is looked at: that of a ConfigMap changes within a minute anyway.
const REREAD_INTERVAL: Duration = Duration::from_secs(2);

/// Why there is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum CalendarFileError {
    /// The file cannot be read.
    #[error("the calendar {} (--calendar, CALENDAR) cannot be read", .path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no calendar.
    #[error("{0}")]
    Invalid(#[from] CalendarError),
}

/// The file, and who is told of its content.
#[derive(Debug)]
pub struct CalendarFile {
    path: Option<PathBuf>,
    /// What it said when it was read last, right or wrong.
    text: String,
    current: watch::Sender<Arc<Calendar>>,
}

impl CalendarFile {
    /// Reads the calendar; without a file it is what is built in.
    ///
    /// # Errors
    /// When the file cannot be read, or is no calendar.
    pub fn open(path: Option<PathBuf>) -> Result<Self, CalendarFileError> {
        let mut text = String::new();
        let calendar = match &path {
            None => Calendar::india().clone(),
            Some(path) => {
                text = read(path)?;
                Calendar::india().with(&text, &name(path))?
            }
        };
        Ok(Self {
            path,
            text,
            current: watch::Sender::new(Arc::new(calendar)),
        })
    }

    /// The calendar in force, and every one after it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Calendar>> {
        self.current.subscribe()
    }

    /// Follows the file until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let Some(path) = self.path.take() else {
            return stop.cancelled().await;
        };
        let mut unreadable = false;
        while stop
            .run_until_cancelled(tokio::time::sleep(REREAD_INTERVAL))
            .await
            .is_some()
        {
            match read(&path) {
                Ok(text) => {
                    unreadable = false;
                    self.take(text, &path);
                }
                Err(error) if !unreadable => {
                    unreadable = true;
                    tracing::error!(error = %service::exit::chain(&error), "the calendar before stays");
                }
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, text: String, path: &Path) {
        if text == self.text {
            return;
        }
        match Calendar::india().with(&text, &name(path)) {
            Ok(calendar) => {
                tracing::info!(until = %calendar.until(), "another calendar is in force");
                self.current.send_replace(Arc::new(calendar));
            }
            Err(error) => tracing::error!(%error, "the calendar before stays"),
        }
        self.text = text;
    }
}

fn read(path: &Path) -> Result<String, CalendarFileError> {
    fs::read_to_string(path).map_err(|source| CalendarFileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The name of the file, for its errors.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_calendar_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calendar.yaml");
        let storm =
            "version: 1\nclosed:\n  - { date: 2026-12-01, exchanges: [NFO], name: storm }\n";
        fs::write(&path, storm).unwrap();
        let mut file = CalendarFile::open(Some(path.clone())).unwrap();
        let mut current = file.watch();
        let closes = |calendar: &Calendar| {
            let nfo = calendar.class("NFO").unwrap();
            !calendar.is_trading_day(nfo, jiff::civil::date(2026, 12, 1))
        };
        assert!(closes(&current.borrow_and_update()));
        file.take("version: 1\nclosed: nothing\n".to_owned(), &path);
        assert!(!current.has_changed().unwrap() && closes(&current.borrow_and_update()));
        file.take("version: 1\n".to_owned(), &path);
        assert!(current.has_changed().unwrap() && !closes(&current.borrow_and_update()));
    }

    #[test]
    fn a_start_with_a_wrong_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("our.yaml");
        let missing = CalendarFile::open(Some(path.clone())).unwrap_err();
        assert!(missing.to_string().contains("--calendar"), "{missing}");
        fs::write(&path, "version: 1\nclosed:\n  - { date: 2026-13-01 }\n").unwrap();
        let wrong = CalendarFile::open(Some(path)).unwrap_err().to_string();
        assert!(wrong.starts_with("our.yaml:3: closed[0].date:"), "{wrong}");
    }
}
