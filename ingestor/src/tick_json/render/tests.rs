//! Tests of the JSON against texts written by hand, key by key from what consumers are promised.

mod contract_shape;
mod underlying_shape;

use contract::assignment::Account;
use jiff::civil::date;
use kite::{IndexQuote, InstrumentType, Mode, Token};

use super::*;
use crate::tick_json::greeks::GreeksStamp;
use crate::tick_json::template::write_head;

fn row(token: u32, kind: InstrumentType) -> contract::Row {
    contract::Row {
        token: Token(token),
        mode: Mode::Full,
        symbol: "NIFTY".into(),
        tradingsymbol: "NIFTY25N0425150PE".into(),
        exchange: "NFO".into(),
        segment: "NFO-OPT".into(),
        instrument_type: kind,
        strike: Some(25_150.0),
        expiry: Some(date(2025, 11, 4)),
        lot_size: Some(75),
        tick_size: Some(0.05),
        sets: Vec::new(),
        outputs: Vec::new(),
        class: None,
        chain: None,
        reference: false,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    }
}

fn option() -> contract::Row {
    row(12_192_002, InstrumentType::Put)
}

fn share(token: u32, symbol: &str, segment: &str) -> contract::Row {
    contract::Row {
        symbol: symbol.into(),
        tradingsymbol: symbol.into(),
        exchange: segment[..3].into(),
        segment: segment.into(),
        strike: None,
        expiry: None,
        lot_size: Some(1),
        ..row(token, InstrumentType::Equity)
    }
}

fn index() -> contract::Row {
    contract::Row {
        tradingsymbol: "NIFTY 50".into(),
        lot_size: None,
        tick_size: None,
        ..share(256_265, "NIFTY", "INDICES")
    }
}

fn quote() -> Quote {
    Quote {
        last_quantity: 75,
        average_price: 95,
        volume: 123_456_789,
        total_buy: 4_000_000_000,
        total_sell: 7,
        open: 100,
        high: 130,
        low: 65,
        close: 1_005,
    }
}

fn full() -> Full {
    Full {
        last_trade_time: 1_762_238_600,
        oi: 2_952_525,
        oi_day_high: 3_000_000,
        oi_day_low: 2_900_000,
        exchange_time: 1_762_238_671,
        depth: Depth::default(),
    }
}

fn depth() -> Depth {
    let mut depth = Depth::default();
    depth.buy[0] = Level {
        quantity: 150,
        price: 65,
        orders: 2,
    };
    depth.sell[0] = Level {
        quantity: 75,
        price: 70,
        orders: 65_535,
    };
    depth
}

fn index_quote() -> IndexQuote {
    IndexQuote {
        high: 2_570_000,
        low: 2_550_005,
        open: 2_560_010,
        close: 2_555_550,
        change: 10_000,
    }
}

struct Scene {
    row: contract::Row,
    shape: Shape,
    depth: bool,
    namespace: Option<String>,
    mock: bool,
    snapshot: bool,
    greeks: Option<GreeksStamp>,
    /// That of the day before, if the keys are there.
    prev_oi: Option<Option<u32>>,
    volume_delta: Option<u32>,
}

impl Scene {
    fn of(row: contract::Row, shape: Shape) -> Self {
        Self {
            row,
            shape,
            depth: true,
            namespace: None,
            mock: false,
            snapshot: false,
            volume_delta: None,
            greeks: None,
            prev_oi: None,
        }
    }

    fn text(&self, last_price: i32, detail: Detail) -> String {
        let account = Account {
            name: "acct-a".to_owned(),
            namespace: self.namespace.clone(),
            uid: String::new(),
            mock: self.mock,
        };
        let template = JsonTemplate::new(&account, "1762238000000001");
        let mut head = Vec::new();
        write_head(&mut head, self.shape, &self.row);
        let packet = Packet {
            token: self.row.token,
            last_price,
            detail,
        };
        let greeks = self.greeks.as_ref().map(GreeksText::new);
        let format = OutputFormat {
            head: &head,
            template: &template,
            shape: self.shape,
            decimals: Decimals::new(self.row.token.segment().decimals()),
            option: self.row.instrument_type.is_option(),
            greeks: greeks.as_ref(),
            index: self.row.token.segment() == kite::Segment::Indices,
            depth: self.depth,
            prev_oi: self.prev_oi.is_some(),
            handover: self.row.handover,
        };
        let tick = Tick {
            packet: &packet,
            seq: 18_446_744_073_709_551_615,
            connection: 2,
            ts: 1_762_238_671,
            received_us: 1_762_238_671_000_250,
            published_us: 1_762_238_671_000_300,
            volume_delta: self.volume_delta,
            prev_oi: self.prev_oi.flatten(),
            session: Some(kite::MarketSession::Open),
            snapshot: self.snapshot,
        };
        let mut out = vec![0; max_len(head.len(), &template)];
        let len = write(&mut out, &format, &tick);
        out.truncate(len);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        text
    }
}

/// Every number at its longest, every level there; head and tail, which have room of their own, count
/// too.
#[test]
fn the_longest_tick_has_room() {
    let level = Level {
        quantity: u32::MAX,
        price: i32::MIN,
        orders: u16::MAX,
    };
    let quote = Quote {
        last_quantity: u32::MAX,
        average_price: i32::MIN,
        volume: u32::MAX,
        total_buy: u32::MAX,
        total_sell: u32::MAX,
        open: i32::MIN,
        high: i32::MIN,
        low: i32::MIN,
        close: i32::MIN,
    };
    let full = Full {
        last_trade_time: u32::MAX,
        oi: u32::MAX,
        oi_day_high: u32::MAX,
        oi_day_low: u32::MAX,
        exchange_time: u32::MAX,
        depth: Depth {
            buy: [level; 5],
            sell: [level; 5],
        },
    };
    let mut longest = 0;
    for shape in [Shape::Contract, Shape::Underlying] {
        let scene = Scene {
            volume_delta: Some(u32::MAX),
            snapshot: true,
            mock: true,
            greeks: Some(GreeksStamp::unknown(i64::MIN)),
            prev_oi: Some(Some(u32::MAX)),
            ..Scene::of(option(), shape)
        };
        longest = longest.max(scene.text(i32::MIN, Detail::Full(quote, full)).len());
    }
    assert!(longest < LONGEST_BODY, "{longest}");
}

#[test]
fn what_another_account_takes_over_says_so_and_nothing_else_does() {
    let plain = Scene::of(option(), Shape::Contract);
    let text = plain.text(100, Detail::Ltp);
    let row = contract::Row {
        handover: true,
        ..option()
    };
    let leaving = Scene::of(row, Shape::Contract);
    let marked = leaving.text(100, Detail::Ltp);
    assert!(!text.contains("handover"), "{text}");
    let same = marked.replace(",\"handover\":true", "");
    assert_eq!((same, marked.len()), (text.clone(), text.len() + 16));
}
