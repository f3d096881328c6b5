//! The manifests of a folder: read, checked as an API server would check them, and kept apart, so
//! that one bad document costs no other.
//!
//! Owns what is known of each file. A file that can no longer be read keeps its last good content.
//! Must not decide what a manifest leads to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crds::{InstrumentSetSpec, TickerAccountSpec};

use super::file_fingerprint::FileFingerprint;
use super::manifest::{Document, ManifestObject, read_file};
use super::secret::{SecretError, SecretValues};

/// A file that was not changed for this long is told by its fingerprint to be the same.
const UNCHANGED_FOR: Duration = Duration::from_secs(2);

/// Everything that a folder says.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Accounts by name.
    pub(crate) accounts: BTreeMap<String, ManifestObject<TickerAccountSpec>>,
    /// Sets by name.
    pub(crate) sets: BTreeMap<String, ManifestObject<InstrumentSetSpec>>,
    /// Secrets by name; of one that cannot be read the last good one counts.
    pub(crate) secrets: BTreeMap<String, Result<SecretValues, SecretError>>,
    /// What could not be used, as `FILE: why`.
    pub(crate) problems: Vec<String>,
    /// Whether a file's content is not known at all: what it said before this start may be missing
    /// above.
    pub(crate) incomplete: bool,
}

/// A folder and the last good content of its files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: BTreeMap<PathBuf, Vec<Document>>,
    /// Of files that need not be read again: how they looked when they were.
    fingerprints: BTreeMap<PathBuf, FileFingerprint>,
    /// By kind and name: the file that each object was taken from.
    owners: BTreeMap<(&'static str, String), PathBuf>,
}

impl Folder {
    /// A folder of which nothing was read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Reads every `.yaml`, `.yml` and `.json` file directly in the folder.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<Manifests> {
        let mut manifests = Manifests::default();
        let paths = manifest_files(&self.path)?;
        self.files.retain(|path, _| paths.contains(path));
        self.fingerprints.retain(|path, _| paths.contains(path));
        for path in paths {
            let fingerprint = FileFingerprint::of(&path)
                .filter(|fingerprint| fingerprint.is_older_than(UNCHANGED_FOR));
            if fingerprint.is_some() && fingerprint.as_ref() == self.fingerprints.get(&path) {
                continue;
            }
            self.fingerprints.remove(&path);
            let had_objects = self
                .files
                .get(&path)
                .is_some_and(|documents| !documents.is_empty());
            let documents = read_file(&path).and_then(|documents| {
                // An editor may empty a file before it writes it.
                if documents.is_empty() && had_objects {
                    return Err("is empty: delete it if its objects are to go".to_owned());
                }
                Ok(documents)
            });
            match documents {
                Ok(documents) => {
                    self.files.insert(path.clone(), documents);
                    self.fingerprints
                        .extend(fingerprint.map(|fingerprint| (path, fingerprint)));
                }
                Err(why) => {
                    let kept = self.files.contains_key(&path);
                    let hint = if kept {
                        "; what it said before stays"
                    } else {
                        ""
                    };
                    manifests
                        .problems
                        .push(format!("{}: {why}{hint}", file_name(&path)));
                    manifests.incomplete |= !kept;
                }
            }
        }
        self.choose(&mut manifests);
        if manifests.accounts.is_empty() && manifests.sets.is_empty() {
            manifests.problems.push(format!(
                "{} holds no TickerAccount or InstrumentSet in a .yaml, .yml or .json file",
                self.path.display()
            ));
        }
        Ok(manifests)
    }

    /// Takes each object from the file that had it first. A second file with the same name changes
    /// nothing, wherever it stands in the alphabet.
    fn choose(&mut self, manifests: &mut Manifests) {
        let mut candidates: BTreeMap<(&'static str, &str), Vec<(&PathBuf, &Document)>> =
            BTreeMap::new();
        for (path, documents) in &self.files {
            for document in documents {
                match document.name() {
                    Some(name) => candidates.entry(name).or_default().push((path, document)),
                    None => manifests.add(&file_name(path), document.clone()),
                }
            }
        }
        let mut owners = BTreeMap::new();
        for ((kind, name), candidates) in candidates {
            let key = (kind, name.to_owned());
            let before = self.owners.get(&key);
            let at = candidates
                .iter()
                .position(|(path, _)| Some(*path) == before)
                .unwrap_or(0);
            let (owner, document) = candidates[at];
            manifests.add(&file_name(owner), document.clone());
            for (other, _) in candidates
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != at)
                .map(|it| it.1)
            {
                let (other, owner) = (file_name(other), file_name(owner));
                manifests.problems.push(format!(
                    "{other}: {kind} {name} is in {owner} already; that one counts"
                ));
            }
            owners.insert(key, owner.clone());
        }
        self.owners = owners;
    }
}

impl Manifests {
    fn add(&mut self, file: &str, document: Document) {
        match document {
            Document::Account(name, found) => {
                self.accounts.insert(name, found);
            }
            Document::Set(name, found) => {
                self.sets.insert(name, found);
            }
            Document::Secret(name, credentials) => {
                if let Err(why) = &credentials {
                    self.problems.push(format!("{file}: Secret {name}: {why}"));
                }
                self.secrets.insert(name, credentials);
            }
            Document::Problem(why) => self.problems.push(format!("{file}: {why}")),
        }
    }
}

fn manifest_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let named = path.extension().is_some_and(|extension| {
            extension == "yaml" || extension == "yml" || extension == "json"
        });
        // What cannot be looked at may be a file: reading it says what is wrong.
        let no_file = fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file());
        if named && !no_file && !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
