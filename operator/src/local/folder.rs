//! The manifests of a folder: read, checked as an API server would check them, and kept separately,
//! so that a bad document does not affect others.
//!
//! Owns what is known of each file. A file that can no longer be read keeps its last valid content.
//! Must not decide what follows from a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crds::{InstrumentSetSpec, TickerAccountSpec};

use super::file_fingerprint::FileFingerprint;
use crate::manifest::{Document, ManifestObject, SecretError, SecretValues, read_file};

/// Only for a file that has not changed for this long is an equal fingerprint trusted.
const UNCHANGED_FOR: Duration = Duration::from_secs(2);

/// The content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Accounts by name.
    pub(crate) accounts: BTreeMap<String, ManifestObject<TickerAccountSpec>>,
    /// Sets by name.
    pub(crate) sets: BTreeMap<String, ManifestObject<InstrumentSetSpec>>,
    /// Secrets by name; for one that cannot be read, the last valid one is used.
    pub(crate) secrets: BTreeMap<String, Result<SecretValues, SecretError>>,
    /// What could not be used, as `FILE: why`.
    pub(crate) problems: Vec<String>,
    /// Whether the content of a file is not known: objects that it defined before this start may be
    /// missing above.
    pub(crate) incomplete: bool,
    /// Whether a document that is meant for this program is not used.
    pub(crate) unused: bool,
}

/// A folder and the last valid content of its files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: BTreeMap<PathBuf, Vec<Document>>,
    /// Fingerprints of files that need not be read again.
    fingerprints: BTreeMap<PathBuf, FileFingerprint>,
    /// The folders in it, of which the log says that they are not read.
    unread: BTreeSet<PathBuf>,
    /// By kind and name: the file that defines each object.
    owners: BTreeMap<(&'static str, String), PathBuf>,
}

impl Folder {
    /// A folder that has not been read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            unread: BTreeSet::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads every `.yaml`, `.yml` and `.json` file directly in the folder.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<Manifests> {
        let mut manifests = Manifests::default();
        let (paths, folders) = manifest_files(&self.path)?;
        for folder in folders {
            if self.unread.insert(folder.clone()) {
                let folder = folder.display();
                tracing::info!(%folder, "not read: only files directly in the folder of manifests are");
            }
        }
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
                .is_some_and(|documents| documents.iter().any(|it| it.name().is_some()));
            let documents = read_file(&path).and_then(|documents| {
                // An editor may empty a file before it writes it.
                match (documents.is_empty(), had_objects) {
                    (false, _) => Ok(documents),
                    (true, true) => {
                        Err("is empty: delete the file to remove its objects".to_owned())
                    }
                    (true, false) => Ok(vec![Document::Foreign("is empty".to_owned())]),
                }
            });
            match documents {
                Ok(mut documents) => {
                    self.keep_former(&path, &mut documents);
                    self.files.insert(path.clone(), documents);
                    self.fingerprints
                        .extend(fingerprint.map(|fingerprint| (path, fingerprint)));
                }
                Err(why) => {
                    let kept = self.files.contains_key(&path);
                    let hint = if kept {
                        "; its last valid content stays in force"
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

    /// Where a document of a file cannot be used, objects of its last valid content may be meant by it: those that are missing
    /// stay in force.
    fn keep_former(&self, path: &Path, documents: &mut Vec<Document>) {
        let unusable = |it: &Document| matches!(it, Document::Unusable(_));
        if !documents.iter().any(unusable) {
            return;
        }
        let former = self.files.get(path).into_iter().flatten();
        let former = former.filter(|former| {
            let is_there = documents.iter().any(|it| it.name() == former.name());
            former.name().is_some() && !is_there
        });
        let former: Vec<Document> = former.cloned().collect();
        let names = former.iter().filter_map(Document::name);
        let names: Vec<String> = names.map(|(kind, name)| format!("{kind} {name}")).collect();
        documents.extend(former);
        if !names.is_empty() {
            let names = names.join(", ");
            let why = format!("a document cannot be used: {names} stays in force as it was");
            documents.push(Document::Foreign(why));
        }
    }

    /// Takes each object from the file that defined it first. A second file that defines it changes
    /// nothing, whatever its name.
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
            for (_, (other, _)) in candidates.iter().enumerate().filter(|it| it.0 != at) {
                let (other, owner) = (file_name(other), file_name(owner));
                let which = if other == owner {
                    format!("stands twice; the first one in {owner} is used")
                } else {
                    format!("is already defined in {owner}; that one is used")
                };
                manifests.unused = true;
                manifests
                    .problems
                    .push(format!("{other}: {kind} {name} {which}"));
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
            Document::Foreign(why) => self.problems.push(format!("{file}: {why}")),
            Document::Unusable(why) => {
                self.unused = true;
                self.problems.push(format!("{file}: {why}"));
            }
        }
    }
}

/// The files to read, and the folders that are not.
fn manifest_files(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut paths, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let named = ["yaml", "yml", "json"].iter().any(|it| extension == *it);
        if file_name(&path).starts_with('.') {
            continue;
        }
        // If the metadata cannot be read it may be a file: reading it gives the error.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => folders.push(path),
            Ok(metadata) if !metadata.is_file() => {}
            Ok(_) | Err(_) if named => paths.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    paths.sort();
    folders.sort();
    Ok((paths, folders))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
