//! The instrument that somebody may have meant who wrote a name that is in no list.
//!
//! Pure. Only a hint for people: nothing is streamed by it.

use super::InstrumentTable;

/// Names that differ in more letters are others.
const MOST_EDITS: usize = 2;

/// Names are compared with those that begin with the same letters: comparing with all takes half a second.
const SAME_BEGINNING: usize = 3;

/// What other programs write behind the name of a share.
const SHARE: &str = "-EQ";

/// The name in the list that differs least from `EXCHANGE:TRADINGSYMBOL`, by two letters at most; the first of several
/// by the alphabet. Also in another exchange if its tradingsymbol is the same, and the index whose derivatives have the
/// name.
pub(crate) fn similar(name: &str, table: &InstrumentTable) -> Option<String> {
    let (exchange, symbol) = name.split_once(':')?;
    let (exchange, symbol) = (exchange.to_ascii_uppercase(), symbol.to_ascii_uppercase());
    let (exchange, symbol) = (&*exchange, symbol.strip_suffix(SHARE).unwrap_or(&symbol));
    if let Some(index) = index_of(exchange, symbol, table) {
        return Some(index);
    }
    let beginning = symbol.get(..SAME_BEGINNING)?;
    let candidates = table.rows().iter().filter_map(|row| {
        let other = &*row.tradingsymbol;
        if other == symbol {
            return Some((MOST_EDITS, row));
        }
        let possible = *row.exchange == *exchange
            && other.starts_with(beginning)
            && other.len().abs_diff(symbol.len()) <= MOST_EDITS;
        let edits = possible.then(|| strsim::osa_distance(other, symbol))?;
        (edits <= MOST_EDITS).then_some((edits, row))
    });
    let nearest = candidates.min_by(|(edits, row), (other_edits, other)| {
        (edits, &row.tradingsymbol, &row.exchange).cmp(&(
            other_edits,
            &other.tradingsymbol,
            &other.exchange,
        ))
    });
    nearest.map(|(_, row)| format!("{}:{}", row.exchange, row.tradingsymbol))
}

/// The index of an exchange whose derivatives are called so.
fn index_of(exchange: &str, underlying: &str, table: &InstrumentTable) -> Option<String> {
    let mut indices = table.rows().iter().filter(|row| row.is_index());
    let index = indices.find(|row| {
        let found = table.underlying_of_index(row.token);
        &*row.exchange == exchange && found.is_some_and(|name| **name == *underlying)
    })?;
    Some(format!("{}:{}", index.exchange, index.tradingsymbol))
}

/// The name that differs least from `name`, by two letters at most; the first of several by the alphabet.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = names.filter(|other| other.len().abs_diff(name.len()) <= MOST_EDITS);
    let near = near.map(|other| (strsim::osa_distance(other, name), other));
    let near = near.filter(|(edits, _)| *edits <= MOST_EDITS);
    near.min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::instruments::IndexNames;

    #[test]
    fn the_nearest_name_is_found() {
        let rows = [
            "1,INFY,NSE,NSE,,,",
            "2,RELIANCE,NSE,NSE,,,",
            "3,NIFTY 50,INDICES,NSE,,,",
            "4,NIFTY26DEC25000CE,NFO-OPT,NFO,NIFTY,2026-12-29,25000",
            "5,NIFTY26DEC25100CE,NFO-OPT,NFO,NIFTY,2026-12-29,25100",
            "6,KANCHI,BSE,BSE,,,",
        ];
        let text = format!(
            "instrument_token,tradingsymbol,segment,exchange,name,expiry,strike\n{}\n",
            rows.join("\n")
        );
        let dump = kite::instruments::read(text.as_bytes()).unwrap();
        let table = InstrumentTable::new(dump, Timestamp::UNIX_EPOCH, &IndexNames::default());
        let similar = |name: &str| similar(name, &table);
        for (wrong, right) in [
            ("NSE:INFYY", "NSE:INFY"),
            ("NSE:RELAINCE", "NSE:RELIANCE"),
            ("NSE:NIFTY50", "NSE:NIFTY 50"),
            ("NFO:NIFTY26DEC25010CE", "NFO:NIFTY26DEC25000CE"),
            ("NSE:KANCHI", "BSE:KANCHI"),
            ("NSE:Infy", "NSE:INFY"),
            ("NSE:RELIANCE-EQ", "NSE:RELIANCE"),
            ("NSE:NIFTY", "NSE:NIFTY 50"),
        ] {
            assert_eq!(similar(wrong).as_deref(), Some(right), "{wrong}");
        }
        for none in ["NSE:TCS", "NSE:IN", "INFY", "NSE:", "MCX:RELIANC", "NSE:é"] {
            assert_eq!(similar(none), None, "{none}");
        }
    }
}
