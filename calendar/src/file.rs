//! The form of a calendar file.
//!
//! Owns its keys. Must not judge values: each comes with its line, for [`crate::checked`].

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::class::TradedKind;
use crate::error::{CalendarError, CalendarProblem};

/// The form that this build reads.
pub(crate) const VERSION: u32 = 1;

/// A longer file is no calendar.
const LONGEST: usize = 256 << 10;

/// A text with its line.
pub(crate) type Text = Spanned<String>;

/// A calendar file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarDocument {
    pub(crate) version: Spanned<u32>,
    pub(crate) until: Option<Text>,
    #[serde(default)]
    pub(crate) classes: Vec<ClassRow>,
    #[serde(default)]
    pub(crate) hours: Vec<HoursRow>,
    #[serde(default)]
    pub(crate) expiry: Vec<ExpiryRow>,
    #[serde(default)]
    pub(crate) closed: Vec<ClosedRow>,
    #[serde(default)]
    pub(crate) special: Vec<SpecialRow>,
}

/// Which instruments are of a class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassRow {
    pub(crate) class: Text,
    pub(crate) exchange: Text,
    pub(crate) kind: Option<TradedKind>,
    pub(crate) derivatives: Option<bool>,
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

/// When a class trades from Monday to Friday, from a date on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoursRow {
    pub(crate) class: Text,
    pub(crate) from: Text,
    pub(crate) pre_open: Option<Text>,
    pub(crate) open: Option<Text>,
    pub(crate) auction: Option<Text>,
    pub(crate) post_close: Option<Text>,
    #[expect(dead_code, reason = "for those who read the file")]
    pub(crate) source: Option<String>,
}

/// When contracts of a class end, from a date on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpiryRow {
    pub(crate) class: Text,
    pub(crate) from: Text,
    pub(crate) at: Text,
    pub(crate) settles: Option<Text>,
    #[expect(dead_code, reason = "for those who read the file")]
    pub(crate) source: Option<String>,
}

/// A day without sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClosedRow {
    pub(crate) date: Text,
    #[serde(default)]
    pub(crate) exchanges: Vec<Text>,
    #[serde(default)]
    pub(crate) classes: Vec<Text>,
    pub(crate) name: Option<String>,
    pub(crate) source: Option<String>,
}

/// A day with sessions of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecialRow {
    pub(crate) date: Text,
    #[serde(default)]
    pub(crate) exchanges: Vec<Text>,
    #[serde(default)]
    pub(crate) classes: Vec<Text>,
    #[serde(rename = "as")]
    pub(crate) like: Option<Text>,
    pub(crate) pre_open: Option<Text>,
    pub(crate) open: Option<Text>,
    pub(crate) auction: Option<Text>,
    pub(crate) post_close: Option<Text>,
    pub(crate) name: Option<String>,
    pub(crate) source: Option<String>,
}

/// Reads the form; `name` is the file's for errors.
pub(crate) fn read(text: &str, name: &str) -> Result<CalendarDocument, CalendarError> {
    let wrong = |line, key, problem| CalendarError {
        file: name.to_owned(),
        problems: vec![CalendarProblem { line, key, problem }],
    };
    if text.len() > LONGEST {
        let problem = format!("has {} bytes, and at most {LONGEST} are read", text.len());
        return Err(wrong(0, String::new(), problem));
    }
    let mut key = String::new();
    let read = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            key = error.path().to_string();
            error.into_inner()
        })
    });
    let file: CalendarDocument = read.map_err(|error| {
        let line = error.location().map_or(0, |it| it.line());
        let key = if key == "." {
            String::new()
        } else {
            key.clone()
        };
        wrong(line, key, error.without_snippet().to_string())
    })?;
    if file.version.value != VERSION {
        let problem = format!("must be {VERSION}, the form that this build reads");
        let line = file.version.referenced.line();
        return Err(wrong(line, "version".to_owned(), problem));
    }
    Ok(file)
}
