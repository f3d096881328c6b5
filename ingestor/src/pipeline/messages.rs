//! Turns a tick into messages and values to store.
//!
//! Owns which outputs a tick has and what each needs. The JSON is made by
//! [`crate::tick_json::render`].

use kite::{Packet, Token};

use super::accept::rules::{ReceiveTime, tick_time};
use super::chains::OptionChains;
use super::instruments::{
    AssignedInstrument, AssignedInstruments, AssignedOutput, InstrumentClass,
};
use crate::last_value::keys::{LastValueKeys, StreamKey};
use crate::last_value::schedule::{LastTick, TickMeta};
use crate::tick_json::render::{self, OutputFormat, Tick};
use crate::tick_json::template::JsonTemplate;
use crate::tick_json::writer::ByteWriter;

/// One message of a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickMessage<'a> {
    /// The constant part of its command.
    pub(crate) head: &'a [u8],
    /// The slot of its channel.
    pub(crate) slot: u16,
    /// The JSON.
    pub(crate) json: &'a [u8],
    /// The stream to which it is added too.
    pub(crate) stream: Option<&'a StreamKey>,
}

/// The newest tick of an instrument, as stored for one output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredTick<'a> {
    /// The keys.
    pub(crate) last: &'a LastValueKeys,
    /// The instrument.
    pub(crate) token: Token,
    /// The JSON.
    pub(crate) json: &'a [u8],
    /// The price, if it is to be stored for this output.
    pub(crate) price: Option<LastPrice<'a>>,
}

/// A price to store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastPrice<'a> {
    /// The part before it in each command that stores it, with the slot of the key.
    pub(crate) fronts: [(&'a [u8], u16); 2],
    /// The price as text.
    pub(crate) text: &'a [u8],
    /// After how many seconds it expires.
    pub(crate) ttl_s: u32,
}

impl AssignedInstruments {
    /// Renders the newest accepted packet of `row`, one message per output, and returns what else
    /// is stored of it.
    #[inline]
    pub(crate) fn render(
        &mut self,
        row: u32,
        packet: &Packet,
        published_us: i64,
        mut push: impl FnMut(TickMessage<'_>),
    ) -> TickMeta {
        let meta = self.newest_meta(row);
        let row = &mut self.rows[row as usize];
        let volume = packet.volume();
        let meta = TickMeta {
            volume_delta: volume
                .zip(row.state.volume)
                .and_then(|(now, before)| now.checked_sub(before)),
            ..meta
        };
        row.state.volume = volume.or(row.state.volume);
        for output in &self.outputs[row.outputs.range()] {
            let keys = output.keys.map(|at| &self.keys[usize::from(at)]);
            let head = &self.heads[output.head.range()];
            let format = format(head, &self.template, &self.chains, (row, packet), output);
            let tick = tick(row, output, packet, meta, published_us);
            let len = render::write(&mut self.scratch, &format, &tick);
            let channel = &self.channels[usize::from(output.channel)];
            push(TickMessage {
                head: &channel.publish_head,
                slot: channel.slot,
                json: &self.scratch[..len],
                stream: keys.and_then(|keys| keys.stream.as_ref()),
            });
        }
        meta
    }

    /// What was decided about the newest tick of `row`, but for its volume since the tick before.
    #[inline]
    pub(crate) fn newest_meta(&self, row: u32) -> TickMeta {
        let row = &self.rows[row as usize];
        let state = &row.state;
        let before = |at| self.market.trading_day_before(row.market_class, at);
        TickMeta {
            received_us: state.came_us,
            ts: state.ts,
            volume_delta: None,
            prev_oi: state.open_interest.previous(before),
            snapshot: state.snapshot,
            session: state.session,
            current: state.price_is_current,
        }
    }

    /// What is stored of a first packet of `row` that is not a tick.
    #[must_use]
    pub(crate) fn stored_snapshot(&self, row: u32, received: ReceiveTime) -> TickMeta {
        TickMeta {
            received_us: received.us,
            ts: tick_time(None, received.us, 0),
            volume_delta: None,
            prev_oi: None,
            snapshot: true,
            session: self.rows[row as usize].state.session,
            current: self.rows[row as usize].state.price_is_current,
        }
    }

    /// Renders what is stored of an instrument for the output at `output`; `None` if nothing is.
    pub(crate) fn render_last_value(
        &mut self,
        output: u32,
        newest: &LastTick,
        published_us: i64,
    ) -> Option<StoredTick<'_>> {
        let at = output;
        let output = &self.outputs[at as usize];
        let row = &self.rows[output.row as usize];
        let last = self.keys[usize::from(output.keys?)].last.as_ref()?;
        let head = &self.heads[output.head.range()];
        let format = format(
            head,
            &self.template,
            &self.chains,
            (row, &newest.packet),
            output,
        );
        let tick = tick(row, output, &newest.packet, newest.meta, published_us);
        let len = render::write(&mut self.scratch, &format, &tick);
        let mut writer = ByteWriter::new(&mut self.price);
        row.decimals.write(&mut writer, newest.packet.last_price);
        let price_len = writer.len();
        // Once per instrument, however many channels it is on.
        let mut kept = row.outputs.start..row.outputs.end;
        let first = kept.find(|at| self.outputs[*at as usize].interval.is_some());
        let price = (newest.meta.current && first == Some(at)).then(|| {
            let fronts = row
                .prices
                .map(|(front, slot)| (&self.heads[front.range()], slot));
            let text = &self.price[..price_len];
            let received = newest.meta.received_us / 1_000_000;
            let ends = last.persistence.until_session;
            let end = ends.then(|| self.market.price_end(row.market_class, received));
            let written = received.max(published_us / 1_000_000);
            let ttl_s = last.persistence.ttl_at(end.flatten(), written);
            LastPrice {
                fronts,
                text,
                ttl_s,
            }
        });
        Some(StoredTick {
            last,
            token: row.token,
            json: &self.scratch[..len],
            price,
        })
    }
}

#[inline]
fn format<'a>(
    head: &'a [u8],
    template: &'a JsonTemplate,
    chains: &'a OptionChains,
    (row, packet): (&AssignedInstrument, &Packet),
    output: &AssignedOutput,
) -> OutputFormat<'a> {
    OutputFormat {
        head,
        template,
        shape: output.shape,
        decimals: row.decimals,
        option: row.class == InstrumentClass::Option,
        greeks: row
            .option
            .filter(|_| output.greeks)
            .map(|at| chains.option(at).text()),
        index: row.class == InstrumentClass::Underlying,
        depth: output.depth,
        prev_oi: output.interval.is_some()
            && matches!(row.class, InstrumentClass::Option | InstrumentClass::Future),
        // A boundary divides what has a time; the rest may come twice.
        handover: row.handover || (row.leaves && packet.exchange_time().is_none()),
    }
}

#[inline]
const fn tick<'a>(
    row: &AssignedInstrument,
    output: &AssignedOutput,
    packet: &'a Packet,
    meta: TickMeta,
    published_us: i64,
) -> Tick<'a> {
    Tick {
        packet,
        seq: output.seq,
        connection: row.state.connection,
        ts: meta.ts,
        received_us: meta.received_us,
        published_us,
        volume_delta: meta.volume_delta,
        prev_oi: meta.prev_oi,
        snapshot: meta.snapshot,
        session: meta.session,
    }
}
