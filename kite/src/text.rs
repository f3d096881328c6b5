//! Text frames that the server sends: order updates, errors, messages. Owns both directions; an
//! unknown kind is returned by name and is not an error, because Kite adds kinds.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// One text frame from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerText {
    /// An update of one of the account's orders (a "postback"): the JSON as the server wrote it, with every digit and
    /// in its order.
    Order(String),
    /// An error; the connection stays.
    Error(String),
    /// A message from the broker, as JSON.
    Message(String),
    /// A kind that this crate does not know.
    Unknown {
        /// Its `type`.
        kind: String,
    },
    /// Not JSON, or without a `type`.
    Malformed,
}

#[derive(Deserialize)]
struct ServerFrame<'t> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'t, str>,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
}

impl ServerText {
    /// Reads a text frame; total on any text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Ok(ServerFrame { kind, data }) = serde_json::from_str(text) else {
            return Self::Malformed;
        };
        let data = data.map_or("null", RawValue::get);
        match &*kind {
            "order" => Self::Order(data.to_owned()),
            "error" => Self::Error(serde_json::from_str(data).unwrap_or_else(|_| data.to_owned())),
            "message" => Self::Message(data.to_owned()),
            _ => Self::Unknown {
                kind: kind.into_owned(),
            },
        }
    }

    /// The frame as the server writes it. An error's data is a string: the Go client panics on
    /// anything else.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Order(data) => format!(r#"{{"type":"order","data":{data}}}"#),
            Self::Error(message) => json!({"type": "error", "data": message}).to_string(),
            Self::Message(data) => format!(r#"{{"type":"message","data":{data}}}"#),
            Self::Unknown { kind } => json!({"type": kind}).to_string(),
            Self::Malformed => json!({}).to_string(),
        }
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
            ServerText::Order(r#"{"order_id":"1"}"#.to_owned())
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
    fn an_order_is_kept_as_it_was_written() {
        let data = r#"{"status":"COMPLETE", "average_price":1612.150,"exchange_order_id":1300000012345678901234,"meta":{}}"#;
        let text = format!(r#"{{"type":"order","data":{data}}}"#);
        assert_eq!(ServerText::parse(&text), ServerText::Order(data.to_owned()));
        assert_eq!(ServerText::Order(data.to_owned()).to_json(), text);
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
