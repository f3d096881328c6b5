//! The two CustomResourceDefinitions: what derive generates from the types, and what it cannot express.
//!
//! Owns their YAML, which `crdgen` writes into the chart. Must not hold a field or a rule of its own.

mod columns;

use crate::{InstrumentSet, TickerAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Why a definition could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition is not a JSON object of the expected shape.
    #[error("the definition of {kind} cannot be rendered")]
    Json {
        /// The kind.
        kind: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// The definition cannot be written as YAML.
    #[error("the definition of {kind} cannot be written as YAML")]
    Yaml {
        /// The kind.
        kind: String,
        /// The cause.
        source: serde_saphyr::SerializeError,
    },
}

/// Both definitions, in the order of their file names.
#[must_use]
pub fn all() -> [CustomResourceDefinition; 2] {
    [instrument_set(), ticker_account()]
}

/// The definition of `TickerAccount`.
#[must_use]
pub fn ticker_account() -> CustomResourceDefinition {
    finish(TickerAccount::crd(), columns::ticker_account())
}

/// The definition of `InstrumentSet`.
#[must_use]
pub fn instrument_set() -> CustomResourceDefinition {
    finish(InstrumentSet::crd(), columns::instrument_set())
}

/// The file name and the text of each chart template.
///
/// # Errors
/// When a definition cannot be rendered, which the tests rule out.
pub fn templates() -> Result<Vec<(String, String)>, Error> {
    all()
        .into_iter()
        .map(|crd| Ok((format!("{}.yaml", crd.spec.names.plural), to_yaml(crd)?)))
        .collect()
}

/// The OpenAPI schema of a definition's only version, as JSON.
#[must_use]
pub fn schema(crd: &CustomResourceDefinition) -> Value {
    let version = crd.spec.versions.first();
    version
        .and_then(|version| version.schema.as_ref())
        .map_or(Value::Null, |schema| json!(schema.open_api_v3_schema))
}

/// Adds columns, and removes what the API server would warn about or what would surprise users.
fn finish(
    mut crd: CustomResourceDefinition,
    columns: Vec<CustomResourceColumnDefinition>,
) -> CustomResourceDefinition {
    let version = crd.spec.versions.first_mut();
    if let Some(version) = version {
        version.additional_printer_columns = Some(columns);
        if let Some(props) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            normalise(props);
        }
    }
    // Uninstalling the chart must not delete every account and set of the cluster.
    crd.metadata
        .annotations
        .get_or_insert_default()
        .insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    crd
}

/// Walks a schema: `nullable` goes, so that `field: null` means "not given" everywhere; only formats that Kubernetes
/// knows stay.
fn normalise(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.format = schema
        .format
        .take()
        .filter(|format| !format.starts_with("uint"));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        normalise(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        normalise(values);
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(normalise);
}

fn to_yaml(crd: CustomResourceDefinition) -> Result<String, Error> {
    let kind = crd.spec.names.kind.clone();
    let mut value = serde_json::to_value(crd).map_err(|source| Error::Json {
        kind: kind.clone(),
        source,
    })?;
    whole_numbers(&mut value);
    serde_saphyr::to_string(&value).map_err(|source| Error::Yaml { kind, source })
}

/// Bounds are floats in the definition's type; people read and write them as integers.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            if let Some(float) = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0)
            {
                *value = json!(float as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{CATEGORY, GROUP, VERSION};
    use std::fs;
    use std::path::Path;

    /// Keywords of a schema which `check` honours, and those that say nothing about validity.
    const KEYWORDS: &[&str] = &[
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];

    /// Calls `visit` with every schema inside of one and its path.
    fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), visit);
        }
        for child in ["items", "additionalProperties"] {
            if let Some(child) = schema.get(child) {
                walk(child, &format!("{path}[]"), visit);
            }
        }
    }

    fn every_schema(mut visit: impl FnMut(&str, &Value)) {
        for crd in all() {
            walk(&schema(&crd), &crd.spec.names.kind, &mut visit);
        }
    }

    #[test]
    fn the_chart_holds_what_the_types_say() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kite-ticker-crds/templates");
        for (name, text) in templates().unwrap() {
            let committed = fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert!(committed == text, "{name} is out of date: run `make crds`");
            assert!(
                !text.contains("{{"),
                "{name} would be read as a template by Helm"
            );
            assert!(text.len() < 100_000, "{name} has {} bytes", text.len());
        }
    }

    #[test]
    fn names_are_the_constants() {
        for crd in all() {
            assert_eq!(crd.spec.group, GROUP);
            assert_eq!(crd.spec.versions[0].name, VERSION);
            assert_eq!(
                crd.spec.names.categories.as_deref(),
                Some(&[CATEGORY.to_owned()][..])
            );
        }
    }

    #[test]
    fn every_field_is_explained() {
        every_schema(|path, schema| {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                assert!(text.len() > 8, "{path}.{name} has no doc comment");
            }
        });
    }

    #[test]
    fn check_knows_every_keyword() {
        every_schema(|path, schema| {
            for keyword in schema.as_object().unwrap().keys() {
                assert!(
                    KEYWORDS.contains(&keyword.as_str()),
                    "{path}: check does not know {keyword:?}"
                );
            }
            let format = schema["format"].as_str().unwrap_or("int32");
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{path}: the API server warns of {format:?}"
            );
            if let Some(pattern) = schema["pattern"].as_str() {
                assert!(regex::Regex::new(pattern).is_ok(), "{path}: {pattern}");
            }
        });
    }

    #[test]
    fn every_status_field_is_optional() {
        for crd in all() {
            let schema = schema(&crd);
            walk(
                &schema["properties"]["status"],
                "status",
                &mut |path, schema| {
                    let required = schema.get("required");
                    assert!(
                        path.ends_with("conditions[]") || required.is_none(),
                        "{path} requires {required:?}"
                    );
                },
            );
        }
    }

    #[test]
    fn every_rule_compiles_and_says_the_fix() {
        for crd in all() {
            let compiled = kube_cel::compile_schema(&schema(&crd));
            assert!(
                !compiled.has_errors(),
                "{:?}",
                compiled.compilation_errors()
            );
        }
        let mut rules = 0;
        every_schema(|path, schema| {
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                rules += 1;
                assert!(
                    rule["message"].as_str().is_some_and(|text| text.len() > 20),
                    "{path}: {rule}"
                );
            }
        });
        assert!(rules >= 10, "{rules} rules found");
    }

    /// The API server compares whole numbers with bounds whose fraction it has cut off, so that 0 passes a
    /// minimum of 0.1.
    #[test]
    fn every_bound_is_whole() {
        let mut bounds = 0;
        every_schema(|path, schema| {
            let fields = ["minimum", "maximum"].map(|field| schema[field].as_f64());
            for bound in fields.into_iter().flatten() {
                bounds += 1;
                assert!(bound.fract() == 0.0, "{path}: {bound}");
            }
        });
        assert!(bounds >= 10, "{bounds} bounds found");
    }

    #[test]
    fn columns_are_those_of_kubectl_get() {
        let header = |crd: CustomResourceDefinition, most: i32| {
            let columns = crd.spec.versions[0]
                .additional_printer_columns
                .clone()
                .unwrap();
            let shown = columns
                .into_iter()
                .filter(|column| column.priority.unwrap_or(0) <= most);
            shown
                .map(|column| column.name.to_uppercase())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let account = "READY REASON CONNS INSTRUMENTS TICKS/S LAST-TICK AGE";
        assert_eq!(header(ticker_account(), 0), account);
        assert_eq!(
            header(ticker_account(), 1),
            format!("{account} CAPACITY POD MESSAGE")
        );
        let set = "READY REASON MODE INSTRUMENTS LAST-TICK AGE";
        assert_eq!(header(instrument_set(), 0), set);
        assert_eq!(
            header(instrument_set(), 1),
            format!("{set} ACCOUNTS MESSAGE")
        );
    }
}
