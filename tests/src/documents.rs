//! The code blocks of the README and of `docs/`, as readers copy them.
//!
//! Owns finding them. Tests take the commands that they run from here, so that a reader and a test run the same.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The document, from the repository's root.
    pub document: String,
    /// The line that the block begins after.
    pub line: usize,
    /// The word after the fence, such as `sh`.
    pub language: String,
    /// Its lines.
    pub text: String,
}

impl Block {
    /// Whether it holds objects of ours.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        self.language == "yaml" && self.text.starts_with("apiVersion: kiteticker.dev/")
    }

    /// The commands of a shell block; lines that end with `\` are joined with the next one.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let whole = self.text.replace("\\\n", " ");
        let lines = whole.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(" ")
        });
        lines.filter(|line| !line.is_empty()).collect()
    }
}

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every document that is checked, from the repository's root.
///
/// # Errors
/// Errors of the file system.
pub fn documents() -> Result<Vec<String>> {
    let mut found: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(str::to_owned)
        .into();
    for folder in ["docs", "docs/adr"] {
        for entry in std::fs::read_dir(root().join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|end| end == "md") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a document.
///
/// # Errors
/// When it cannot be read.
pub fn read(document: &str) -> Result<String> {
    std::fs::read_to_string(root().join(document)).with_context(|| document.to_owned())
}

/// The blocks of a document.
///
/// # Errors
/// When it cannot be read, or a block has no end.
pub fn blocks(document: &str) -> Result<Vec<Block>> {
    let text = read(document)?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let mut block = Block {
            document: document.to_owned(),
            line: number + 1,
            language: language.to_owned(),
            text: String::new(),
        };
        let mut ended = false;
        for (_, line) in lines.by_ref() {
            ended = line.trim() == "```";
            if ended {
                break;
            }
            block.text.push_str(line);
            block.text.push('\n');
        }
        ensure!(ended, "{document}:{}: the block has no end", block.line);
        blocks.push(block);
    }
    Ok(blocks)
}

/// Every block of every document.
///
/// # Errors
/// When a document cannot be read.
pub fn all_blocks() -> Result<Vec<Block>> {
    let blocks = documents()?.into_iter().map(|document| blocks(&document));
    Ok(blocks.collect::<Result<Vec<_>>>()?.concat())
}

/// The commands of a document with this beginning.
///
/// # Errors
/// When there is none.
pub fn commands(document: &str, start: &str) -> Result<Vec<String>> {
    let blocks = blocks(document)?;
    let shell = blocks.iter().filter(|block| block.language == "sh");
    let commands: Vec<String> = shell
        .flat_map(Block::commands)
        .filter(|command| command.starts_with(start))
        .collect();
    ensure!(!commands.is_empty(), "{document} has no command {start:?}");
    Ok(commands)
}

/// The command of a document with this beginning.
///
/// # Errors
/// When there is none, or more than one.
pub fn command(document: &str, start: &str) -> Result<String> {
    let mut commands = commands(document, start)?;
    ensure!(commands.len() == 1, "{document} has several {start:?}");
    Ok(commands.remove(0))
}
