//! The paths that a file names: its `use` declarations, and paths in the code.

use crate::source::Token;

/// One name that a `use` imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// As written, from its first name on.
    pub(crate) path: Vec<String>,
    /// Its local name; `*` for everything.
    pub(crate) name: String,
    /// Whether others can import it from here.
    pub(crate) public: bool,
}

/// Every `use` of a file, one entry per name.
pub(crate) fn imports(tokens: &[Token]) -> Vec<Import> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut imports = Vec::new();
    for at in uses(&words) {
        // `pub use`, or `pub(…) use`.
        let public = at > 0 && ["pub", ")"].contains(&words[at - 1]);
        tree(&words, at + 1, &[], public, &mut imports);
    }
    imports
}

/// Paths outside of `use` that begin with `crate`, `self`, `super` or a child module.
pub(crate) fn inline_paths(tokens: &[Token], is_child: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut paths = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at] == "use" {
            at += words[at..]
                .iter()
                .position(|word| *word == ";")
                .unwrap_or(0);
        }
        let word = words[at];
        let starts = ["crate", "self", "super"].contains(&word) || is_child(word);
        let inside = at > 0 && (words[at - 1] == "::" || words[at - 1] == "in");
        if starts && !inside && words.get(at + 1) == Some(&"::") {
            let (path, end) = path(&words, at);
            paths.push(path);
            at = end;
        }
        at += 1;
    }
    paths
}

fn uses(words: &[&str]) -> Vec<usize> {
    let found = words.iter().enumerate().filter(|(_, word)| **word == "use");
    found.map(|(at, _)| at).collect()
}

/// Reads names joined by `::`; returns them and where the next word stands.
fn path(words: &[&str], mut at: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    while let Some(word) = words.get(at).filter(|word| is_name(word)) {
        names.push((*word).to_owned());
        at += 1;
        if words.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    (names, at)
}

/// Reads one tree of a `use`; returns where the next word stands.
fn tree(
    words: &[&str],
    at: usize,
    before: &[String],
    public: bool,
    found: &mut Vec<Import>,
) -> usize {
    let (names, mut at) = path(words, at);
    let full = [before, names.as_slice()].concat();
    match words.get(at) {
        Some(&"{") => {
            at += 1;
            while words.get(at).is_some_and(|word| *word != "}") {
                at = tree(words, at, &full, public, found);
                if words.get(at) == Some(&",") {
                    at += 1;
                }
            }
            at + 1
        }
        Some(&"*") => {
            found.push(Import {
                path: full,
                name: "*".to_owned(),
                public,
            });
            at + 1
        }
        Some(&"as") => {
            let name = words
                .get(at + 1)
                .map_or_else(String::new, |name| (*name).to_owned());
            found.push(Import {
                path: whole(full),
                name,
                public,
            });
            at + 2
        }
        _ => {
            let path = whole(full);
            let name = path.last().cloned().unwrap_or_default();
            found.push(Import { path, name, public });
            at.max(1)
        }
    }
}

/// `a::{self}` is `a`.
fn whole(mut path: Vec<String>) -> Vec<String> {
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    path
}

fn is_name(word: &str) -> bool {
    word.chars()
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && word != "as"
}

#[test]
fn every_name_of_a_use_is_found() {
    let text = "use std::io; pub(crate) use self::b::{self, C as D, e::*}; fn f() { super::g::h(); x::y::<z>(); }";
    let tokens = crate::source::tokens(text);
    let found: Vec<String> = imports(&tokens)
        .iter()
        .map(|import| {
            format!(
                "{} {} {}",
                import.path.join("::"),
                import.name,
                import.public
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "std::io io false",
            "self::b b true",
            "self::b::C D true",
            "self::b::e * true"
        ]
    );
    let inline = inline_paths(&tokens, |name| name == "x");
    assert_eq!(inline, [vec!["super", "g", "h"], vec!["x", "y"]]);
}
