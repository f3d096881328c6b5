//! No two files of a package import each other, neither directly nor through others.
//!
//! A parent that declares its children or re-exports what they define is no import.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::Modules;
use crate::source::{self, File};

#[test]
fn imports_point_one_way() {
    let mut found = Vec::new();
    for package in source::PACKAGES {
        let arrows = Modules::new(source::files(package)).arrows();
        for circle in circles(&arrows) {
            let within = arrows
                .iter()
                .filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
                .map(|((from, to), path)| format!("    {from} → {to} ({path})"));
            let within: Vec<String> = within.collect();
            found.push(format!(
                "{package}: {} files\n{}",
                circle.len(),
                within.join("\n")
            ));
        }
    }
    assert!(
        found.is_empty(),
        "{} circles of imports:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// The groups of files that reach each other.
fn circles(arrows: &BTreeMap<(String, String), String>) -> BTreeSet<BTreeSet<String>> {
    let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        reach.entry(from).or_default().insert(to);
    }
    let next = reach.clone();
    for reached in reach.values_mut() {
        let mut waiting: Vec<&str> = reached.iter().copied().collect();
        while let Some(file) = waiting.pop() {
            for further in next.get(file).into_iter().flatten() {
                if reached.insert(further) {
                    waiting.push(further);
                }
            }
        }
    }
    let is_in = |file: &str, of: &str| reach.get(of).is_some_and(|reached| reached.contains(file));
    let circular = reach.keys().filter(|file| is_in(file, file));
    let circle = |file: &&str| {
        let others = reach
            .keys()
            .filter(|other| is_in(other, file) && is_in(file, other));
        others.map(|other| (*other).to_owned()).collect()
    };
    circular.map(circle).collect()
}

fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let files = files.iter().map(|(path, text)| File {
        path: (*path).into(),
        tokens: source::tokens(text),
    });
    let found = circles(&Modules::new(files.collect()).arrows());
    found
        .into_iter()
        .map(|circle| circle.into_iter().collect())
        .collect()
}

#[test]
fn a_parent_may_re_export_its_children() {
    let parent = "mod b; mod c; pub use b::B; pub(crate) use c::{C, d};";
    let files = [
        ("lib.rs", "pub mod a;"),
        ("a.rs", parent),
        ("a/b.rs", "pub struct B;"),
        (
            "a/c.rs",
            "use super::B; pub struct C; pub fn d() -> crate::a::B {}",
        ),
    ];
    assert!(circles_of(&files).is_empty());
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; struct A; fn f() { b::g() }"),
        ("a/b.rs", "use super::A; pub fn g() {}"),
    ];
    assert_eq!(circles_of(&files), [["a.rs", "a/b.rs"]]);
}

#[test]
fn a_circle_through_a_third_file_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c; pub struct B;"),
        ("c.rs", "use super::a::{self}; pub struct C;"),
        ("d.rs", "use crate::a::A;"),
    ];
    assert_eq!(circles_of(&files), [["a.rs", "b.rs", "c.rs"]]);
}
