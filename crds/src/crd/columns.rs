//! What `kubectl get` and `kubectl get -o wide` show.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition as Column;

/// Columns of `TickerAccount`.
pub(super) fn ticker_account() -> Vec<Column> {
    vec![
        ready(),
        reason(),
        text("Conns", ".status.connections", "Live and needed sockets."),
        text(
            "Instruments",
            ".status.instruments",
            "Streaming and assigned instruments.",
        ),
        integer("Ticks/s", ".status.ticksPerSecond", "Ticks per second."),
        date(
            "Last-Tick",
            ".status.lastTickTime",
            "Time since the newest tick.",
        ),
        age(),
        wide(integer(
            "Capacity",
            ".status.capacity",
            "Instruments that the account can carry.",
        )),
        wide(text("Pod", ".status.podName", "The ingest pod.")),
        wide(message()),
    ]
}

/// Columns of `InstrumentSet`.
pub(super) fn instrument_set() -> Vec<Column> {
    vec![
        ready(),
        reason(),
        text(
            "Mode",
            ".spec.mode",
            "How much of each instrument is streamed.",
        ),
        text(
            "Instruments",
            ".status.instruments",
            "Streaming and selected instruments.",
        ),
        date(
            "Last-Tick",
            ".status.lastTickTime",
            "Time since the newest tick of the set.",
        ),
        age(),
        wide(text(
            "Accounts",
            ".status.accounts",
            "The accounts that carry the set.",
        )),
        wide(message()),
    ]
}

fn ready() -> Column {
    text(
        "Ready",
        r#".status.conditions[?(@.type=="Ready")].status"#,
        "Whether data flows.",
    )
}

fn reason() -> Column {
    text(
        "Reason",
        r#".status.conditions[?(@.type=="Ready")].reason"#,
        "The reason of the condition Ready.",
    )
}

fn message() -> Column {
    text(
        "Message",
        r#".status.conditions[?(@.type=="Ready")].message"#,
        "The message of the condition Ready.",
    )
}

fn age() -> Column {
    date(
        "Age",
        ".metadata.creationTimestamp",
        "Time since the object was created.",
    )
}

fn text(name: &str, path: &str, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        json_path: path.to_owned(),
        type_: "string".to_owned(),
        description: Some(description.to_owned()),
        ..Column::default()
    }
}

fn integer(name: &str, path: &str, description: &str) -> Column {
    Column {
        type_: "integer".to_owned(),
        ..text(name, path, description)
    }
}

/// An age; only for times that have passed (kubectl prints `<invalid>` for others).
fn date(name: &str, path: &str, description: &str) -> Column {
    Column {
        type_: "date".to_owned(),
        ..text(name, path, description)
    }
}

/// Shown with `-o wide` only.
fn wide(column: Column) -> Column {
    Column {
        priority: Some(1),
        ..column
    }
}
