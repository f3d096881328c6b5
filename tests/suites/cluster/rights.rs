//! Compares the operator's rights in the cluster with what it did, by the API server's audit log.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::Cluster;

/// One permitted action on one kind of object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{} {}{dot}{}", self.verb, self.resource, self.group)
    }
}

/// Fails if any request was refused, and returns the rights of `role` that were never used.
pub(crate) async fn check(cluster: &Cluster, role: &str) -> Result<String> {
    let Some(log) = cluster.audit_log() else {
        return Ok("rights: not checked, this cluster's record is out of reach".to_owned());
    };
    let user = format!("system:serviceaccount:{}:{role}", cluster.namespace());
    let log = std::fs::read_to_string(&log).with_context(|| log.display().to_string())?;
    let entries: Vec<Value> = log
        .lines()
        .filter(|line| line.contains(&user))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(!entries.is_empty(), "{user} asked for nothing: {log}");
    let refused: Vec<String> = entries
        .iter()
        .filter(|entry| entry["responseStatus"]["code"] == 403)
        .map(|entry| format!("{} {}", entry["verb"], entry["requestURI"]))
        .collect();
    ensure!(refused.is_empty(), "refused: {}", refused.join(", "));
    let used: BTreeSet<Right> = entries.iter().flat_map(used).collect();
    let granted = granted(&cluster.get(&["role", role]).await?);
    ensure!(granted.is_superset(&used), "{used:?} is not in {granted:?}");
    let unused: Vec<String> = granted.difference(&used).map(Right::to_string).collect();
    Ok(format!(
        "rights: {} of {} used, nothing refused; not used in this run: {}",
        used.len(),
        granted.len(),
        unused.join(", ")
    ))
}

/// The rights that a request needed. A patch that created its object needed the right to create it
/// too.
fn used(entry: &Value) -> Vec<Right> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &entry["objectRef"];
    if object.is_null() {
        return Vec::new();
    }
    let resource = match object["subresource"].as_str() {
        Some(part) => format!("{}/{part}", text(&object["resource"])),
        None => text(&object["resource"]),
    };
    let right = |verb: String| Right {
        group: text(&object["apiGroup"]),
        resource: resource.clone(),
        verb,
    };
    let mut rights = vec![right(text(&entry["verb"]))];
    if entry["responseStatus"]["code"] == 201 {
        rights.push(right("create".to_owned()));
    }
    rights
}

fn granted(role: &Value) -> BTreeSet<Right> {
    let list = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    rights.insert(Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb,
                    });
                }
            }
        }
    }
    rights
}
