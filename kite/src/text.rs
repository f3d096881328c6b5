//! Text frames that the server sends: order updates, errors, messages. Owns both directions; an
//! unknown kind is returned by name and is not an error, because Kite adds kinds.

use serde_json::{Value, json};

/// One text frame from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerText {
    /// An update of one of the account's orders (a "postback").
    Order(Value),
    /// An error; the connection stays.
    Error(String),
    /// A message from the broker.
    Message(Value),
    /// A kind that this crate does not know.
    Unknown {
        /// Its `type`.
        kind: String,
    },
    /// Not JSON, or without a `type`.
    Malformed,
}

impl ServerText {
    /// Reads a text frame; total on any text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
            return Self::Malformed;
        };
        let Some(Value::String(kind)) = frame.remove("type") else {
            return Self::Malformed;
        };
        let data = frame.remove("data").unwrap_or(Value::Null);
        match (kind.as_str(), data) {
            ("order", data) => Self::Order(data),
            ("error", Value::String(message)) => Self::Error(message),
            ("error", other) => Self::Error(other.to_string()),
            ("message", data) => Self::Message(data),
            _ => Self::Unknown { kind },
        }
    }

    /// The frame as the server writes it. An error's data is a string: the Go client panics on
    /// anything else.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Order(data) => json!({"type": "order", "data": data}),
            Self::Error(message) => json!({"type": "error", "data": message}),
            Self::Message(data) => json!({"type": "message", "data": data}),
            Self::Unknown { kind } => json!({"type": kind}),
            Self::Malformed => json!({}),
        }
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_is_told_apart() {
        assert_eq!(
            ServerText::parse(r#"{"type":"error","data":"no"}"#),
            ServerText::Error("no".to_owned())
        );
        assert_eq!(
            ServerText::parse(r#"{"type":"order","data":{"order_id":"1"}}"#),
            ServerText::Order(json!({"order_id": "1"}))
        );
        assert_eq!(
            ServerText::parse(r#"{"type":"instruments_meta","data":{}}"#),
            ServerText::Unknown {
                kind: "instruments_meta".to_owned()
            }
        );
        assert_eq!(ServerText::parse("<html>"), ServerText::Malformed);
    }

    #[test]
    fn an_error_that_is_no_string_is_kept_as_text() {
        assert_eq!(
            ServerText::parse(r#"{"type":"error","data":{"code":1}}"#),
            ServerText::Error(r#"{"code":1}"#.to_owned())
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            let _frame = ServerText::parse(&text);
        }

        #[test]
        fn errors_round_trip(message in ".{0,100}") {
            let frame = ServerText::Error(message);
            prop_assert_eq!(ServerText::parse(&frame.to_json()), frame);
        }
    }
}
