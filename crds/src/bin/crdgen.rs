//! Writes the CustomResourceDefinitions as chart templates: `crdgen <folder>`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return fail("usage: crdgen <folder>");
    };
    let templates = match crds::crd::templates() {
        Ok(templates) => templates,
        Err(error) => return fail(&error.to_string()),
    };
    for (name, text) in templates {
        let path = folder.join(name);
        if let Err(error) = fs::write(&path, text) {
            return fail(&format!("{}: {error}", path.display()));
        }
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::print_stderr,
    reason = "the only output of a command-line tool"
)]
fn fail(message: &str) -> ExitCode {
    eprintln!("crdgen: {message}");
    ExitCode::FAILURE
}
