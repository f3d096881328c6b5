//! The reference of both kinds as Markdown, made from the definitions that the API server gets.
//!
//! Owns how a schema is shown to a reader. Must not add anything that is not in a field's schema.

mod field;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::condition::{ConditionType, Reason};
use crate::crd;
use field::{Field, cell, one_line};

const HEAD: &str = "\
# Reference

Every field of both kinds, as `kubectl explain` shows it. `make crds` writes this file from the source, so it cannot
differ from what the API server checks. [resources.md](resources.md) explains how the fields work together.

Nested fields are written with dots, entries of a list with `[]`. A field without a default may be left out, unless it
is required.
";

/// The text of `docs/reference.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for crd in [crd::ticker_account(), crd::instrument_set()] {
        kind(&mut text, &crd);
    }
    words(
        &mut text,
        "Condition types",
        "Every condition is True, False or Unknown.",
        ConditionType::ALL
            .iter()
            .map(|it| (it.as_str(), it.meaning())),
    );
    words(
        &mut text,
        "Condition reasons",
        "The reason of `Ready` is the column REASON of `kubectl get`.",
        Reason::ALL.iter().map(|it| (it.as_str(), it.meaning())),
    );
    text
}

fn kind(text: &mut String, crd: &CustomResourceDefinition) {
    let schema = crd::schema(crd);
    let names = &crd.spec.names;
    let version = crd.spec.versions.first();
    push(text, &format!("\n## {}\n", names.kind));
    push(text, one_line(&schema["description"]).as_str());
    push(
        text,
        &format!(
            "\n`apiVersion: {}/{}`, short name `{}`.\n",
            crd.spec.group,
            version.map_or("", |version| version.name.as_str()),
            names
                .short_names
                .iter()
                .flatten()
                .next()
                .map_or("", |name| name),
        ),
    );
    for part in ["spec", "status"] {
        let fields = field::all(&schema["properties"][part], part);
        push(text, &format!("### {} {part}\n", names.kind));
        table(text, part, &fields);
    }
    push(text, &format!("### {} rules\n", names.kind));
    push(
        text,
        "The API server refuses an object that breaks one of these, with this message.\n",
    );
    push(text, "| field | message |\n|---|---|");
    for (path, message) in field::rules(&schema) {
        push(text, &format!("| {path} | {} |", cell(&message)));
    }
    push(text, &format!("\n### {} columns\n", names.kind));
    push(text, "| column | shows |\n|---|---|");
    for column in version
        .iter()
        .flat_map(|version| version.additional_printer_columns.iter().flatten())
    {
        let wide = if column.priority.unwrap_or(0) > 0 {
            " (`-o wide`)"
        } else {
            ""
        };
        let shows = column.description.as_deref().unwrap_or_default();
        push(
            text,
            &format!("| {}{wide} | {} |", column.name.to_uppercase(), cell(shows)),
        );
    }
}

fn table(text: &mut String, part: &str, fields: &[Field]) {
    let spec = part == "spec";
    push(
        text,
        if spec {
            "| field | type | bounds | default | description |\n|---|---|---|---|---|"
        } else {
            "| field | type | description |\n|---|---|---|"
        },
    );
    for field in fields {
        let about = cell(&field.description);
        push(
            text,
            &if spec {
                format!(
                    "| `{}` | {} | {} | {} | {about} |",
                    field.path, field.shape, field.bounds, field.default
                )
            } else {
                format!("| `{}` | {} | {about} |", field.path, field.shape)
            },
        );
    }
    text.push('\n');
}

fn words<'a>(
    text: &mut String,
    title: &str,
    about: &str,
    words: impl Iterator<Item = (&'a str, &'a str)>,
) {
    push(text, &format!("\n## {title}\n\n{about}\n"));
    push(text, "| word | meaning |\n|---|---|");
    for (word, meaning) in words {
        push(text, &format!("| {word} | {} |", cell(meaning)));
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_document_holds_what_the_types_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == markdown(),
            "docs/reference.md is out of date: run `make crds`"
        );
    }

    #[test]
    fn every_field_has_a_type_and_a_description() {
        for crd in crd::all() {
            let schema = crd::schema(&crd);
            for part in ["spec", "status"] {
                let fields = field::all(&schema["properties"][part], part);
                assert!(fields.len() > 10, "{} of {part}", fields.len());
                for field in fields {
                    assert!(!field.shape.is_empty(), "{} has no type", field.path);
                    assert!(
                        !field.description.is_empty(),
                        "{} is not explained",
                        field.path
                    );
                }
            }
        }
    }
}
