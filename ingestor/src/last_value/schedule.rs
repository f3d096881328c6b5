//! The last tick of every instrument, and which of them are still to be written.
//!
//! Owns which outputs are due: an instrument is written once per interval however often it ticks. The
//! pace is [`super::queue`]'s. Pure; must not know Redis. Nothing is allocated per tick.

use std::time::{Duration, Instant};

use kite::{MarketSession, Packet};

use super::queue::WriteQueue;

/// The newest tick of one instrument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastTick {
    /// What Kite sent.
    pub(crate) packet: Packet,
    /// What the pipeline decided about it.
    pub(crate) meta: TickMeta,
}

/// What the pipeline decided about a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickMeta {
    /// When its frame left the socket, epoch microseconds.
    pub(crate) received_us: i64,
    /// Its time in epoch seconds.
    pub(crate) ts: i64,
    /// Volume since the tick before.
    pub(crate) volume_delta: Option<u32>,
    /// Open interest of the trading day before.
    pub(crate) prev_oi: Option<u32>,
    /// Whether it is a first packet.
    pub(crate) snapshot: bool,
    /// The session in which it arrived, if that is known.
    pub(crate) session: Option<MarketSession>,
    /// Whether it belongs to the current session: only such a price is the last price.
    pub(crate) current: bool,
}

impl TickMeta {
    /// The same for a tick that no reader got: the volume before it is not known to them, and it may be
    /// of another day when it is written.
    #[must_use]
    pub(crate) const fn unpublished(self) -> Self {
        Self {
            volume_delta: None,
            current: false,
            ..self
        }
    }
}

/// The newest ticks, and one queue of writes per interval. Places are outputs by their position
/// among those of all instruments.
#[derive(Debug, Default)]
pub(crate) struct WriteSchedule {
    newest: Vec<Option<Box<LastTick>>>,
    dirty: Vec<bool>,
    queues: Vec<WriteQueue>,
    draining: bool,
}

impl WriteSchedule {
    /// Forgets everything and makes room for `rows` instruments, `outputs` outputs and these
    /// intervals.
    pub(crate) fn reset(&mut self, rows: usize, outputs: usize, intervals: &[Duration]) {
        self.newest.clear();
        self.newest.resize_with(rows, || None);
        self.dirty.clear();
        self.dirty.resize(outputs, false);
        self.queues = intervals.iter().copied().map(WriteQueue::new).collect();
    }

    /// Removes and returns the newest ticks, by row.
    pub(crate) fn take_all(&mut self) -> Vec<Option<Box<LastTick>>> {
        std::mem::take(&mut self.newest)
    }

    /// Stores the newest tick of a row, and marks its outputs as due: each with the position of its
    /// interval.
    #[inline]
    pub(crate) fn note(
        &mut self,
        row: u32,
        packet: &Packet,
        meta: TickMeta,
        outputs: impl Iterator<Item = (u32, u16)>,
        now: Instant,
    ) {
        self.remember(row, packet, meta);
        self.mark(outputs, now);
    }

    /// Stores the newest tick of a row, without marking anything as due.
    #[inline]
    pub(crate) fn remember(&mut self, row: u32, packet: &Packet, meta: TickMeta) {
        let packet = *packet;
        match &mut self.newest[row as usize] {
            Some(known) => **known = LastTick { packet, meta },
            unknown => *unknown = Some(Box::new(LastTick { packet, meta })),
        }
    }

    /// Restores the newest tick of a row.
    pub(crate) fn restore(&mut self, row: u32, newest: Box<LastTick>) {
        self.newest[row as usize] = Some(newest);
    }

    /// Marks outputs as due again.
    #[inline]
    pub(crate) fn mark(&mut self, outputs: impl Iterator<Item = (u32, u16)>, now: Instant) {
        for (output, queue) in outputs {
            if !std::mem::replace(&mut self.dirty[output as usize], true) {
                self.queues[usize::from(queue)].push(output, now);
            }
        }
    }

    /// The newest tick of a row.
    #[must_use]
    pub(crate) fn newest(&self, row: u32) -> Option<&LastTick> {
        self.newest[row as usize].as_deref()
    }

    /// The next output that is due at `now`; it then counts as written.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u32> {
        let draining = self.draining;
        let mut queues = self.queues.iter_mut();
        let output = queues.find_map(|queue| queue.take(now, draining))?;
        self.dirty[output as usize] = false;
        Some(output)
    }

    /// Makes everything due at once, for the shutdown.
    pub(crate) const fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub(crate) const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether nothing is left to write.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.queues.iter().all(WriteQueue::is_idle)
    }

    /// Whether something is due at `now`.
    #[must_use]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.draining || self.deadline().is_some_and(|at| at <= now)
    }

    /// When something is due.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|queue| queue.next).min()
    }
}

#[cfg(test)]
mod tests {
    use kite::{Detail, Token};
    use proptest::prelude::*;

    use super::*;
    use crate::last_value::queue::STEP;

    const INTERVAL: Duration = Duration::from_millis(250);

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn packet(price: i32) -> Packet {
        Packet {
            token: Token(1),
            last_price: price,
            detail: Detail::Ltp,
        }
    }

    const META: TickMeta = TickMeta {
        received_us: 0,
        ts: 0,
        volume_delta: None,
        prev_oi: None,
        session: None,
        snapshot: false,
        current: true,
    };

    fn schedule(outputs: u32) -> WriteSchedule {
        let mut schedule = WriteSchedule::default();
        schedule.reset(outputs as usize, outputs as usize, &[INTERVAL]);
        schedule
    }

    fn tick(schedule: &mut WriteSchedule, row: u32, price: i32, now: Instant) {
        schedule.note(row, &packet(price), META, [(row, 0)].into_iter(), now);
    }

    fn taken(schedule: &mut WriteSchedule, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| schedule.take(now)).collect()
    }

    #[test]
    fn the_first_tick_is_written_at_once_and_the_next_after_an_interval() {
        let (start, mut schedule) = (start(), schedule(2));
        tick(&mut schedule, 1, 1, start);
        assert_eq!(taken(&mut schedule, start), [1]);
        for price in 2..50 {
            tick(&mut schedule, 1, price, start + Duration::from_millis(100));
        }
        let early = start + INTERVAL - Duration::from_millis(1);
        assert!(taken(&mut schedule, early).is_empty());
        assert_eq!(schedule.deadline(), Some(start + INTERVAL));
        assert_eq!(taken(&mut schedule, start + INTERVAL), [1]);
        assert_eq!(schedule.newest(1).unwrap().packet.last_price, 49);
        assert_eq!(schedule.deadline(), None);
        assert!(schedule.is_idle());
    }

    #[test]
    fn much_is_spread_over_the_interval() {
        let (start, mut schedule) = (start(), schedule(3_000));
        for row in 0..3_000 {
            tick(&mut schedule, row, 1, start);
        }
        let mut most = 0;
        let mut all = Vec::new();
        for step in 0..50 {
            let now = start + STEP * step;
            let part = taken(&mut schedule, now);
            most = most.max(part.len());
            all.extend(part);
        }
        assert_eq!((most, all.len()), (60, 3_000));
        assert!(schedule.is_idle());
    }

    #[test]
    fn at_the_end_everything_is_written() {
        let (start, mut schedule) = (start(), schedule(3_000));
        for row in 0..3_000 {
            tick(&mut schedule, row, 1, start);
        }
        schedule.drain();
        assert_eq!(taken(&mut schedule, start).len(), 3_000);
        assert!(schedule.is_idle());
    }

    proptest! {
        /// Whatever ticks when: each instrument is written after its newest tick, at most once in
        /// each round, and an alarm is set as long as something is left.
        #[test]
        fn every_newest_tick_is_written_and_once_in_a_round(
            steps in proptest::collection::vec((0_u32..20, 0_u64..40), 1..300)
        ) {
            let (start, mut schedule) = (start(), schedule(20));
            let mut now = start;
            let mut writes = [0_u128; 20];
            let mut pending = [false; 20];
            let mut write = |schedule: &mut WriteSchedule, pending: &mut [bool; 20], now: Instant| {
                while let Some(output) = schedule.take(now) {
                    let at = output as usize;
                    assert!(pending[at], "nothing changed");
                    pending[at] = false;
                    writes[at] += 1;
                }
            };
            for (row, millis) in steps {
                let then = now + Duration::from_millis(millis);
                while let Some(due) = schedule.deadline().filter(|due| *due <= then) {
                    now = now.max(due);
                    write(&mut schedule, &mut pending, now);
                }
                now = then;
                tick(&mut schedule, row, 1, now);
                pending[row as usize] = true;
            }
            while let Some(due) = schedule.deadline() {
                prop_assert!(due <= now + INTERVAL + STEP);
                now = now.max(due);
                write(&mut schedule, &mut pending, now);
            }
            prop_assert_eq!(pending, [false; 20]);
            let rounds = (now - start).as_nanos() / INTERVAL.as_nanos() + 1;
            prop_assert!(writes.iter().all(|count| *count <= rounds), "{writes:?} in {rounds}");
            prop_assert!(schedule.is_idle());
        }
    }
}
