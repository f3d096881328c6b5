//! Notifications of the file system about the mounted folders.
//!
//! Owns the watcher. Must not read the folders, which are also polled.

use std::path::PathBuf;
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Notifications of both folders. A folder that does not exist yet is tried again later.
pub(super) struct FolderNotifications {
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl FolderNotifications {
    /// Notifies `changed` of every change; nothing is watched yet.
    pub(super) fn new(changed: &Arc<Notify>) -> Self {
        let changed = Arc::clone(changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "no notifications: folders are polled"));
        Self {
            watcher: watcher.ok(),
            watched: Vec::new(),
        }
    }

    /// Watches those of `folders` that exist.
    pub(super) fn watch(&mut self, folders: [&PathBuf; 2]) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for folder in folders {
            if !self.watched.contains(folder)
                && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.push(folder.clone());
            }
        }
    }
}
