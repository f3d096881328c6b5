//! What the ingestor and the link to Redis must not be linked with.

#![allow(
    clippy::unwrap_used,
    reason = "a tree that cannot be read fails its test"
)]

use std::process::Command;

/// Names of the packages that `package` is linked with, itself included.
fn tree(package: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", package])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn assert_without(package: &str, known: &str, unknown: &[&str]) {
    let names = tree(package);
    assert!(names.iter().any(|name| name == known), "the tree was read");
    for name in unknown {
        assert!(
            !names.iter().any(|other| other == name),
            "{name} is linked into {package}"
        );
    }
}

#[test]
fn kubernetes_is_unknown_here() {
    let unknown = [
        "kube",
        "kube-client",
        "k8s-openapi",
        "crds",
        "operator",
        "simulator",
    ];
    assert_without("ingestor", "contract", &unknown);
}

#[test]
fn the_link_knows_nothing_of_ours_but_the_service() {
    let unknown = [
        "kite",
        "contract",
        "crds",
        "ingestor",
        "operator",
        "simulator",
        "kube",
        "tokio-tungstenite",
    ];
    assert_without("redis-link", "service", &unknown);
}
