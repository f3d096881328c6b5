use calendar::Calendar;
use jiff::civil::date;
use kite::packet::Detail;
use proptest::prelude::*;

use super::*;
use crate::universe::Underlying;

/// 2026-12-01 05:00 UTC.
const START: i64 = 1_796_101_200;

fn market(seed: u64) -> Market {
    let universe = Universe::generate(seed, date(2026, 12, 1), Calendar::india()).unwrap();
    Market::new(Arc::new(universe), seed)
}

fn at(seconds: f64) -> SimulationTime {
    let elapsed = Duration::from_secs_f64(seconds);
    SimulationTime {
        elapsed,
        unix: START + elapsed.as_secs() as i64,
    }
}

fn position(market: &Market, symbol: &str) -> usize {
    market.universe().find_symbol(symbol).unwrap()
}

/// One instrument of every segment and kind.
const KINDS: [&str; 12] = [
    "NSE:NIFTY 50",
    "NSE:INDIA VIX",
    "NSE:INFY",
    "BSE:RELIANCE",
    "NFO:NIFTY26DECFUT",
    "NFO:NIFTY26DEC24000CE",
    "NFO:NIFTY26D0127000CE",
    "BFO:SENSEX26D0379300PE",
    "CDS:USDINR26DECFUT",
    "CDS:USDINR26DEC89.25CE",
    "BCD:USDINR26DECFUT",
    "MCX:CRUDEOIL26DEC5400CE",
];

struct Seen {
    volume: u32,
    oi: u32,
    close: i32,
}

fn check(packet: &Packet, tick: i32, before: Option<Seen>) -> Seen {
    let last = packet.last_price;
    assert!(last >= tick && last % tick == 0, "{packet:?}");
    let seen = match &packet.detail {
        Detail::IndexFull(index, time) => {
            assert!(index.low <= last && last <= index.high, "{packet:?}");
            assert!(
                index.low <= index.open && index.open <= index.high,
                "{packet:?}"
            );
            assert_eq!(index.change, last - index.close);
            assert!(i64::from(*time) >= START);
            Seen {
                volume: 0,
                oi: 0,
                close: index.close,
            }
        }
        Detail::Full(quote, full) => {
            assert!(quote.low <= last && last <= quote.high, "{packet:?}");
            assert!(quote.low <= quote.average_price && quote.average_price <= quote.high);
            assert!(full.oi_day_low <= full.oi && full.oi <= full.oi_day_high);
            let (bid, offer) = (full.depth.buy[0].price, full.depth.sell[0].price);
            assert!(bid < offer, "{packet:?}");
            for level in full.depth.buy.iter().chain(&full.depth.sell) {
                assert_eq!(level.price % tick, 0);
                assert_eq!(level.price > 0, level.quantity > 0 && level.orders > 0);
            }
            Seen {
                volume: quote.volume,
                oi: full.oi,
                close: quote.close,
            }
        }
        other => panic!("full mode gave {other:?}"),
    };
    if let Some(before) = before {
        assert!(
            seen.volume >= before.volume && seen.oi >= before.oi,
            "{packet:?}"
        );
        assert_eq!(seen.close, before.close);
    }
    seen
}

#[test]
fn what_a_reader_relies_on_holds_through_a_day() {
    let mut market = market(5);
    for symbol in KINDS {
        let position = position(&market, symbol);
        let tick = market.universe().listings[position].tick;
        let mut seen = None;
        for step in 0..5_000 {
            let now = at(f64::from(step) * 4.7);
            let before = market.snapshot(position, Mode::Full, now);
            let changed = market.advance(position, false, now);
            let after = market.packet(position, Mode::Full);
            assert_ne!(before, after, "{symbol}: a tick without a change");
            assert_eq!(
                changed.price,
                before.last_price != after.last_price,
                "{symbol}"
            );
            seen = Some(check(&after, tick, seen));
        }
        assert!(seen.is_some());
    }
}

#[test]
fn a_forced_trade_moves_the_price_whatever_it_is() {
    let mut market = market(9);
    for symbol in KINDS {
        let position = position(&market, symbol);
        let tick = market.universe().listings[position].tick;
        for _ in 0..500 {
            let before = market.snapshot(position, Mode::Full, at(1.0));
            assert!(market.advance(position, true, at(1.0)).price);
            let after = market.packet(position, Mode::Full);
            assert_ne!(before.last_price, after.last_price, "{symbol}");
            check(&after, tick, None);
        }
    }
}

/// Lets the instrument trade once a minute for so many hours, and returns the lowest and the highest price of it.
fn range(market: &mut Market, symbol: &str, hours: u32) -> (i32, i32) {
    let position = position(market, symbol);
    let minutes = (0..hours * 60).map(|minute| at(f64::from(minute) * 60.0));
    let prices: Vec<i32> = minutes
        .map(|now| {
            market.advance(position, true, now);
            market.packet(position, Mode::Ltp).last_price
        })
        .collect();
    (*prices.iter().min().unwrap(), *prices.iter().max().unwrap())
}

#[test]
fn a_set_price_is_that_of_the_next_packet_whatever_it_is() {
    let mut market = market(6);
    for symbol in KINDS {
        let position = position(&market, symbol);
        let listing = &market.universe().listings[position];
        let (tick, divisor) = (listing.tick, listing.divisor());
        for (factor, hold) in [(0.5, false), (3.0, true), (1.0, false)] {
            let before = market.snapshot(position, Mode::Full, at(1.0)).last_price;
            let wanted = book::on_grid(f64::from(before) * factor, tick);
            market.set_price(position, f64::from(wanted) / divisor, hold, at(2.0));
            let packet = market.packet(position, Mode::Full);
            assert_eq!(packet.last_price, wanted, "{symbol} times {factor}");
            check(&packet, tick, None);
        }
    }
}

#[test]
fn a_price_that_is_held_stays_while_all_others_move() {
    let mut market = market(6);
    let (nifty, future) = (
        position(&market, "NSE:NIFTY 50"),
        position(&market, "NFO:NIFTY26DECFUT"),
    );
    market.set_price(nifty, 25_123.45, true, at(0.0));
    assert_eq!(
        range(&mut market, "NSE:NIFTY 50", 6),
        (2_512_344, 2_512_346)
    );
    // The future follows by carry, and can be held as well: at its best bid or offer.
    let (low, high) = range(&mut market, "NFO:NIFTY26DECFUT", 6);
    assert!(2_520_000 < low && high < 2_535_000, "{low} {high}");
    market.set_price(future, 25_000.0, true, at(0.0));
    let (low, high) = range(&mut market, "NFO:NIFTY26DECFUT", 6);
    assert!(low == 2_500_000 && high <= 2_500_050, "{low} {high}");
    // The close of the day is that price, too, and the share next to it is as before.
    let closes = market.closes(at(0.0));
    assert!(closes.contains(&25_123.45));
    let (low, high) = range(&mut market, "NSE:INFY", 6);
    assert!(high - low > 100, "{low} {high}");
}

#[test]
fn a_price_that_was_set_moves_on_from_there() {
    let mut market = market(6);
    let nifty = position(&market, "NSE:NIFTY 50");
    for hold in [true, false] {
        market.set_price(nifty, 12_000.0, hold, at(0.0));
    }
    let (low, high) = range(&mut market, "NSE:NIFTY 50", 1);
    assert!(
        1_180_000 < low && low < high && high < 1_220_000,
        "{low} {high}"
    );
    let (low, high) = range(&mut market, "NFO:NIFTY26DECFUT", 1);
    assert!(1_190_000 < low && high < 1_230_000, "{low} {high}");
}

#[test]
fn a_price_that_rests_is_that_of_the_day_before_or_the_one_that_was_set() {
    let mut market = market(6);
    let nifty = position(&market, "NSE:NIFTY 50");
    let of = market.universe().listings[nifty].underlying;
    let (still, moving) = {
        let underlyings = &market.universe().underlyings;
        (
            vec![false; underlyings.len()],
            vec![true; underlyings.len()],
        )
    };
    market.rest(&still, at(0.0));
    let close = market.universe().underlyings[of].close;
    assert_eq!(market.closes(at(3_600.0))[of], close);
    market.set_price(nifty, 12_000.0, false, at(3_600.0));
    assert_eq!(market.closes(at(7_200.0))[of], 12_000.0);
    market.rest(&moving, at(7_200.0));
    let moved = market.closes(at(7_260.0))[of];
    assert!(
        moved != 12_000.0 && (11_500.0..12_500.0).contains(&moved),
        "{moved}"
    );
    // The next night it rests where it is by then.
    market.rest(&still, at(7_320.0));
    let night = market.closes(at(7_320.0))[of];
    assert!(night != moved && night == market.closes(at(20_000.0))[of]);
}

/// Correlation of the returns of two instruments over a day.
fn correlation(market: &mut Market, one: &str, other: &str) -> f64 {
    let (one, other) = (position(market, one), position(market, other));
    let mut before = None;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for minute in 0..375 {
        let now = at(f64::from(minute) * 60.0);
        let mut price = |position| {
            market.advance(position, true, now);
            f64::from(market.packet(position, Mode::Ltp).last_price).ln()
        };
        let (x, y) = (price(one), price(other));
        if let Some((last_x, last_y)) = before.replace((x, y)) {
            let (dx, dy): (f64, f64) = (x - last_x, y - last_y);
            xy += dx * dy;
            xx += dx * dx;
            yy += dy * dy;
        }
    }
    xy / (xx * yy).sqrt()
}

#[test]
fn what_belongs_together_moves_together() {
    let mut market = market(2);
    let future = correlation(&mut market, "NSE:NIFTY 50", "NFO:NIFTY26DECFUT");
    assert!(future > 0.95, "{future}");
    let mut market = self::market(2);
    let call = correlation(&mut market, "NSE:NIFTY 50", "NFO:NIFTY26DEC24250CE");
    assert!(call > 0.9, "{call}");
    let mut market = self::market(2);
    let fear = correlation(&mut market, "NSE:NIFTY 50", "NSE:INDIA VIX");
    assert!(fear < -0.5, "{fear}");
    let mut market = self::market(2);
    let indices = correlation(&mut market, "NSE:NIFTY 50", "BSE:SENSEX");
    assert!(indices > 0.9, "{indices}");
}

#[test]
fn every_listing_has_a_price_that_fits_the_wire() {
    let mut market = market(4);
    for position in 0..market.universe().listings.len() {
        let packet = market.snapshot(position, Mode::Full, at(0.5));
        check(&packet, market.universe().listings[position].tick, None);
        // Half of what 31 bits hold leaves room for a day's band.
        assert!(packet.last_price < i32::MAX / 3 * 2, "{packet:?}");
    }
}

proptest! {
    #[test]
    fn no_walk_leaves_the_day_band(seed in any::<u64>(), beta in -6.0..6.0_f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let underlying = Underlying {
            name: "X".to_owned(), close: 100.0, gap: 0.0, beta, volatility: 0.6, implied: 0.6,
        };
        let (mut factor, mut own) = (Walk::default(), Walk::default());
        for step in 0..200 {
            let seconds = f64::from(step) * 997.0;
            let factor = walk::market(&mut factor, seconds, &mut rng);
            let own = own.advance(seconds, underlying.volatility, &mut rng);
            let price = walk::price(&underlying, factor, own);
            prop_assert!((80.0..=120.0).contains(&price), "{price}");
        }
    }
}
