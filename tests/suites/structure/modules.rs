//! The modules of one package, and the targets of paths.
//!
//! Owns resolving a name through what modules re-export, to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::imports::{Import, imports, inline_paths};
use crate::source::{File, Token};

/// Re-exports that lead to re-exports: more are a circle.
const DEEPEST: usize = 8;

/// A module's path from the root of its package.
type Place = Vec<String>;

/// A file's module, with what it brings in.
#[derive(Debug)]
struct Module {
    file: String,
    imports: Vec<Import>,
    inline: Vec<Vec<String>>,
    tokens: Vec<Token>,
}

/// Every module of a package.
#[derive(Debug)]
pub(crate) struct Modules(BTreeMap<Place, Module>);

impl Modules {
    /// Of a package's files. Nobody can import a program's own file.
    pub(crate) fn new(files: Vec<File>) -> Self {
        let library = files.iter().any(|file| file.path == Path::new("lib.rs"));
        let is_program =
            |path: &Path| path.starts_with("bin") || library && path == Path::new("main.rs");
        let files: Vec<File> = files
            .into_iter()
            .filter(|file| !is_program(&file.path))
            .collect();
        let places: BTreeSet<Place> = files.iter().map(|file| place(&file.path)).collect();
        let modules = files.into_iter().map(|file| {
            let place = place(&file.path);
            let is_child = |name: &str| {
                let child = [&place[..], &[name.to_owned()]].concat();
                places.contains(&child)
            };
            let module = Module {
                file: file.path.display().to_string(),
                imports: imports(&file.tokens),
                inline: inline_paths(&file.tokens, is_child),
                tokens: file.tokens,
            };
            (place, module)
        });
        Self(modules.collect())
    }

    /// Which file imports which, with a path that shows it.
    pub(crate) fn arrows(&self) -> BTreeMap<(String, String), String> {
        let mut arrows = BTreeMap::new();
        for (place, module) in &self.0 {
            let imports = module
                .imports
                .iter()
                .map(|import| (&import.path, import.public));
            let inline = module.inline.iter().map(|path| (path, false));
            for (path, public) in imports.chain(inline) {
                let Some(target) = self.target(place, path, DEEPEST) else {
                    continue;
                };
                let child = target.starts_with(place);
                let file = &self.0[&target].file;
                if target != *place && !(public && child) {
                    arrows
                        .entry((module.file.clone(), file.clone()))
                        .or_insert_with(|| path.join("::"));
                }
            }
        }
        arrows
    }

    /// The module whose file defines what `path` names in the module at `from`.
    fn target(&self, from: &[String], path: &[String], depth: usize) -> Option<Place> {
        let (mut place, rest) = self.start(from, path)?;
        for name in rest {
            let child = [&place[..], std::slice::from_ref(name)].concat();
            if self.0.contains_key(&child) {
                place = child;
            } else {
                return Some(self.behind(&place, name, depth).unwrap_or(place));
            }
        }
        Some(place)
    }

    /// Where the first names of a path lead: `crate`, `self`, `super`, or a child module.
    fn start<'a>(&self, from: &[String], path: &'a [String]) -> Option<(Place, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest)),
            "self" => Some((from.to_vec(), rest)),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                Some((from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..]))
            }
            name => {
                let child = [from, &[name.to_owned()]].concat();
                self.0.contains_key(&child).then_some((child, rest))
            }
        }
    }

    /// The source of a name that a module does not define.
    fn behind(&self, place: &[String], name: &str, depth: usize) -> Option<Place> {
        let module = &self.0[place];
        let depth = depth.checked_sub(1)?;
        let named = module.imports.iter().find(|import| import.name == name);
        if let Some(import) = named {
            return self.target(place, &import.path, depth);
        }
        let everything = module.imports.iter().filter(|import| import.name == "*");
        let mut targets = everything.filter_map(|import| self.target(place, &import.path, depth));
        targets.find(|target| target != place && self.0[target].defines(name))
    }
}

impl Module {
    fn defines(&self, name: &str) -> bool {
        const KINDS: [&str; 8] = [
            "struct", "enum", "trait", "type", "fn", "const", "static", "mod",
        ];
        let mut pairs = self.tokens.windows(2);
        pairs.any(|pair| KINDS.contains(&pair[0].text.as_str()) && pair[1].text == name)
    }
}

fn place(path: &Path) -> Place {
    let module = path.with_extension("");
    let parts = module
        .iter()
        .map(|part| part.to_string_lossy().into_owned());
    parts
        .filter(|part| !["lib", "main", "mod"].contains(&part.as_str()))
        .collect()
}
