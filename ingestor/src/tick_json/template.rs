//! The part of a tick's JSON that is the same in every tick of an instrument.
//!
//! Owns the keys before the price and those that name the publisher, rendered once per assignment.
//! Must not see a packet.

use contract::{Account, Row, Shape};
use serde::Serialize;

/// Appends the head of a tick, up to and including `"price":`.
pub(crate) fn write_head(out: &mut Vec<u8>, shape: Shape, row: &Row) {
    let token = row.token.0;
    match shape {
        Shape::Contract => {
            field(out, b"{\"symbol\":", &*row.symbol);
            field(out, b",\"token\":", &token);
            field(out, b",\"tradingsymbol\":", &*row.tradingsymbol);
            field(out, b",\"segment\":", &*row.segment);
            field(out, b",\"exchange\":", &*row.exchange);
            field(out, b",\"strike\":", &row.strike);
            field(out, b",\"expiry\":", &row.expiry);
            field(out, b",\"type\":", row.instrument_type.as_str());
            field(out, b",\"lot_size\":", &row.lot_size);
            field(out, b",\"tick_size\":", &row.tick_size);
        }
        Shape::Underlying => {
            field(out, b"{\"symbol\":", &*row.symbol);
            field(out, b",\"token\":", &token);
            field(out, b",\"instrument_token\":", &token);
            field(out, b",\"tradingsymbol\":", &*row.tradingsymbol);
        }
    }
    out.extend_from_slice(b",\"price\":");
}

/// The publisher: parts that are the same in every tick of an assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonTemplate {
    /// `"is_mock":true` or `false`.
    pub(crate) mock: bool,
    /// From after the sequence number up to and including `"conn":`.
    pub(crate) source: Vec<u8>,
    /// The end of the object, with the namespace if there is one.
    pub(crate) tail: Vec<u8>,
}

impl JsonTemplate {
    /// Renders the parts for `account`; `epoch` is the start of this process in microseconds.
    #[must_use]
    pub(crate) fn new(account: &Account, epoch: &str) -> Self {
        let mut source = Vec::new();
        field(&mut source, b",\"epoch\":", epoch);
        field(&mut source, b",\"src\":", &account.name);
        source.extend_from_slice(b",\"conn\":");
        let mut tail = Vec::new();
        if let Some(namespace) = &account.namespace {
            field(&mut tail, b",\"namespace\":", namespace);
        }
        tail.push(b'}');
        Self {
            mock: account.mock,
            source,
            tail,
        }
    }
}

fn field(out: &mut Vec<u8>, key: &[u8], value: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(key);
    #[expect(
        clippy::expect_used,
        reason = "strings and numbers always serialise into memory"
    )]
    serde_json::to_writer(out, value).expect("plain data serialises");
}
