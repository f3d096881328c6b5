//! What a tick becomes: messages, and what is kept of it.
//!
//! Owns which outputs a tick has and what each needs. How the JSON looks is
//! [`crate::tick::render`]'s.

use kite::{Packet, Token};

use super::keeping::{Last, Stream};
use super::row::{Class, Row};
use super::{Output, Table};
use crate::keep::Newest;
use crate::tick::face::Imprint;
use crate::tick::render::{self, Look, Tick};
use crate::tick::rules::{Received, tick_time, volume_of};

/// One message of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The constant part of its command.
    pub head: &'a [u8],
    /// The JSON.
    pub json: &'a [u8],
    /// The stream that takes it too.
    pub stream: Option<&'a Stream>,
}

/// The newest tick of an instrument as it is kept for one output.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// How.
    pub last: &'a Last,
    /// The instrument.
    pub token: Token,
    /// The JSON.
    pub json: &'a [u8],
    /// What stands in front of the price in each command that keeps it, and the price.
    pub prices: Option<([&'a [u8]; 2], &'a [u8])>,
}

impl Table {
    /// Renders the newest accepted packet of `row`, one message per output, and returns it as what
    /// is kept of it.
    #[inline]
    pub fn render(
        &mut self,
        row: u32,
        packet: &Packet,
        published_us: i64,
        mut push: impl FnMut(Message<'_>),
    ) -> Newest {
        let row = &mut self.rows[row as usize];
        let volume = volume_of(packet);
        let newest = Newest {
            packet: *packet,
            received_us: row.came_us,
            ts: row.ts,
            volume_delta: volume
                .zip(row.volume)
                .and_then(|(now, before)| now.checked_sub(before)),
            snapshot: row.snapshot,
            current: true,
        };
        row.volume = volume.or(row.volume);
        for output in &self.outputs[row.outputs.range()] {
            let keeping = output.keeping.map(|at| &self.keepings[usize::from(at)]);
            let head = &self.heads[output.head.range()];
            self.scratch.clear();
            let look = look(head, &self.imprint, row, output);
            write(&mut self.scratch, &look, row, output, &newest, published_us);
            push(Message {
                head: &self.channels[usize::from(output.channel)].publish_head,
                json: &self.scratch,
                stream: keeping.and_then(|keeping| keeping.stream.as_ref()),
            });
        }
        newest
    }

    /// A first packet of a session that is over, as what is kept of it: it is no tick.
    #[must_use]
    pub fn old(&self, packet: &Packet, received: Received) -> Newest {
        Newest {
            packet: *packet,
            received_us: received.us,
            ts: tick_time(None, received.us, 0),
            volume_delta: None,
            snapshot: true,
            current: false,
        }
    }

    /// Renders what is kept of an instrument for the output at `output`; `None` where nothing is.
    pub fn render_kept(
        &mut self,
        output: u32,
        newest: &Newest,
        published_us: i64,
    ) -> Option<Kept<'_>> {
        let at = output;
        let output = &self.outputs[at as usize];
        let row = &self.rows[output.row as usize];
        let last = self.keepings[usize::from(output.keeping?)].last.as_ref()?;
        let head = &self.heads[output.head.range()];
        self.scratch.clear();
        let look = look(head, &self.imprint, row, output);
        write(&mut self.scratch, &look, row, output, newest, published_us);
        self.price.clear();
        row.decimals
            .write(&mut self.price, newest.packet.last_price);
        // Once per instrument, however many channels it is on.
        let mut kept = row.outputs.start..row.outputs.end;
        let first = kept.find(|at| self.outputs[*at as usize].interval.is_some());
        let prices = (newest.current && first == Some(at)).then(|| {
            let fronts = row.prices.map(|front| &self.heads[front.range()]);
            (fronts, self.price.as_slice())
        });
        Some(Kept {
            last,
            token: row.token,
            json: &self.scratch,
            prices,
        })
    }
}

#[inline]
fn look<'a>(head: &'a [u8], imprint: &'a Imprint, row: &Row, output: &Output) -> Look<'a> {
    Look {
        head,
        imprint,
        shape: output.shape,
        decimals: row.decimals,
        option: row.class == Class::Option,
        index: row.class == Class::Underlying,
        depth: output.depth,
    }
}

#[inline]
fn write(
    out: &mut Vec<u8>,
    look: &Look<'_>,
    row: &Row,
    output: &Output,
    newest: &Newest,
    published_us: i64,
) {
    let tick = Tick {
        packet: &newest.packet,
        seq: output.seq,
        connection: row.connection,
        ts: newest.ts,
        received_us: newest.received_us,
        published_us,
        volume_delta: newest.volume_delta,
        snapshot: newest.snapshot,
    };
    render::write(out, look, &tick);
}
