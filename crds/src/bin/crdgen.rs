//! Writes the CustomResourceDefinitions as chart templates, and their reference: `crdgen <folder> <reference file>`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, reference] = arguments.as_slice() else {
        return fail("usage: crdgen <folder> <reference file>");
    };
    match generate(folder, reference) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn generate(folder: &Path, reference: &Path) -> Result<(), String> {
    let templates = crds::crd::templates().map_err(|error| error.to_string())?;
    for (name, text) in templates {
        write(&folder.join(name), &text)?;
    }
    write(reference, &crds::reference::markdown())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[expect(
    clippy::print_stderr,
    reason = "the only output of a command-line tool"
)]
fn fail(message: &str) -> ExitCode {
    eprintln!("crdgen: {message}");
    ExitCode::FAILURE
}
