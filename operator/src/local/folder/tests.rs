use super::*;
use crate::manifest::MAX_DOCUMENTS;

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
    let many = "---\na: 1\n".repeat(MAX_DOCUMENTS + 2);
    let (_fixture, mut folder) = Fixture::new(&[("a.yaml", &many)]);
    let problems = folder.read().unwrap().problems;
    assert!(
        problems[0].contains("more than 10000 documents"),
        "{problems:?}"
    );
}

#[test]
fn the_objects_of_a_list_count_like_documents() {
    let list = |count| format!("kind: List\nitems:\n{}", "- a: 1\n".repeat(count));
    let (fixture, mut folder) = Fixture::new(&[("a.yaml", &list(MAX_DOCUMENTS + 1))]);
    let problems = folder.read().unwrap().problems;
    assert!(
        problems[0].contains("more than 10000 objects"),
        "{problems:?}"
    );
    fixture.write("a.yaml", &list(MAX_DOCUMENTS));
    let problems = folder.read().unwrap().problems;
    assert!(!problems[0].contains("more than"), "{problems:?}");
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
    assert!(manifests.problems[0].starts_with("a.yaml: document at line 1 is not valid YAML"));
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
    assert!(problems.iter().any(
        |it| it == "b.yaml: InstrumentSet nifty is already defined in a.yaml; that one is used"
    ));
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

/// As `kubectl get -o yaml` prints them, and as people keep them.
#[test]
fn lists_are_read_and_what_is_not_read_is_said() {
    let item = |text: &str| {
        let indented = text.replace('\n', "\n  ");
        format!("- {}", indented.trim_end())
    };
    let set = SET.replace("{name: nifty}", "{name: nifty, namespace: ticker}");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}\n{}\n",
        item(ACCOUNT),
        item(&set)
    );
    let (fixture, mut folder) = Fixture::new(&[("all.YAML", &list), ("none.yaml", "# nothing\n")]);
    fs::create_dir(fixture.0.path().join("more")).unwrap();
    let manifests = folder.read().unwrap();
    assert!(manifests.accounts["acct-a"].spec.is_ok());
    assert!(manifests.sets["nifty"].spec.is_ok());
    assert!(folder.unread.contains(&fixture.0.path().join("more")));
    assert_eq!(
        manifests.problems,
        [
            "all.YAML: metadata.namespace is ignored: without Kubernetes there is one namespace",
            "none.yaml: is empty",
        ]
    );
}

/// A typing error in the kind or the name of a document does not end what it said before.
#[test]
fn a_document_that_cannot_be_used_any_more_keeps_what_it_said() {
    let both = format!("{SET}---\n{ACCOUNT}");
    let broken = [
        both.replace("kind: InstrumentSet", "kind: InstrumentSett"),
        both.replace("{name: nifty}", "{name: 7}"),
        both.replace("{name: nifty}", "{}"),
        format!("- nifty\n---\n{ACCOUNT}"),
    ];
    for text in broken {
        let (fixture, mut folder) = Fixture::new(&[("a.yaml", &both)]);
        assert!(folder.read().unwrap().sets.contains_key("nifty"));
        fixture.write("a.yaml", &text);
        for _ in 0..2 {
            let manifests = folder.read().unwrap();
            assert!(manifests.sets.contains_key("nifty"), "{text}");
            let said = manifests.problems.join("\n");
            let kept = "InstrumentSet nifty stays in force as it was";
            assert!(manifests.unused && said.contains(kept), "{said}");
        }
        // Another one in its place, without any such document, is meant so.
        fixture.write("a.yaml", &both.replace("{name: nifty}", "{name: bank}"));
        let names = folder.read().unwrap().sets.into_keys();
        assert_eq!(names.collect::<Vec<_>>(), ["bank"], "{text}");
    }
}
