//! What clients ask.
//!
//! Owns reading a text frame, and the texts about one that cannot be read. Total on any text. Must not know
//! what streams.

use kite::Mode;
use rustc_hash::FxHashSet;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::answer::{Reason, Rejection, Wanted};

/// The longest text that is echoed as an `id`.
const LONGEST_ID: usize = 64;

/// The longest symbol: exchange, colon and tradingsymbol.
const LONGEST_SYMBOL: usize = 128;

/// The most accounts of one command.
const ACCOUNTS: usize = 100;

/// The range of `max_hz`.
const HZ: std::ops::RangeInclusive<f64> = 0.1..=50.0;

/// The range of a heartbeat, in seconds.
const HEARTBEAT: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// A command and the `id` to answer with.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Option<Value>,
    pub(crate) command: Result<Command, String>,
}

/// One command.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe(Subscribe),
    Unsubscribe(Instruments),
    SubscribeOrders(Vec<String>),
    Ping,
    List,
    /// Asks for a sign of life after so many seconds without another message.
    Hello(Option<f64>),
    /// Goes on with another token.
    Refresh(SecretString),
    /// Says who the client is, as its first message.
    Auth(SecretString),
}

/// Instruments, as a client names them.
#[derive(Debug, Default)]
pub(crate) struct Instruments {
    pub(crate) tokens: Vec<u32>,
    pub(crate) symbols: Vec<String>,
    /// Members that are no tokens and no symbols.
    pub(crate) rejected: Vec<Rejection>,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscribe {
    pub(crate) instruments: Instruments,
    pub(crate) mode: Mode,
    pub(crate) max_hz: Option<f64>,
    pub(crate) batch: Option<bool>,
    pub(crate) mock: bool,
}

/// Reads a text frame.
pub(crate) fn parse(text: &str) -> Request {
    let Ok(Value::Object(message)) = serde_json::from_str(text) else {
        return Request {
            id: None,
            command: Err("Invalid JSON message".to_owned()),
        };
    };
    let id = message.get("id").filter(|id| is_id(id)).cloned();
    let command = match message.get("id") {
        Some(given) if !is_id(given) => Err(format!(
            "id must be a number or a text of at most {LONGEST_ID} characters"
        )),
        _ => read(&message),
    };
    Request { id, command }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.chars().count() <= LONGEST_ID,
        _ => false,
    }
}

fn read(message: &Map<String, Value>) -> Result<Command, String> {
    let action = message.get("action").and_then(Value::as_str);
    match action.unwrap_or_default() {
        "subscribe" => subscribe(message).map(Command::Subscribe),
        "unsubscribe" => instruments(message).map(Command::Unsubscribe),
        "subscribe_orders" => accounts(message).map(Command::SubscribeOrders),
        "ping" => Ok(Command::Ping),
        "list" => Ok(Command::List),
        "hello" => number(message, "heartbeat", &HEARTBEAT).map(Command::Hello),
        "refresh" => token(message).map(Command::Refresh),
        "auth" => token(message).map(Command::Auth),
        other => Err(format!("Unknown action: {}", shown(other))),
    }
}

fn subscribe(message: &Map<String, Value>) -> Result<Subscribe, String> {
    let mode = match message.get("mode") {
        None | Some(Value::Null) => Ok(Mode::Full),
        Some(mode) => mode
            .as_str()
            .and_then(|mode| mode.parse().ok())
            .ok_or("mode must be ltp, quote or full"),
    }?;
    Ok(Subscribe {
        instruments: instruments(message)?,
        mode,
        max_hz: number(message, "max_hz", &HZ)?,
        batch: flag(message, "batch")?,
        mock: flag(message, "mock")?.unwrap_or(true),
    })
}

fn instruments(message: &Map<String, Value>) -> Result<Instruments, String> {
    let mut found = Instruments::default();
    let (tokens, symbols) = (message.get("tokens"), message.get("symbols"));
    if tokens.is_none() && symbols.is_none() {
        return Err("tokens must be a list of instrument tokens".to_owned());
    }
    let tokens = tokens.map_or(Some(&[][..]), |it| it.as_array().map(Vec::as_slice));
    let tokens = tokens.ok_or("tokens must be a list of instrument tokens")?;
    for token in tokens {
        match token.as_u64().map(u32::try_from) {
            Some(Ok(token)) => found.tokens.push(token),
            Some(Err(_)) => found.reject(Wanted::Token(token.clone()), Reason::NotStreaming),
            None => found.reject(Wanted::Token(short(token)), Reason::NotANumber),
        }
    }
    let symbols = symbols.map_or(Some(&[][..]), |it| it.as_array().map(Vec::as_slice));
    let symbols = symbols.ok_or("symbols must be a list of EXCHANGE:TRADINGSYMBOL")?;
    for symbol in symbols {
        match symbol.as_str() {
            Some(text) if text.len() <= LONGEST_SYMBOL && text.contains(':') => {
                found.symbols.push(text.to_owned());
            }
            Some(text) => found.reject(Wanted::Symbol(shown(text)), Reason::Unknown),
            None => {
                let text = shown(&symbol.to_string());
                found.reject(Wanted::Symbol(text), Reason::Unknown);
            }
        }
    }
    found.leave_out_repeated();
    Ok(found)
}

impl Instruments {
    fn leave_out_repeated(&mut self) {
        let mut tokens = FxHashSet::default();
        self.tokens.retain(|token| tokens.insert(*token));
        let mut symbols = FxHashSet::default();
        self.symbols.retain(|symbol| symbols.insert(symbol.clone()));
    }

    fn reject(&mut self, what: Wanted, reason: Reason) {
        self.rejected.push(Rejection { what, reason });
    }
}

fn accounts(message: &Map<String, Value>) -> Result<Vec<String>, String> {
    let list = message.get("accounts").and_then(Value::as_array);
    let list = list.filter(|list| list.len() <= ACCOUNTS);
    let names = list.and_then(|list| {
        let names = list.iter().map(|it| it.as_str().map(str::to_owned));
        names.collect::<Option<Vec<String>>>()
    });
    names.ok_or_else(|| format!("accounts must be a list of at most {ACCOUNTS} names"))
}

fn token(message: &Map<String, Value>) -> Result<SecretString, String> {
    let token = message.get("token").and_then(Value::as_str);
    let token = token.ok_or("token must be a text")?;
    Ok(SecretString::from(token))
}

fn number(
    message: &Map<String, Value>,
    name: &str,
    range: &std::ops::RangeInclusive<f64>,
) -> Result<Option<f64>, String> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(format!(
                "{name} must be a number from {} to {}",
                range.start(),
                range.end()
            )),
        },
    }
}

fn flag(message: &Map<String, Value>, name: &str) -> Result<Option<bool>, String> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(format!("{name} must be true or false")),
    }
}

/// A value as it is repeated: a long one is cut.
fn short(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
        Value::String(text) => shown(text).into(),
        Value::Array(_) | Value::Object(_) => shown(&value.to_string()).into(),
    }
}

fn shown(text: &str) -> String {
    service::text::printable(text, LONGEST_ID)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn error(text: &str) -> String {
        parse(text).command.unwrap_err()
    }

    #[test]
    fn old_texts_about_errors_stay() {
        for text in ["", "x", "[]", "7", "{\"a\""] {
            assert_eq!(error(text), "Invalid JSON message");
        }
        assert_eq!(error(r#"{"action":"fly"}"#), "Unknown action: fly");
        assert_eq!(error("{}"), "Unknown action: ");
        for tokens in ["7", "\"7\"", "{}"] {
            let text = format!(r#"{{"action":"subscribe","tokens":{tokens}}}"#);
            assert_eq!(error(&text), "tokens must be a list of instrument tokens");
        }
        assert_eq!(
            error(r#"{"action":"unsubscribe"}"#),
            "tokens must be a list of instrument tokens"
        );
    }

    #[test]
    fn members_that_are_no_tokens_are_rejected_one_by_one() {
        let text = r#"{"action":"subscribe","tokens":[1,"2",1,-3,4294967296,1.5],"symbols":["NSE:A","x",7,"NSE:A"]}"#;
        let Ok(Command::Subscribe(found)) = parse(text).command else {
            panic!()
        };
        assert_eq!(found.instruments.tokens, [1]);
        assert_eq!(found.instruments.symbols, ["NSE:A"]);
        assert_eq!(
            json!(found.instruments.rejected),
            json!([
                {"token": "2", "reason": "not_a_number"},
                {"token": -3, "reason": "not_a_number"},
                {"token": 4_294_967_296_u64, "reason": "not_streaming"},
                {"token": 1.5, "reason": "not_a_number"},
                {"symbol": "x", "reason": "unknown"},
                {"symbol": "7", "reason": "unknown"}
            ])
        );
    }

    #[test]
    fn an_id_is_kept_with_an_error_too() {
        let request = parse(r#"{"action":"fly","id":"a"}"#);
        assert_eq!(request.id, Some(json!("a")));
        assert!(error(r#"{"action":"ping","id":[1]}"#).starts_with("id must be"));
    }

    #[test]
    fn rates_have_bounds() {
        for hz in ["0", "-1", "51", "\"4\""] {
            let text = format!(r#"{{"action":"subscribe","tokens":[],"max_hz":{hz}}}"#);
            assert_eq!(error(&text), "max_hz must be a number from 0.1 to 50");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in ".{0,80}", action in "[a-z_]{0,16}", value in ".{0,20}") {
            let _read = parse(&text);
            let text = json!({"action": action, "tokens": [value], "id": value, "accounts": value});
            let _read = parse(&text.to_string());
        }
    }
}
