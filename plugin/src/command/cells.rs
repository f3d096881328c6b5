//! What several tables show in the same way: names, the state of `Ready`, how long ago a tick came.

use contract::answer::ReadyState;
use jiff::Timestamp;

use crate::output::{Cell, Tone, age_of_seconds};

/// What an answer says that does not hold everything.
pub(super) const LEFT_OUT: &str = "\nsome lines are left out: there are too many\n";

/// The time of this machine in microseconds since 1970.
pub(super) fn now_micros() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge: how long ago something was"
    )]
    Timestamp::now().as_microsecond()
}

/// The name, with its namespace where several are shown.
pub(super) fn name(namespace: &str, name: &str, namespaces: bool) -> String {
    if namespaces && !namespace.is_empty() {
        format!("{namespace}/{name}")
    } else {
        name.to_owned()
    }
}

/// The state of `Ready`, in its colour.
pub(super) fn ready_cell(ready: Option<&ReadyState>) -> Cell {
    let tone = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => Tone::Good,
        Some("False") => Tone::Bad,
        Some(_) => Tone::Doubtful,
        None => Tone::Plain,
    };
    let text = ready.map_or("Unknown", |ready| ready.status.as_str());
    Cell::new(text, tone)
}

/// How long ago something was.
pub(super) fn since_micros(at: Option<i64>, now: i64) -> String {
    at.map_or_else(
        || "-".to_owned(),
        |at| age_of_seconds((now - at) / 1_000_000),
    )
}
