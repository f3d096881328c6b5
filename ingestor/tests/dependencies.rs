//! What the ingestor must not be linked with.

use std::process::Command;

#[test]
fn kubernetes_is_unknown_here() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "ingestor"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains(&"contract"), "the tree was read");
    for name in [
        "kube",
        "kube-client",
        "k8s-openapi",
        "crds",
        "operator",
        "simulator",
    ] {
        assert!(!names.contains(&name), "{name} is linked in");
    }
}
