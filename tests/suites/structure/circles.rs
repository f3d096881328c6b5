//! No files of a package import each other in a circle.
//!
//! A module and a child of its own are one thing in two files: the parent declares, re-exports and
//! calls its children, and a child may use what its parent defines. That alone is not a circle; one
//! that leads through another file is.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::Modules;
use crate::source::{self, File};

/// The files of an import, and the path it names.
type Arrows = BTreeMap<(String, String), String>;

#[test]
fn imports_point_one_way() {
    let mut found = Vec::new();
    for package in source::PACKAGES {
        let arrows = Modules::new(source::files(package)).arrows();
        for circle in all_circles(&arrows) {
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

/// The folders directly below a package's root, each with the file that declares it.
#[test]
fn folders_import_each_other_one_way() {
    let mut found = Vec::new();
    for package in source::PACKAGES {
        let mut arrows = Arrows::new();
        for ((from, to), path) in Modules::new(source::files(package)).arrows() {
            let (from, to) = (folder(&from), folder(&to));
            let root = |folder: &str| ["lib", "main"].contains(&folder);
            if from != to && !root(from) && !root(to) {
                arrows.insert((from.to_owned(), to.to_owned()), path);
            }
        }
        let circles = circles(&arrows);
        found.extend(
            circles
                .iter()
                .map(|circle| format!("{package}: {circle:?}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn folder(file: &str) -> &str {
    let end = file.find('/').or_else(|| file.find(".rs"));
    end.map_or(file, |end| &file[..end])
}

/// Circles that remain without the arrows from children to their parents, and those without the arrows
/// back: what leads through another file is in one of the two.
fn all_circles(arrows: &Arrows) -> BTreeSet<BTreeSet<String>> {
    let without = |left_out: fn(&str, &str) -> bool| {
        let kept = arrows.iter().filter(|((from, to), _)| !left_out(from, to));
        circles(
            &kept
                .map(|(arrow, path)| (arrow.clone(), path.clone()))
                .collect(),
        )
    };
    let mut found = without(is_parent);
    found.append(&mut without(|from, to| is_parent(to, from)));
    found
}

/// Whether `parent` declares `child`.
fn is_parent(child: &str, parent: &str) -> bool {
    match child.rsplit_once('/') {
        Some((folder, _)) => parent.strip_suffix(".rs") == Some(folder),
        None => ["lib.rs", "main.rs"].contains(&parent),
    }
}

/// The groups of files that reach each other.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<String>> {
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
    let found = all_circles(&Modules::new(files.collect()).arrows());
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
fn a_parent_and_a_child_may_use_each_other() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; struct A; fn f() { b::g() }"),
        ("a/b.rs", "use super::A; pub fn g() {}"),
    ];
    assert!(circles_of(&files).is_empty());
}

#[test]
fn a_circle_through_a_parent_or_through_a_child_is_found() {
    let through_parent = [
        ("lib.rs", "mod a; mod c;"),
        ("a.rs", "mod b; use crate::c; struct A; fn f() { b::g() }"),
        ("a/b.rs", "use super::A; pub fn g() {}"),
        ("c.rs", "use crate::a::b;"),
    ];
    let through_child = [
        ("lib.rs", "mod a; mod c;"),
        ("a.rs", "mod b; pub struct A; fn f() { b::g() }"),
        ("a/b.rs", "use super::A; use crate::c; pub fn g() {}"),
        ("c.rs", "use crate::a::A;"),
    ];
    for files in [through_parent, through_child] {
        assert_eq!(circles_of(&files).len(), 1);
    }
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
