//! One word, one meaning: no public type has the name of a type in another package.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Token};

/// Names that two packages may share, at most ten, each with a reason.
const SHARED: &[(&str, &str)] = &[];

#[test]
fn no_public_type_is_named_in_two_packages() {
    assert!(SHARED.len() <= 10);
    let mut packages: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for package in source::PACKAGES {
        for file in source::files(package) {
            for name in public_types(&file.tokens) {
                packages.entry(name).or_default().insert(package);
            }
        }
    }
    packages.retain(|_, packages| packages.len() > 1);
    let mut twice: Vec<String> = Vec::new();
    for (name, _) in SHARED {
        if packages.remove(*name).is_none() {
            twice.push(format!("{name} is no longer shared: take it from the list"));
        }
    }
    twice.extend(
        packages
            .iter()
            .map(|(name, which)| format!("{name}: {which:?}")),
    );
    assert!(
        twice.is_empty(),
        "{} public type names of two packages or more:\n{}",
        twice.len(),
        twice.join("\n")
    );
}

fn public_types(tokens: &[Token]) -> Vec<String> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let types = words.windows(3).filter_map(|three| match three {
        ["pub", "struct" | "enum" | "trait" | "type" | "union", name] => Some((*name).to_owned()),
        _ => None,
    });
    types.collect()
}

#[test]
fn only_types_that_others_see_count() {
    let text =
        "pub struct A; pub(crate) struct B; pub enum C {} struct D; pub trait E {} pub fn f() {}";
    assert_eq!(public_types(&source::tokens(text)), ["A", "C", "E"]);
}
