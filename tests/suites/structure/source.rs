//! Rust files as tokens, without comments, text and tests.
//!
//! Owns reading the workspace's sources. Must not know what the tokens mean beyond what is a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Packages with a `src` folder whose structure is checked.
pub(crate) const PACKAGES: [&str; 12] = [
    "calendar",
    "contract",
    "crds",
    "gateway",
    "greeks",
    "ingestor",
    "kite",
    "operator",
    "plugin",
    "redis-link",
    "service",
    "simulator",
];

/// One token and the lines it stands in, first and last. Literals are empty, because their content
/// does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) lines: (usize, usize),
}

/// A file that is not a test.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// From the package's `src` folder.
    pub(crate) path: PathBuf,
    pub(crate) tokens: Vec<Token>,
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a package without those that hold only tests, in order of their paths; none if there is no such package.
pub(crate) fn files(package: &str) -> Vec<File> {
    let source = root().join(package).join("src");
    let mut paths = Vec::new();
    collect(&source, &mut paths);
    let mut files: Vec<File> = paths
        .iter()
        .map(|path| File {
            path: path.strip_prefix(&source).unwrap().to_owned(),
            tokens: tokens(&std::fs::read_to_string(path).unwrap()),
        })
        .collect();
    let mut tests = BTreeSet::new();
    for file in &mut files {
        let (kept, declared) = without_tests(&file.tokens);
        file.tokens = kept;
        tests.extend(declared.iter().map(|name| folder_of(&file.path).join(name)));
    }
    files.retain(|file| {
        let module = file.path.with_extension("");
        !tests.iter().any(|test| module.starts_with(test))
    });
    files
}

/// The folder of a file's child modules.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs" | "mod.rs") => path.parent().unwrap_or(Path::new("")).to_owned(),
        _ => path.with_extension(""),
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

/// Splits Rust into names, signs and empty literals.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let (mut rest, mut line) = (text, 1);
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let blank = blank(rest);
        let literal = literal(rest);
        let length = blank
            .or(literal)
            .or_else(|| word(rest))
            .unwrap_or(first.len_utf8());
        let last = line + rest[..length].matches('\n').count();
        if blank.is_none() {
            let text = if literal.is_some() {
                ""
            } else {
                &rest[..length]
            };
            tokens.push(Token {
                text: text.to_owned(),
                lines: (line, last),
            });
        }
        (rest, line) = (&rest[length..], last);
    }
    tokens
}

/// The length of a space or a comment that the text begins with.
fn blank(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let first = text.chars().next()?;
    first.is_whitespace().then_some(first.len_utf8())
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string or a character that the text begins with.
fn literal(text: &str) -> Option<usize> {
    let plain = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - plain.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = plain.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let start = 1 + hashes + 1;
        let end = format!("\"{}", "#".repeat(hashes));
        return raw[hashes..].starts_with('"').then(|| {
            plain[start..]
                .find(&end)
                .map_or(text.len(), |at| prefix + start + at + end.len())
        });
    }
    if plain.starts_with('"') {
        return Some(prefix + quoted(plain, '"'));
    }
    if let Some(inner) = plain.strip_prefix('\'') {
        let mut inner = inner.chars();
        let (first, second) = (inner.next()?, inner.next()?);
        // `'a` without an end is a lifetime.
        return (first == '\\' || second == '\'').then(|| prefix + quoted(plain, '\''));
    }
    None
}

fn quoted(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == end {
            return at + letter.len_utf8();
        }
    }
    text.len()
}

fn word(text: &str) -> Option<usize> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    if text.starts_with("::") {
        return Some(2);
    }
    let length = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    (length > 0).then_some(length)
}

/// Leaves out what is marked `#[cfg(test)]`, and names the modules of other files that are.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is_mark = |at: usize| {
        let marked = tokens[at..].iter().map(|token| token.text.as_str());
        marked.take(MARK.len()).eq(MARK)
    };
    let (mut kept, mut declared, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if is_mark(at) {
            let end = item_end(tokens, at + MARK.len());
            let item: Vec<&str> = tokens[at..end]
                .iter()
                .map(|token| token.text.as_str())
                .collect();
            if let [.., "mod", name, ";"] = item.as_slice() {
                declared.push((*name).to_owned());
            }
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, declared)
}

/// Where the item that begins at `at` ends: after its block, or after its semicolon.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    at
}

#[test]
fn comments_text_and_tests_are_left_out() {
    let text = "/* a /* b */ */ use crate::x; // y\nfn f<'a>() { g(\"crate::z \\\" \", 'q', r#\"w\"#) }\n\
                #[cfg(test)]\nmod tests { fn h() {} }\n#[cfg(test)] mod fixture;\nfn last() {}";
    let (kept, declared) = without_tests(&tokens(text));
    let words: Vec<&str> = kept.iter().map(|token| token.text.as_str()).collect();
    let words = words.join(" ").replace("  ", " ");
    assert_eq!(
        words,
        "use crate :: x ; fn f < ' a > ( ) { g ( , , ) } fn last ( ) { }"
    );
    assert_eq!(declared, ["fixture"]);
    assert_eq!(kept.last().unwrap().lines, (6, 6));
}
