//! Every code block of the documents is run or checked by a test, and every link has a target.
//!
//! Blocks of YAML, Python, JavaScript, Go and JSON are found by their language. A command has to be in the table
//! below, with the test that runs it; a block of text, with what it shows.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use tests::documents::{self, Block};

/// How a command is tested.
enum Proof {
    /// The test in this file takes the command from the document, by this beginning, and runs it.
    Runs(&'static str),
    /// The test in this file runs the same command, in these words.
    Same(&'static str, &'static str),
    /// A target of the Makefile; no test runs it, for this reason.
    Target(#[expect(dead_code, reason = "for readers of the table")] &'static str),
}
use Proof::{Runs, Same, Target};

const DOCUMENTED: &str = "tests/suites/local/documented.rs";
const GATEWAY: &str = "tests/suites/gateway/documented.rs";
const IMAGES: &str = "tests/suites/cluster/images.rs";
const PLUGIN: &str = "tests/suites/local/plugin.rs";
const LOGIN: &str = "tests/suites/cluster/login.rs";
const KUBECTL: &str = "tests/suites/cluster/kubectl.rs";
const STAGE: &str = "tests/suites/cluster/stage.rs";

/// Commands by their beginning, by which tests take them from a document.
const COMMANDS: &[(&str, Proof)] = &[
    (
        "make demo",
        Same("tests/suites/local/demo.rs", ".arg(\"demo\")"),
    ),
    ("make test", Same(".ci/run", "exec make test")),
    ("make check", Target("a part of make test")),
    ("make quick", Target("parts of make test")),
    (
        "make build",
        Target("an optimised build of what make test builds; make bench runs its programs"),
    ),
    (
        "make bench",
        Target("measures for minutes, and asserts nothing"),
    ),
    ("make images TAG=", Runs(IMAGES)),
    ("tests/cluster/buildah push localhost/", Runs(IMAGES)),
    ("helm upgrade --install kite-ticker-crds ", Runs(STAGE)),
    ("helm upgrade --install kite-ticker ", Runs(STAGE)),
    ("helm --namespace ticker uninstall ", Runs(STAGE)),
    (
        "kubectl --namespace ticker delete iset --all",
        Same(STAGE, "\"delete iset --all\""),
    ),
    (
        "kubectl --namespace ticker delete tka --all",
        Same(STAGE, "\"delete tka --all\""),
    ),
    ("kubectl delete crd ", Runs(KUBECTL)),
    (
        "kubectl --namespace ticker create secret generic ",
        Runs(KUBECTL),
    ),
    (
        "kubectl --namespace ticker apply --server-side -f ",
        Runs(KUBECTL),
    ),
    ("kubectl --namespace ticker wait ", Runs(KUBECTL)),
    (
        "kubectl --namespace ticker get tka,iset -o wide",
        Runs(KUBECTL),
    ),
    (
        "kubectl --namespace ticker get tka -o 'custom-columns=",
        Runs(KUBECTL),
    ),
    (
        "kubectl --namespace ticker logs deploy/kite-ticker-operator",
        Runs(KUBECTL),
    ),
    ("kubectl explain ", Runs(KUBECTL)),
    ("kubectl --namespace ticker annotate ", Runs(KUBECTL)),
    ("kubectl --namespace ticker patch iset ", Runs(KUBECTL)),
    ("helm upgrade kite-ticker ", Runs(LOGIN)),
    ("kubectl kiteticker login ", Runs(LOGIN)),
    ("echo TOKEN | kubectl kiteticker token set ", Runs(LOGIN)),
    (
        "kubectl kiteticker status",
        Same(PLUGIN, ".says(&[\"status\"])"),
    ),
    ("kubectl kiteticker top", Same(PLUGIN, ".says(&[\"top\"])")),
    (
        "kubectl kiteticker explain iset/",
        Same(PLUGIN, ".says(&[\"explain\", \"iset/"),
    ),
    (
        "kubectl kiteticker explain tka/",
        Same(PLUGIN, ".says(&[\"explain\", \"tka/"),
    ),
    (
        "kubectl kiteticker find ",
        Same(PLUGIN, ".says(&[\"find\", \"nifty\", strike, \"ce\"])"),
    ),
    (
        "kubectl kiteticker plan --dry-run -f ",
        Same(PLUGIN, ".says(&[\"plan\", \"--dry-run\", \"-f\""),
    ),
    (
        "kubectl kiteticker calendar ",
        Same(PLUGIN, ".says(&[\"calendar\", \"2026-12-25\"])"),
    ),
    ("kubectl kiteticker report", Same(PLUGIN, "&[\"report\", ")),
    ("head -c 32 /dev/urandom ", Runs(GATEWAY)),
    ("kite-gateway --redis-url ", Runs(GATEWAY)),
    ("kite-gateway token ", Runs(GATEWAY)),
    ("redis-cli CONFIG SET ", Runs(DOCUMENTED)),
    (
        "target/release/kite-operator local -f FOLDER --redis-url ",
        Runs(DOCUMENTED),
    ),
    (
        "target/release/kite-operator local -f FOLDER --record ",
        Runs(DOCUMENTED),
    ),
    ("target/release/kite-simulator serve", Runs(DOCUMENTED)),
    ("target/release/kite-simulator symbols", Runs(DOCUMENTED)),
    ("target/release/kite-simulator replay ", Runs(DOCUMENTED)),
];

/// Blocks of text by document and first words, and what they are.
const TEXTS: &[(&str, &str, &str)] = &[
    ("README.md", "TickerAccount ──┐", "a picture"),
    (
        "README.md",
        "ACCOUNT READY REASON",
        "output of make demo; its header is checked in documented.rs",
    ),
    (
        "README.md",
        "$ kubectl get tka,iset",
        "output; kubectl.rs checks the columns",
    ),
    (
        "docs/operations.md",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1",
        "cluster/health.rs evaluates it on objects of the cluster",
    ),
    (
        "docs/operations.md",
        "apiVersion: v1 kind: ConfigMap metadata: name: argocd-cm",
        "cluster/health.rs evaluates it on objects of the cluster",
    ),
    (
        "docs/calendar.md",
        "version: 1 until:",
        "a calendar; suites/calendar.rs reads it",
    ),
    ("docs/architecture.md", "kubectl / GitOps", "a picture"),
    (
        "docs/architecture.md",
        "operator ──▶",
        "a picture of what structure/layers.rs checks",
    ),
    (
        "docs/gateway.md",
        "+subscribe +unsubscribe",
        "rights; the reader of every test of the gateway has them",
    ),
    (
        "docs/resources.md",
        "+publish +@connection",
        "rights; documented.rs streams with them",
    ),
    (
        "docs/resources.md",
        "$ kubectl get tka,iset",
        "output; kubectl.rs checks the columns",
    ),
];

#[test]
fn every_block_is_run_or_checked() -> Result<()> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for block in documents::all_blocks()? {
        match block.language.as_str() {
            // documented.rs and reader.rs take all of these.
            "python" | "js" | "go" | "json" => {}
            "yaml" if block.is_manifest() => {}
            "yaml" => wrong.extend(text(&block, &mut used)),
            "sh" => wrong.extend(commands(&block, &mut used)?),
            "text" => wrong.extend(text(&block, &mut used)),
            other => wrong.push(at(&block, &format!("a block of {other:?}"))),
        }
    }
    for start in COMMANDS.iter().map(|(start, _)| *start) {
        if !used.contains(start) {
            wrong.push(format!("no document has {start:?} any more"));
        }
    }
    for (document, start, _) in TEXTS {
        if !used.contains(&*format!("{document} {start}")) {
            wrong.push(format!("{document} has no {start:?} any more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn commands(block: &Block, used: &mut BTreeSet<String>) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let makefile = documents::read("Makefile")?;
    for command in block.commands() {
        let target = command
            .strip_prefix("make ")
            .and_then(|rest| rest.split(' ').next());
        if let Some(target) = target.filter(|target| !makefile.contains(&format!("\n{target}: "))) {
            wrong.push(at(block, &format!("the Makefile has no {target:?}")));
        }
        let rows = COMMANDS
            .iter()
            .filter(|(start, _)| command.starts_with(start));
        let Some((start, proof)) = rows.max_by_key(|(start, _)| start.len()) else {
            wrong.push(at(block, &format!("no test runs {command:?}")));
            continue;
        };
        used.insert((*start).to_owned());
        let (file, words) = match proof {
            Runs(file) => (*file, format!("{start:?}")),
            Same(file, words) => (*file, (*words).to_owned()),
            Target(_) => continue,
        };
        if !documents::read(file)?.contains(&words) {
            wrong.push(at(block, &format!("{file} has no {words:?}")));
        }
    }
    Ok(wrong)
}

fn text(block: &Block, used: &mut BTreeSet<String>) -> Option<String> {
    let words: Vec<&str> = block.text.split_whitespace().collect();
    let words = words.join(" ");
    let row = TEXTS
        .iter()
        .find(|(document, start, _)| *document == block.document && words.starts_with(start));
    match row {
        Some((document, start, _)) => {
            used.insert(format!("{document} {start}"));
            None
        }
        None => Some(at(block, "nothing says what this text is")),
    }
}

fn at(block: &Block, what: &str) -> String {
    format!("{}:{}: {what}", block.document, block.line)
}

/// The same command is written in the same way in every place.
#[test]
fn commands_that_are_shown_twice_are_the_same() -> Result<()> {
    let readme = documents::commands("README.md", "helm ")?;
    assert_eq!(
        readme,
        documents::commands("docs/install.md", "helm upgrade ")?
    );
    Ok(())
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let mut wrong = Vec::new();
    for document in documents::documents()? {
        let text = documents::read(&document)?;
        // Text in code is not a link.
        let text: String = text.split('`').step_by(2).collect();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = std::path::Path::new(&document)
                .parent()
                .context("no folder")?;
            let target = if file.is_empty() {
                document.clone().into()
            } else {
                folder.join(file)
            };
            let found = documents::root().join(&target);
            let has_heading = || {
                let text = std::fs::read_to_string(&found).unwrap_or_default();
                text.lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line) == heading)
            };
            if !found.exists() || !heading.is_empty() && !has_heading() {
                wrong.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title
        .chars()
        .filter(|letter| letter.is_alphanumeric() || [' ', '-'].contains(letter));
    kept.collect::<String>().replace(' ', "-")
}
