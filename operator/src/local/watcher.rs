//! Notifies of changes in a folder of manifests.

use std::path::Path;

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::REREAD_INTERVAL;

/// Notifies of changes in the folder. Without a watcher only the regular reading finds them.
pub(super) fn watch_folder(
    folder: &Path,
) -> (Option<notify::RecommendedWatcher>, mpsc::Receiver<()>) {
    let (changed, changes) = mpsc::channel(1);
    let notify_change = move |event: notify::Result<notify::Event>| {
        // Reading the folder is an event too and must not cause another reading.
        if event.map_or(true, |event| !event.kind.is_access()) {
            // A full channel already has a notification.
            let _sent = changed.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(notify_change).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => (Some(watcher), changes),
        Err(error) => {
            tracing::warn!(%error, "the folder cannot be watched: it is read every {REREAD_INTERVAL:?}");
            (None, changes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DEBOUNCE;
    use super::super::folder::Folder;
    use super::*;

    #[tokio::test]
    async fn changes_are_sent_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let (_watcher, mut changes) = watch_folder(folder.path());
        let mut reader = Folder::new(folder.path().to_owned());
        reader.read().unwrap();
        std::fs::write(&file, "a: 2").unwrap();
        changes.recv().await.unwrap();
        // One write is several events; whatever they were, reading adds none.
        while tokio::time::timeout(DEBOUNCE, changes.recv()).await.is_ok() {}
        reader.read().unwrap();
        let change = tokio::time::timeout(DEBOUNCE, changes.recv()).await;
        assert!(change.is_err(), "reading the folder was taken for a change");
    }
}
