//! Writes a tick as JSON.
//!
//! Owns the two shapes that consumers parse: every key, its order, and when it is null or absent.
//! Keys of the replaced service come first, added ones follow. Must not allocate, and never
//! converts a number to a binary fraction; [`greeks`] alone has numbers that are none else.

use contract::Shape;
use kite::{Depth, Detail, Full, Level, MarketSession, Packet, Quote};

use super::decimal::Decimals;
use super::greeks::{self, GreeksText};
use super::template::JsonTemplate;
use super::writer::ByteWriter;

/// An upper bound of the bytes of keys and numbers between head and tail.
const LONGEST_BODY: usize = 2048 + greeks::LONGEST;

/// The keys that ltp mode lacks, in the underlying shape.
const NO_DAY: &[u8] =
    b",\"open\":null,\"high\":null,\"low\":null,\"prev_close\":null,\"ohlc\":null";

/// One tick: a packet and what the pipeline decided about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick<'a> {
    /// What Kite sent.
    pub(crate) packet: &'a Packet,
    /// Number within its channel.
    pub(crate) seq: u64,
    /// Index of the connection on which it arrived.
    pub(crate) connection: u8,
    /// Its time in epoch seconds.
    pub(crate) ts: i64,
    /// When its frame left the socket, epoch microseconds.
    pub(crate) received_us: i64,
    /// When it is sent to Redis, epoch microseconds.
    pub(crate) published_us: i64,
    /// Volume since the token's previous tick.
    pub(crate) volume_delta: Option<u32>,
    /// Open interest of the trading day before.
    pub(crate) prev_oi: Option<u32>,
    /// Whether it is a first packet.
    pub(crate) snapshot: bool,
    /// What its market did when it arrived, if that is known.
    pub(crate) session: Option<MarketSession>,
}

/// How ticks of one instrument are rendered for one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputFormat<'a> {
    /// The head, as rendered by [`super::template::write_head`].
    pub(crate) head: &'a [u8],
    /// The parts that name the publisher.
    pub(crate) template: &'a JsonTemplate,
    /// The shape.
    pub(crate) shape: Shape,
    /// How prices are written.
    pub(crate) decimals: Decimals,
    /// Whether the instrument is an option.
    pub(crate) option: bool,
    /// Its Greeks, if they are to be written: without them its ticks have the keys of the replaced service, as nulls.
    pub(crate) greeks: Option<&'a GreeksText>,
    /// Whether the instrument is an index, which has no volume.
    pub(crate) index: bool,
    /// Whether ticks in full mode carry the book.
    pub(crate) depth: bool,
    /// Whether ticks in full mode carry the open interest of the day before, and what has changed since.
    pub(crate) prev_oi: bool,
    /// Whether another account takes the instrument over, so that its ticks come twice for a while.
    pub(crate) handover: bool,
}

/// The maximum length of a tick in bytes, for a head of this length.
#[must_use]
pub(crate) const fn max_len(head: usize, template: &JsonTemplate) -> usize {
    head + template.source.len() + template.tail.len() + LONGEST_BODY
}

/// Writes the JSON object of `tick` to the start of `out` and returns its length.
///
/// # Panics
/// When it does not fit; [`max_len`] bytes are always enough.
pub(crate) fn write(out: &mut [u8], format: &OutputFormat<'_>, tick: &Tick<'_>) -> usize {
    let mut json = Json {
        writer: ByteWriter::new(out),
        decimals: format.decimals,
    };
    json.raw(format.head);
    json.price(tick.packet.last_price);
    match format.shape {
        Shape::Contract => write_contract(&mut json, format, tick),
        Shape::Underlying => write_underlying(&mut json, format, tick),
    }
    if tick.snapshot {
        json.raw(b",\"snapshot\":true");
    }
    if format.handover {
        json.raw(b",\"handover\":true");
    }
    json.session(tick.session);
    json.raw(&format.template.tail);
    json.writer.len()
}

fn write_contract(json: &mut Json<'_>, format: &OutputFormat<'_>, tick: &Tick<'_>) {
    let (quote, full) = parts(tick.packet);
    json.optional(b",\"volume\":", quote.map(|quote| quote.volume));
    json.optional(b",\"oi\":", full.map(|full| full.oi));
    if format.option {
        json.raw(format.greeks.map_or(greeks::NO_VALUES, GreeksText::values));
    }
    json.integer(b",\"ts\":", tick.ts);
    json.mock(format.template.mock);
    if let Some(full) = full.filter(|full| format.depth && !full.depth.is_absent()) {
        json.depth(&full.depth);
    }
    if let Some(quote) = quote {
        json.integer(b",\"total_buy_quantity\":", quote.total_buy);
        json.integer(b",\"total_sell_quantity\":", quote.total_sell);
    }
    json.origin(format.template, tick);
    if let Some(quote) = quote {
        json.trade(quote);
    }
    if let Some(day) = day(&tick.packet.detail) {
        json.day(day);
    }
    json.extremes(full);
    json.optional(b",\"volume_delta\":", tick.volume_delta);
    if let Some(full) = full.filter(|_| format.prev_oi) {
        json.optional(b",\"prev_oi\":", tick.prev_oi);
        let change = |before: u32| i64::from(full.oi) - i64::from(before);
        json.optional(b",\"oi_change\":", tick.prev_oi.map(change));
    }
    if let Some(greeks) = format.greeks {
        json.raw(greeks.added());
    }
}

fn write_underlying(json: &mut Json<'_>, format: &OutputFormat<'_>, tick: &Tick<'_>) {
    let (quote, full) = parts(tick.packet);
    let price = tick.packet.last_price;
    json.raw(b",\"last_price\":");
    json.price(price);
    json.raw(b",\"close\":");
    json.price(price);
    match day(&tick.packet.detail) {
        None => json.raw(NO_DAY),
        Some(day) => json.day_twice(day),
    }
    let volume = quote
        .map(|quote| quote.volume)
        .or(format.index.then_some(0));
    json.optional(b",\"volume\":", volume);
    json.integer(b",\"ts\":", tick.ts);
    json.integer(b",\"timestamp\":", tick.ts);
    json.mock(format.template.mock);
    json.origin(format.template, tick);
    if let Some(quote) = quote {
        json.trade(quote);
    }
    json.extremes(full);
    json.optional(b",\"volume_delta\":", tick.volume_delta);
}

/// The fields of a tradable instrument's packet beyond the price.
const fn parts(packet: &Packet) -> (Option<&Quote>, Option<&Full>) {
    match &packet.detail {
        Detail::Ltp | Detail::IndexQuote(_) | Detail::IndexFull(..) => (None, None),
        Detail::Quote(quote) => (Some(quote), None),
        Detail::Full(quote, full) => (Some(quote), Some(full)),
    }
}

/// Open, high, low and previous close of the day.
type Day = [i32; 4];

/// Prices of the day, from any kind of packet.
const fn day(detail: &Detail) -> Option<Day> {
    match detail {
        Detail::Ltp => None,
        Detail::IndexQuote(it) | Detail::IndexFull(it, _) => {
            Some([it.open, it.high, it.low, it.close])
        }
        Detail::Quote(it) | Detail::Full(it, _) => Some([it.open, it.high, it.low, it.close]),
    }
}

struct Json<'a> {
    writer: ByteWriter<'a>,
    decimals: Decimals,
}

impl Json<'_> {
    #[inline(always)]
    fn raw(&mut self, text: &[u8]) {
        self.writer.raw(text);
    }

    #[inline]
    fn price(&mut self, raw: i32) {
        self.decimals.write(&mut self.writer, raw);
    }

    #[inline]
    fn prices<const N: usize>(&mut self, prices: [(&[u8], i32); N]) {
        for (key, price) in prices {
            self.raw(key);
            self.price(price);
        }
    }

    #[inline]
    fn integer(&mut self, key: &[u8], value: impl Into<i64>) {
        self.raw(key);
        self.writer.signed(value.into());
    }

    #[inline]
    fn optional(&mut self, key: &[u8], value: Option<impl Into<i64>>) {
        match value {
            Some(value) => self.integer(key, value),
            None => {
                self.raw(key);
                self.raw(b"null");
            }
        }
    }

    fn session(&mut self, session: Option<MarketSession>) {
        match session {
            None => self.raw(b",\"session\":null"),
            Some(session) => {
                self.raw(b",\"session\":\"");
                self.raw(session.as_str().as_bytes());
                self.raw(b"\"");
            }
        }
    }

    fn mock(&mut self, mock: bool) {
        self.raw(if mock {
            b",\"is_mock\":true"
        } else {
            b",\"is_mock\":false"
        });
    }

    fn origin(&mut self, template: &JsonTemplate, tick: &Tick<'_>) {
        self.raw(b",\"v\":1,\"seq\":");
        self.writer.integer(tick.seq);
        self.raw(&template.source);
        self.writer.integer(tick.connection.into());
        self.raw(b",\"mode\":\"");
        self.raw(tick.packet.mode().as_str().as_bytes());
        self.optional(b"\",\"exchange_ts\":", tick.packet.exchange_time());
        self.optional(b",\"last_trade_ts\":", tick.packet.last_trade_time());
        self.integer(b",\"recv_us\":", tick.received_us);
        self.integer(b",\"pub_us\":", tick.published_us);
    }

    fn trade(&mut self, quote: &Quote) {
        self.integer(b",\"last_qty\":", quote.last_quantity);
        self.prices([(b",\"avg_price\":", quote.average_price)]);
    }

    fn day(&mut self, [open, high, low, previous_close]: Day) {
        self.prices([
            (b",\"open\":", open),
            (b",\"high\":", high),
            (b",\"low\":", low),
            (b",\"prev_close\":", previous_close),
        ]);
    }

    fn day_twice(&mut self, day: Day) {
        self.day(day);
        let [open, high, low, previous_close] = day;
        self.prices([
            (b",\"ohlc\":{\"open\":", open),
            (b",\"high\":", high),
            (b",\"low\":", low),
            (b",\"close\":", previous_close),
        ]);
        self.raw(b"}");
    }

    fn extremes(&mut self, full: Option<&Full>) {
        if let Some(full) = full {
            self.integer(b",\"oi_high\":", full.oi_day_high);
            self.integer(b",\"oi_low\":", full.oi_day_low);
        }
    }

    fn depth(&mut self, depth: &Depth) {
        self.raw(b",\"depth\":{\"buy\":[");
        self.levels(&depth.buy);
        self.raw(b"],\"sell\":[");
        self.levels(&depth.sell);
        self.raw(b"]}");
    }

    fn levels(&mut self, levels: &[Level; 5]) {
        for (at, level) in levels.iter().enumerate() {
            if at > 0 {
                self.raw(b",");
            }
            self.raw(b"{\"quantity\":");
            self.writer.integer(level.quantity.into());
            self.raw(b",\"price\":");
            self.price(level.price);
            self.raw(b",\"orders\":");
            self.writer.integer(level.orders.into());
            self.raw(b"}");
        }
    }
}

#[cfg(test)]
mod tests;
