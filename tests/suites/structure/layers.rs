//! Which package may depend on which: the table, and a check that cargo agrees with it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::source::root;

/// A package and its allowed dependencies.
struct Layer {
    package: &'static str,
    /// Packages of ours that it may name as dependencies, for its tests too.
    may: &'static [&'static str],
    /// What must not be linked into it, not even through others.
    never: &'static [&'static str],
}

/// From the bottom up. A package that is not here fails the test.
const LAYERS: &[Layer] = &[
    Layer {
        package: "kite",
        may: &[],
        never: &["axum", "kube", "redis", "reqwest", "tokio"],
    },
    Layer {
        package: "calendar",
        may: &["kite"],
        never: &["axum", "kube", "redis", "reqwest", "tokio"],
    },
    Layer {
        package: "greeks",
        may: &[],
        never: &["axum", "jiff", "kube", "redis", "reqwest", "serde", "tokio"],
    },
    Layer {
        package: "contract",
        may: &["kite"],
        never: &["axum", "kube", "redis", "reqwest", "tokio"],
    },
    Layer {
        package: "crds",
        may: &[],
        never: &["axum", "kube-client", "redis", "reqwest", "tokio"],
    },
    Layer {
        package: "service",
        may: &[],
        never: &["crds", "k8s-openapi", "kite", "kube", "redis"],
    },
    Layer {
        package: "redis-link",
        may: &["service"],
        never: &[
            "contract",
            "crds",
            "k8s-openapi",
            "kite",
            "kube",
            "tokio-tungstenite",
        ],
    },
    Layer {
        package: "operator",
        may: &["calendar", "contract", "crds", "kite", "service"],
        never: &["ingestor", "redis", "simulator"],
    },
    Layer {
        package: "plugin",
        may: &["calendar", "contract", "crds", "service"],
        never: &["ingestor", "operator", "redis", "simulator"],
    },
    Layer {
        package: "ingestor",
        may: &["contract", "greeks", "kite", "redis-link", "service"],
        never: &[
            "crds",
            "k8s-openapi",
            "kube",
            "kube-client",
            "operator",
            "simulator",
        ],
    },
    Layer {
        package: "gateway",
        may: &["kite", "redis-link", "service"],
        never: &[
            "contract",
            "crds",
            "ingestor",
            "k8s-openapi",
            "kube",
            "operator",
            "simulator",
        ],
    },
    Layer {
        package: "simulator",
        may: &["calendar", "kite", "service"],
        never: &["contract", "crds", "ingestor", "kube", "operator", "redis"],
    },
    Layer {
        package: "tests",
        may: &[
            "calendar",
            "contract",
            "greeks",
            "kite",
            "operator",
            "redis-link",
            "service",
        ],
        never: &["gateway", "ingestor", "simulator"],
    },
];

#[test]
fn packages_depend_only_on_what_the_table_allows() {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(layer) = LAYERS.iter().find(|layer| layer.package == name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if ours.contains(target) && !layer.may.contains(&target) {
                wrong.push(format!("{name} must not depend on {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_forbidden_is_linked_in() {
    let members = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let mut wrong = Vec::new();
    for layer in LAYERS {
        assert!(
            members.contains(&format!("\"name\":\"{}\",\"version\"", layer.package)),
            "there is no package {}",
            layer.package
        );
        let tree = cargo(&[
            "tree",
            "--package",
            layer.package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        let linked: BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(
            linked.contains(layer.package),
            "{}: the tree was not read",
            layer.package
        );
        let forbidden = layer.never.iter().filter(|name| linked.contains(*name));
        wrong.extend(forbidden.map(|name| format!("{name} is linked into {}", layer.package)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}
