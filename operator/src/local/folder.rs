//! The manifests of a folder: read, checked as an API server would check them, and kept apart, so
//! that one bad document costs no other.
//!
//! Owns what is known of each file. A file that can no longer be read keeps its last good content.
//! Must not decide what a manifest leads to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crds::{InstrumentSetSpec, Resource, TickerAccountSpec, Violation};
use serde_json::Value;

use super::secret::{self, Credentials, SecretError};
use super::stamp::Stamp;
use crate::plan::Unreadable;

/// The largest manifest file that is read, in bytes.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// The most documents of one file.
const MOST_DOCUMENTS: usize = 10_000;

/// A file that was not changed for this long is told by its stamp to be the same.
const SETTLED: Duration = Duration::from_secs(2);

/// Everything that a folder says.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Accounts by name.
    pub(crate) accounts: BTreeMap<String, Found<TickerAccountSpec>>,
    /// Sets by name.
    pub(crate) sets: BTreeMap<String, Found<InstrumentSetSpec>>,
    /// Secrets by name; of one that cannot be read the last good one counts.
    pub(crate) secrets: BTreeMap<String, Result<Credentials, SecretError>>,
    /// What could not be used, as `FILE: why`.
    pub(crate) problems: Vec<String>,
    /// Whether a file's content is not known at all: what it said before this start may be missing
    /// above.
    pub(crate) incomplete: bool,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found<Spec> {
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its spec, or why it cannot be used.
    pub(crate) spec: Result<Arc<Spec>, Unreadable>,
}

/// A folder and the last good content of its files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: BTreeMap<PathBuf, Vec<Document>>,
    /// Of files that need not be read again: how they looked when they were.
    stamps: BTreeMap<PathBuf, Stamp>,
    /// By kind and name: the file that each object was taken from.
    owners: BTreeMap<(&'static str, String), PathBuf>,
}

#[derive(Clone, Debug)]
enum Document {
    Account(String, Found<TickerAccountSpec>),
    Set(String, Found<InstrumentSetSpec>),
    Secret(String, Result<Credentials, SecretError>),
    Problem(String),
}

impl Folder {
    /// A folder of which nothing was read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: BTreeMap::new(),
            stamps: BTreeMap::new(),
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
        self.stamps.retain(|path, _| paths.contains(path));
        for path in paths {
            let stamp = Stamp::of(&path).filter(|stamp| stamp.is_older_than(SETTLED));
            if stamp.is_some() && stamp.as_ref() == self.stamps.get(&path) {
                continue;
            }
            self.stamps.remove(&path);
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
                    self.stamps.extend(stamp.map(|stamp| (path, stamp)));
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
        let mut places: BTreeMap<(&'static str, &str), Vec<(&PathBuf, &Document)>> =
            BTreeMap::new();
        for (path, documents) in &self.files {
            for document in documents {
                match document.name() {
                    Some(name) => places.entry(name).or_default().push((path, document)),
                    None => manifests.add(&file_name(path), document.clone()),
                }
            }
        }
        let mut owners = BTreeMap::new();
        for ((kind, name), places) in places {
            let key = (kind, name.to_owned());
            let before = self.owners.get(&key);
            let at = places
                .iter()
                .position(|(path, _)| Some(*path) == before)
                .unwrap_or(0);
            let (owner, document) = places[at];
            manifests.add(&file_name(owner), document.clone());
            for (other, _) in places
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

impl Document {
    /// Kind and name, where it is an object.
    fn name(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Account(name, _) => Some(("TickerAccount", name)),
            Self::Set(name, _) => Some(("InstrumentSet", name)),
            Self::Secret(name, _) => Some(("Secret", name)),
            Self::Problem(_) => None,
        }
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

fn read_file(path: &Path) -> Result<Vec<Document>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST_FILE {
        return Err(format!("is larger than {LARGEST_FILE} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let values = documents(&text)?;
    Ok(values.iter().map(document).collect())
}

/// Reads the documents of a file. `---` at the start of a line divides them wherever it stands.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    let mut line = 1;
    let parts = split_documents(text);
    if parts.len() > MOST_DOCUMENTS {
        return Err(format!("holds more than {MOST_DOCUMENTS} documents"));
    }
    for part in parts {
        // Snippets of the source could show a Secret.
        let options = serde_saphyr::options! { with_snippet: false };
        let parsed: Vec<Value> =
            serde_saphyr::from_multiple_with_options(part, options).map_err(|error| {
                format!(
                    "document at line {line} is no YAML: {}",
                    error.render_with_formatter(&serde_saphyr::UserMessageFormatter)
                )
            })?;
        values.extend(parsed);
        if values.len() > MOST_DOCUMENTS {
            return Err(format!("holds more than {MOST_DOCUMENTS} documents"));
        }
        line += part.lines().count();
    }
    Ok(values)
}

fn split_documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && line.trim_end() == "---" {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts
        .windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

fn document(manifest: &Value) -> Document {
    let text = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if crds::check::is_ours(manifest) {
        return resource(manifest, text("/metadata/name"));
    }
    if text("/kind") == "Secret" && text("/apiVersion") == "v1" {
        let name = text("/metadata/name").to_owned();
        return if name.is_empty() {
            Document::Problem("a Secret has no metadata.name".to_owned())
        } else {
            Document::Secret(name, secret::read(manifest))
        };
    }
    let kind = text("/kind");
    Document::Problem(format!(
        "kind {kind:?} is left out: only TickerAccount, InstrumentSet and Secret are read"
    ))
}

fn resource(manifest: &Value, name: &str) -> Document {
    match crds::check(manifest) {
        Ok(Resource::TickerAccount(account)) => Document::Account(
            name.to_owned(),
            Found {
                labels: account.metadata.labels.unwrap_or_default(),
                spec: Ok(Arc::new(account.spec)),
            },
        ),
        Ok(Resource::InstrumentSet(set)) => Document::Set(
            name.to_owned(),
            Found {
                labels: set.metadata.labels.unwrap_or_default(),
                spec: Ok(Arc::new(set.spec)),
            },
        ),
        Err(violations) => invalid(manifest, name, &violations),
    }
}

fn invalid(manifest: &Value, name: &str, violations: &[Violation]) -> Document {
    let why = unreadable(violations);
    let labels = BTreeMap::new();
    match manifest.get("kind").and_then(Value::as_str) {
        Some("TickerAccount") if !name.is_empty() => Document::Account(
            name.to_owned(),
            Found {
                labels,
                spec: Err(why),
            },
        ),
        Some("InstrumentSet") if !name.is_empty() => Document::Set(
            name.to_owned(),
            Found {
                labels,
                spec: Err(why),
            },
        ),
        _ => Document::Problem(why.to_string()),
    }
}

/// The first violation, and how many more there are.
fn unreadable(violations: &[Violation]) -> Unreadable {
    let Some(first) = violations.first() else {
        return Unreadable {
            field: String::new(),
            problem: "cannot be read".to_owned(),
        };
    };
    let more = match violations.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    Unreadable {
        field: first.field.clone(),
        problem: format!("{}{more}", first.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\n\
                           metadata: {name: acct-a}\nspec: {credentialsSecretRef: {name: s}}\n";
    const SET: &str = "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\n\
                       metadata: {name: nifty}\nspec: {instruments: {tokens: [256265]}}\n";
    const SECRET: &str =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {api_key: fake-key}\n";

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> (Self, Folder) {
            let fixture = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                fixture.write(name, text);
            }
            let folder = Folder::new(fixture.0.path().to_owned());
            (fixture, folder)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).unwrap();
        }
    }

    #[test]
    fn every_document_of_every_file_is_read() {
        let all = format!("{ACCOUNT}---\n{SET}");
        let (_fixture, mut folder) =
            Fixture::new(&[("a.yaml", &all), ("s.yml", SECRET), ("notes.txt", "no")]);
        let manifests = folder.read().unwrap();
        assert!(manifests.accounts["acct-a"].spec.is_ok());
        assert!(manifests.sets["nifty"].spec.is_ok());
        assert!(manifests.secrets.contains_key("s"));
        assert_eq!(manifests.problems, [""; 0]);
    }

    #[test]
    fn a_file_is_read_again_when_it_may_have_changed() {
        let (fixture, mut folder) = Fixture::new(&[("a.yaml", SET)]);
        let file = fixture.0.path().join("a.yaml");
        let set_age = |seconds| {
            let file = fs::File::options().write(true).open(&file).unwrap();
            let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(then).unwrap();
        };
        set_age(1_000);
        folder.read().unwrap();
        // Neither time nor length tell of this one.
        let other = SET.replace("nifty", "other");
        fixture.write("a.yaml", &other);
        set_age(1_000);
        assert!(folder.read().unwrap().sets.contains_key("nifty"));
        set_age(1_001);
        assert!(folder.read().unwrap().sets.contains_key("other"));
        // Changed just now: it may change again within the same moment.
        fixture.write("a.yaml", SET);
        assert!(folder.read().unwrap().sets.contains_key("nifty"));
        fixture.write("a.yaml", &other);
        assert!(folder.read().unwrap().sets.contains_key("other"));
    }

    #[test]
    fn a_file_of_countless_documents_is_refused() {
        let many = "---\na: 1\n".repeat(MOST_DOCUMENTS + 2);
        let (_fixture, mut folder) = Fixture::new(&[("a.yaml", &many)]);
        let problems = folder.read().unwrap().problems;
        assert!(
            problems[0].contains("more than 10000 documents"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_malformed_object_is_that_one_alone() {
        let bad = SET.replace("256265", "-1").replace("nifty", "bad");
        let (_fixture, mut folder) = Fixture::new(&[("a.yaml", &format!("{bad}---\n{SET}"))]);
        let manifests = folder.read().unwrap();
        let why = manifests.sets["bad"].spec.as_ref().unwrap_err();
        assert!(why.field.starts_with("spec.instruments.tokens"), "{why}");
        assert!(manifests.sets["nifty"].spec.is_ok());
    }

    #[test]
    fn a_file_that_breaks_keeps_what_it_said() {
        let (fixture, mut folder) = Fixture::new(&[("a.yaml", SET)]);
        folder.read().unwrap();
        fixture.write("a.yaml", "{ broken");
        let manifests = folder.read().unwrap();
        assert!(manifests.sets.contains_key("nifty") && !manifests.incomplete);
        assert!(manifests.problems[0].starts_with("a.yaml: document at line 1 is no YAML"));
        fs::remove_file(fixture.0.path().join("a.yaml")).unwrap();
        assert!(folder.read().unwrap().sets.is_empty());
    }

    #[test]
    fn a_file_that_was_never_good_makes_the_picture_incomplete() {
        let (_fixture, mut folder) = Fixture::new(&[("a.yaml", "{ broken"), ("b.yaml", SET)]);
        let manifests = folder.read().unwrap();
        assert!(manifests.incomplete && manifests.sets.contains_key("nifty"));
    }

    #[test]
    fn a_broken_secret_is_never_shown() {
        let broken = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  \
                      api_key: \"fake-key\n  access_token: fake-token\n";
        let (_fixture, mut folder) = Fixture::new(&[("s.yaml", broken)]);
        let problems = folder.read().unwrap().problems.join("\n");
        assert!(
            !problems.is_empty() && !problems.contains("fake"),
            "{problems}"
        );
    }

    #[test]
    fn what_stands_twice_and_what_is_foreign_is_said() {
        let (_fixture, mut folder) = Fixture::new(&[
            ("a.yaml", SET),
            ("b.yaml", SET),
            (
                "c.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
            ),
        ]);
        let problems = folder.read().unwrap().problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|it| it == "b.yaml: InstrumentSet nifty is in a.yaml already; that one counts"));
        assert!(problems.iter().any(|it| it.contains("ConfigMap")));
    }

    #[test]
    fn a_second_file_with_the_same_name_changes_nothing() {
        let (fixture, mut folder) = Fixture::new(&[("m.yaml", SET)]);
        let before = folder.read().unwrap().sets;
        fixture.write("a.yaml", &SET.replace("256265", "260105"));
        let manifests = folder.read().unwrap();
        assert_eq!(manifests.sets, before);
        assert_eq!(manifests.problems.len(), 1);
        fs::remove_file(fixture.0.path().join("m.yaml")).unwrap();
        assert_ne!(folder.read().unwrap().sets, before);
    }

    #[test]
    fn a_file_that_cannot_be_looked_at_or_is_empty_keeps_what_it_said() {
        let (fixture, mut folder) = Fixture::new(&[("target", SET)]);
        let (target, link) = (
            fixture.0.path().join("target"),
            fixture.0.path().join("a.yaml"),
        );
        std::os::unix::fs::symlink(&target, &link).unwrap();
        folder.read().unwrap();
        fs::write(&target, "").unwrap();
        let manifests = folder.read().unwrap();
        assert!(manifests.sets.contains_key("nifty"));
        assert!(
            manifests.problems[0].starts_with("a.yaml: is empty"),
            "{:?}",
            manifests.problems
        );
        fs::remove_file(&target).unwrap();
        let manifests = folder.read().unwrap();
        assert!(manifests.sets.contains_key("nifty") && manifests.problems.len() == 1);
        fs::remove_file(&link).unwrap();
        assert!(folder.read().unwrap().sets.is_empty());
    }
}
