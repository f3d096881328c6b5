//! The state of one instrument: its trades of the day and its order book, in integers of the wire.
//!
//! Owns the invariants that readers rely on: low ≤ last ≤ high, every price a multiple of the tick
//! and at least one tick, volume and open interest never fall, the best bid is below the best
//! offer.

use kite::packet::{Depth, Detail, Full, IndexQuote, Level, Packet, Quote};
use kite::{Mode, Token};
use rand::Rng;

/// Which modes have changed fields after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The last price moved.
    pub price: bool,
    /// A field of quote mode moved.
    pub quote: bool,
}

impl Changed {
    /// Whether a subscriber in `mode` gets a packet. In full mode always: every event changes a
    /// field of it.
    #[must_use]
    pub fn concerns(self, mode: Mode) -> bool {
        match mode {
            Mode::Ltp => self.price,
            Mode::Quote => self.quote,
            Mode::Full => true,
        }
    }
}

/// What decides the size of orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderTerms {
    /// Smallest price step.
    pub(super) tick: i32,
    /// Quantity of one lot.
    pub(super) lot: u32,
    /// Whether there is open interest.
    pub(super) has_oi: bool,
}

/// One instrument while it has subscribers.
#[derive(Clone, Debug)]
pub(super) struct Book {
    token: Token,
    terms: Option<OrderTerms>,
    last: i32,
    quote: Quote,
    full: Full,
    /// Sum of price × quantity of the day's trades.
    turnover: f64,
}

impl Book {
    /// An index; it has values and no orders.
    pub(super) fn index(token: Token, close: i32, open: i32, now: u32) -> Self {
        let quote = Quote {
            open,
            high: open,
            low: open,
            close,
            ..Quote::default()
        };
        let full = Full {
            exchange_time: now,
            ..Full::default()
        };
        Self {
            token,
            terms: None,
            last: open,
            quote,
            full,
            turnover: 0.0,
        }
    }

    /// An instrument that trades, with part of the day behind it.
    pub(super) fn tradable(
        token: Token,
        terms: OrderTerms,
        close: i32,
        open: i32,
        now: u32,
        rng: &mut impl Rng,
    ) -> Self {
        let lots = |rng: &mut dyn rand::RngCore, most: u32| terms.lot * rng.random_range(1..=most);
        let volume = lots(rng, 5_000);
        let oi = if terms.has_oi { lots(rng, 20_000) } else { 0 };
        let quote = Quote {
            last_quantity: lots(rng, 5),
            average_price: open,
            volume,
            total_buy: lots(rng, 20_000),
            total_sell: lots(rng, 20_000),
            open,
            high: open,
            low: open,
            close,
        };
        let full = Full {
            last_trade_time: now,
            oi,
            oi_day_high: oi,
            oi_day_low: oi,
            exchange_time: now,
            depth: Depth::default(),
        };
        let turnover = f64::from(open) * f64::from(volume);
        let mut book = Self {
            token,
            terms: Some(terms),
            last: open,
            quote,
            full,
            turnover,
        };
        book.full.depth = depth(terms, f64::from(open), rng);
        book
    }

    /// One event: `fair` is the value in units of the wire. With `trade` the last price moves in any
    /// case, else as it happens to.
    pub(super) fn advance(
        &mut self,
        fair: f64,
        trade: bool,
        now: u32,
        rng: &mut impl Rng,
    ) -> Changed {
        self.full.exchange_time = now;
        match self.terms {
            None => self.revalue(fair, rng),
            Some(terms) => self.quote_and_trade(terms, fair, trade, now, rng),
        }
    }

    /// Nothing happens any more from this time on.
    pub(super) fn stand_still(&mut self, since: u32) {
        self.full.exchange_time = self.full.exchange_time.max(since);
    }

    /// A trade at this price, which is on the grid, and orders around it. An index has that value.
    pub(super) fn trade_at(&mut self, price: i32, now: u32, rng: &mut impl Rng) {
        self.full.exchange_time = now;
        let Some(terms) = self.terms else {
            return self.set_last(price);
        };
        self.full.depth = depth(terms, f64::from(price), rng);
        self.trade(terms, price, now, rng);
    }

    /// The packet of the instrument's present state.
    pub(super) fn packet(&self, mode: Mode) -> Packet {
        let detail = match (mode, self.terms) {
            (Mode::Ltp, _) => Detail::Ltp,
            (Mode::Quote, None) => Detail::IndexQuote(self.index_quote()),
            (Mode::Full, None) => Detail::IndexFull(self.index_quote(), self.full.exchange_time),
            (Mode::Quote, Some(_)) => Detail::Quote(self.quote),
            (Mode::Full, Some(_)) => Detail::Full(self.quote, self.full),
        };
        Packet {
            token: self.token,
            last_price: self.last,
            detail,
        }
    }

    fn index_quote(&self) -> IndexQuote {
        let Quote {
            open,
            high,
            low,
            close,
            ..
        } = self.quote;
        IndexQuote {
            high,
            low,
            open,
            close,
            change: self.last - close,
        }
    }

    fn revalue(&mut self, fair: f64, rng: &mut impl Rng) -> Changed {
        let mut value = (fair.round() as i32).max(1);
        if value == self.last {
            // An index is published only when it moved.
            value = if rng.random() || value == 1 {
                value + 1
            } else {
                value - 1
            };
        }
        self.set_last(value);
        Changed {
            price: true,
            quote: true,
        }
    }

    fn quote_and_trade(
        &mut self,
        terms: OrderTerms,
        fair: f64,
        trade: bool,
        now: u32,
        rng: &mut impl Rng,
    ) -> Changed {
        let before = self.last;
        self.full.depth = depth(terms, fair, rng);
        let moved = perturb(self.quote.total_buy, terms.lot, rng);
        self.quote.total_buy = moved;
        self.quote.total_sell = perturb(self.quote.total_sell, terms.lot, rng);
        if trade || rng.random_bool(0.6) {
            let bid = self.full.depth.buy[0].price;
            let offer = self.full.depth.sell[0].price;
            // No bid is left below one tick.
            let mut price = if bid > 0 && rng.random() { bid } else { offer };
            if trade && price == before {
                price = if price == offer && bid > 0 {
                    bid
                } else {
                    offer
                };
                if price == before {
                    price += terms.tick;
                }
            }
            self.trade(terms, price, now, rng);
        }
        Changed {
            price: self.last != before,
            quote: true,
        }
    }

    fn trade(&mut self, terms: OrderTerms, price: i32, now: u32, rng: &mut impl Rng) {
        let quantity = terms.lot.saturating_mul(rng.random_range(1..=8));
        self.set_last(price);
        self.full.last_trade_time = now;
        self.quote.last_quantity = quantity;
        self.quote.volume = self.quote.volume.saturating_add(quantity);
        self.turnover += f64::from(price) * f64::from(quantity);
        let average = (self.turnover / f64::from(self.quote.volume)).round() as i32;
        self.quote.average_price = average.clamp(self.quote.low, self.quote.high);
        if terms.has_oi && rng.random_bool(0.3) {
            self.full.oi = self
                .full
                .oi
                .saturating_add(terms.lot * rng.random_range(1..=4));
            self.full.oi_day_high = self.full.oi;
        }
    }

    fn set_last(&mut self, price: i32) {
        self.last = price;
        self.quote.high = self.quote.high.max(price);
        self.quote.low = self.quote.low.min(price);
    }
}

/// The nearest price on the grid, at least one tick.
pub(super) fn on_grid(price: f64, tick: i32) -> i32 {
    ((price / f64::from(tick)).round() as i32).max(1) * tick
}

/// Five levels a side around `fair`; a bid below one tick does not exist.
fn depth(terms: OrderTerms, fair: f64, rng: &mut impl Rng) -> Depth {
    let tick = terms.tick;
    let best_bid = (fair / f64::from(tick)).floor().max(0.0) as i32;
    // More expensive instruments have wider books.
    let spread = 1 + rng.random_range(0..=(best_bid / 4_000).clamp(0, 3));
    let mut level = |price: i32| {
        if price <= 0 {
            return Level::default();
        }
        let orders = rng.random_range(1..=40_u16);
        let quantity = terms.lot * u32::from(orders) * rng.random_range(1..=6);
        Level {
            quantity,
            price: price * tick,
            orders,
        }
    };
    Depth {
        buy: [0, 1, 2, 3, 4].map(|down| level(best_bid - down)),
        sell: [0, 1, 2, 3, 4].map(|up| level(best_bid + spread + up)),
    }
}

/// Changes a total by a few lots, at least one, and never to zero.
fn perturb(total: u32, lot: u32, rng: &mut impl Rng) -> u32 {
    let by = lot * rng.random_range(1..=20);
    if rng.random() && total > by {
        total - by
    } else {
        total.saturating_add(by)
    }
}
