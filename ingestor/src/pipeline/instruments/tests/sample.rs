//! What tests assign and receive.

use contract::assignment::Account;
use contract::{Assignment, Shape};
use kite::{Detail, Full, InstrumentType, Mode, Packet, Quote, Token};

pub(crate) const NOON: u32 = 1_764_570_600;

/// An option on a channel of its own, an index, and a share that also stands in for an index.
pub(crate) fn sample() -> Assignment {
    let row = |token: u32, symbol: &str, kind, outputs| contract::Row {
        token: Token(token),
        mode: Mode::Full,
        symbol: symbol.into(),
        tradingsymbol: symbol.into(),
        exchange: "NSE".into(),
        segment: "NSE".into(),
        instrument_type: kind,
        strike: None,
        expiry: None,
        lot_size: None,
        tick_size: None,
        sets: vec![0],
        outputs,
        class: None,
        chain: None,
        reference: false,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    };
    let output = |channel, shape| contract::Output {
        channel,
        shape,
        depth: false,
        greeks: false,
        keep: None,
    };
    Assignment {
        version: 1,
        generation: 1,
        account: Account {
            name: "acct-a".to_owned(),
            namespace: None,
            uid: "u-1".to_owned(),
            mock: false,
        },
        websocket: "ws://127.0.0.1:7070".to_owned(),
        credentials: contract::CredentialChoice::default(),
        egress: contract::Egress::default(),
        redis_url: "redis://127.0.0.1:6379".to_owned(),
        connections: 3,
        tokens_per_connection: 3000,
        sets: vec!["one".to_owned()],
        channels: vec!["a".to_owned(), "b".to_owned()],
        keeps: Vec::new(),
        order_updates: false,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: vec![
            row(
                256_265,
                "NIFTY 50",
                InstrumentType::Equity,
                vec![output(1, Shape::Underlying)],
            ),
            row(
                408_065,
                "INFY",
                InstrumentType::Equity,
                vec![output(0, Shape::Contract), output(1, Shape::Underlying)],
            ),
            row(
                12_192_002,
                "NIFTYPE",
                InstrumentType::Put,
                vec![output(0, Shape::Contract)],
            ),
        ],
    }
}

pub(crate) fn full(token: u32, volume: u32, exchange_time: u32) -> Packet {
    let quote = Quote {
        volume,
        ..Quote::default()
    };
    let full = Full {
        exchange_time,
        ..Full::default()
    };
    Packet {
        token: Token(token),
        last_price: 100,
        detail: Detail::Full(quote, full),
    }
}
