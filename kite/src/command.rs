//! Commands that a client sends as JSON text frames. Owns both directions; the server does not
//! answer them.

use serde_json::{Value, json};

use crate::{Mode, Token};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Streams instruments in quote mode.
    Subscribe(Vec<Token>),
    /// Stops streaming instruments.
    Unsubscribe(Vec<Token>),
    /// Changes the mode of subscribed instruments.
    SetMode(Mode, Vec<Token>),
}

/// A text frame that is not a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Not JSON.
    #[error("command is not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON without the members of a command.
    #[error("command has no known action `a` with a fitting value `v`")]
    Shape,
}

impl Command {
    /// The instruments that the command names.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        match self {
            Self::Subscribe(tokens) | Self::Unsubscribe(tokens) | Self::SetMode(_, tokens) => {
                tokens
            }
        }
    }

    /// The text frame. Tokens are JSON numbers: the server silently ignores strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Subscribe(tokens) => json!({"a": "subscribe", "v": tokens}),
            Self::Unsubscribe(tokens) => json!({"a": "unsubscribe", "v": tokens}),
            Self::SetMode(mode, tokens) => json!({"a": "mode", "v": [mode, tokens]}),
        }
        .to_string()
    }

    /// Reads a text frame as the server does: members in any order, entries that are not numbers
    /// ignored.
    ///
    /// # Errors
    /// When the frame is not JSON or not a command.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let frame: Value = serde_json::from_str(text)?;
        let (Some(action), Some(value)) = (
            frame.get("a").and_then(Value::as_str),
            frame.get("v").and_then(Value::as_array),
        ) else {
            return Err(CommandError::Shape);
        };
        match (action, value.as_slice()) {
            ("subscribe", tokens) => Ok(Self::Subscribe(numbers(tokens))),
            ("unsubscribe", tokens) => Ok(Self::Unsubscribe(numbers(tokens))),
            ("mode", [Value::String(mode), Value::Array(tokens)]) => {
                let mode = mode.parse().map_err(|_| CommandError::Shape)?;
                Ok(Self::SetMode(mode, numbers(tokens)))
            }
            _ => Err(CommandError::Shape),
        }
    }
}

fn numbers(values: &[Value]) -> Vec<Token> {
    values
        .iter()
        .filter_map(Value::as_u64)
        .filter_map(|number| u32::try_from(number).ok())
        .map(Token)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_the_documentation_shows() {
        assert_eq!(
            Command::Subscribe(vec![Token(408_065), Token(884_737)]).to_json(),
            r#"{"a":"subscribe","v":[408065,884737]}"#
        );
        assert_eq!(
            Command::SetMode(Mode::Full, vec![Token(408_065)]).to_json(),
            r#"{"a":"mode","v":["full",[408065]]}"#
        );
        assert_eq!(
            Command::Unsubscribe(vec![Token(408_065)]).to_json(),
            r#"{"a":"unsubscribe","v":[408065]}"#
        );
    }

    #[test]
    fn spaces_and_member_order_do_not_matter() {
        // As the Python and Java clients write it.
        let parsed = Command::parse(r#"{"v": ["ltp", [1, 2]], "a": "mode"}"#).unwrap();
        assert_eq!(
            parsed,
            Command::SetMode(Mode::Ltp, vec![Token(1), Token(2)])
        );
    }

    #[test]
    fn string_tokens_are_ignored() {
        let parsed = Command::parse(r#"{"a":"subscribe","v":["408065",1,-1,1.5]}"#).unwrap();
        assert_eq!(parsed, Command::Subscribe(vec![Token(1)]));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"a":"mode","v":["best",[1]]}"#,
            r#"{"a":"x","v":[]}"#,
        ] {
            assert!(Command::parse(text).is_err(), "{text}");
        }
    }
}
