//! The row of a listed instrument, before anything is asked of it.
//!
//! Must not decide what it is for.

use std::sync::Arc;

use contract::Row;
use kite::{Instrument, Mode};

use crate::instruments::InstrumentTable;
use crate::plan::selection::symbol;

/// The row of an instrument for nobody; `class`: the position of its class in the document.
pub(super) fn listed_row(
    instrument: &Instrument,
    table: &InstrumentTable,
    class: Option<u16>,
) -> Row {
    let symbol = symbol(instrument, table);
    Row {
        token: instrument.token,
        mode: Mode::Ltp,
        // Most are called what the list calls them: its text is shared.
        symbol: [&instrument.name, &instrument.tradingsymbol]
            .into_iter()
            .find(|name| ***name == *symbol)
            .map_or_else(|| symbol.as_ref().into(), Arc::clone),
        tradingsymbol: Arc::clone(&instrument.tradingsymbol),
        exchange: Arc::clone(&instrument.exchange),
        segment: Arc::clone(&instrument.segment),
        instrument_type: instrument.instrument_type,
        strike: instrument
            .instrument_type
            .is_option()
            .then_some(instrument.strike),
        expiry: instrument.expiry,
        lot_size: (instrument.lot_size > 0).then_some(instrument.lot_size),
        tick_size: (instrument.tick_size > 0.0).then_some(instrument.tick_size),
        class,
        chain: None,
        sets: Vec::new(),
        outputs: Vec::new(),
        reference: false,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    }
}
