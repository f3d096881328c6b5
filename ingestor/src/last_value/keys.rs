//! How ticks of one channel are stored in Redis beside their messages: the keys, and the constant
//! parts of the commands, rendered once per assignment.
//!
//! Owns the names of keys. Must not see a packet, and must not decide when something is written.

use std::time::Duration;

use contract::assignment::prefix_of;
use contract::{LastValuePersistence, Persistence, StreamLength};

use redis_link::resp::{write_bulk, write_bulks, write_head};
use redis_link::slots::slot_of;

/// The prefix of every key of a mock account: a bare last price cannot say that it is mock.
const MOCK: &str = "mock:";

/// How ticks of one channel are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutputKeys {
    /// The newest tick of each instrument.
    pub(crate) last: Option<LastValueKeys>,
    /// All ticks.
    pub(crate) stream: Option<StreamKey>,
}

/// How the newest tick of each instrument is stored.
#[derive(Clone, Debug)]
pub(crate) struct LastValueKeys {
    /// The interval of writes.
    pub(crate) interval: Duration,
    /// When a price expires.
    pub(crate) persistence: LastValuePersistence,
    /// The slot of the hash.
    pub(crate) slot: u16,
    /// Key of the hash, as an argument.
    key: Vec<u8>,
}

/// The stream to which every tick is added.
#[derive(Clone, Debug)]
pub(crate) struct StreamKey {
    /// The slot of its key.
    pub(crate) slot: u16,
    /// The command up to its length argument.
    front: Vec<u8>,
    /// For how long an entry stays; without it the length is part of `front`.
    age: Option<StreamAge>,
}

/// For how long an entry stays in a stream.
#[derive(Clone, Debug)]
struct StreamAge {
    age: Duration,
    /// The command without a length, while the time of the server is not known.
    plain_front: Vec<u8>,
}

/// The start of every key of an account.
#[must_use]
pub(crate) const fn key_start(mock: bool) -> &'static str {
    if mock { MOCK } else { "" }
}

impl OutputKeys {
    /// The keys of `keep` for a channel.
    #[must_use]
    pub(crate) fn new(channel: &str, keep: &Persistence, mock: bool) -> Self {
        let prefix = format!("{}{}", key_start(mock), prefix_of(channel));
        Self {
            last: keep.last.map(|last| LastValueKeys::new(&prefix, last)),
            stream: keep.stream.map(|stream| StreamKey::new(&prefix, stream)),
        }
    }
}

impl LastValueKeys {
    fn new(prefix: &str, last: LastValuePersistence) -> Self {
        let mut key = Vec::new();
        let hash = format!("{prefix}:last");
        write_bulks(&mut key, &[hash.as_bytes()]);
        Self {
            interval: Duration::from_millis(u64::from(last.interval_ms)),
            persistence: last,
            slot: slot_of(hash.as_bytes()),
            key,
        }
    }

    /// Appends the command that stores `ticks` ticks, whose arguments are in `fields`.
    pub(crate) fn write_ticks(&self, out: &mut Vec<u8>, ticks: usize, fields: &[u8]) {
        write_head(out, 2 + 2 * ticks);
        write_bulk(out, b"HSET");
        out.extend_from_slice(&self.key);
        out.extend_from_slice(fields);
    }
}

/// Appends the command that stores a price for `ttl_s` seconds; `front` is one of [`price_fronts`].
pub(crate) fn write_price(out: &mut Vec<u8>, front: &[u8], price: &[u8], ttl_s: u32) {
    out.extend_from_slice(front);
    write_bulk(out, price);
    write_bulks(out, &[b"EX", itoa::Buffer::new().format(ttl_s).as_bytes()]);
}

/// The key of the price of an instrument by its name, `EXCHANGE:TRADINGSYMBOL`.
#[must_use]
pub(crate) fn price_key(key_start: &str, name: &str) -> String {
    format!("{key_start}ltp:{name}")
}

/// The part before the price in the two commands that store it, each with the slot of its key.
#[must_use]
pub(crate) fn price_fronts(row: &contract::Row, mock: bool) -> [(Vec<u8>, u16); 2] {
    let start = key_start(mock);
    let keys = [
        price_key(start, &format!("{}:{}", row.exchange, row.tradingsymbol)),
        format!("{start}ticker:{}:ltp", row.token.0),
    ];
    keys.map(|key| {
        let mut front = Vec::new();
        write_head(&mut front, 5);
        write_bulks(&mut front, &[b"SET", key.as_bytes()]);
        (front, slot_of(key.as_bytes()))
    })
}

impl StreamKey {
    fn new(prefix: &str, length: StreamLength) -> Self {
        let key = format!("{prefix}:stream");
        let front = |arguments| {
            let mut front = Vec::new();
            write_head(&mut front, arguments);
            write_bulks(&mut front, &[b"XADD", key.as_bytes()]);
            front
        };
        let (plain_front, mut front) = (front(5), front(8));
        let age = match length {
            StreamLength::Seconds(seconds) => {
                write_bulks(&mut front, &[b"MINID", b"~"]);
                let age = Duration::from_secs(u64::from(seconds));
                Some(StreamAge { age, plain_front })
            }
            StreamLength::Entries(entries) => {
                write_bulks(
                    &mut front,
                    &[b"MAXLEN", b"~", entries.to_string().as_bytes()],
                );
                None
            }
        };
        Self {
            slot: slot_of(key.as_bytes()),
            front,
            age,
        }
    }

    /// Appends the command that adds `tick`. Old entries are removed by the server's time, in
    /// milliseconds since 1970, because their ids are of that clock: with one that is a minute
    /// ahead, a stream of a minute would be emptied. While it is not known, nothing is removed.
    pub(crate) fn write(&self, out: &mut Vec<u8>, tick: &[u8], server_millis: Option<i64>) {
        match (&self.age, server_millis) {
            (None, _) => out.extend_from_slice(&self.front),
            (Some(age), None) => out.extend_from_slice(&age.plain_front),
            (Some(age), Some(now)) => {
                out.extend_from_slice(&self.front);
                let oldest = (now - age.age.as_millis() as i64).max(0);
                write_bulk(out, itoa::Buffer::new().format(oldest).as_bytes());
            }
        }
        write_bulks(out, &[b"*", b"d", tick]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command as people write it.
    fn words(command: &[u8]) -> String {
        let text = std::str::from_utf8(command).unwrap();
        let mut lines = text.split("\r\n");
        let count: usize = lines
            .next()
            .unwrap()
            .strip_prefix('*')
            .unwrap()
            .parse()
            .unwrap();
        let mut words = Vec::new();
        while let Some(len) = lines.next().filter(|line| !line.is_empty()) {
            let word = lines.next().unwrap();
            assert_eq!(len, format!("${}", word.len()));
            words.push(word);
        }
        assert_eq!(words.len(), count);
        words.join(" ")
    }

    #[test]
    fn keys_are_named_after_the_prefix() {
        let keep = Persistence {
            last: Some(LastValuePersistence {
                interval_ms: 250,
                ttl_s: 86_400,
                until_session: false,
            }),
            stream: Some(StreamLength::Entries(1_000)),
        };
        let keys = OutputKeys::new("ticker:nifty:options", &keep, false);
        let (last, stream) = (keys.last.unwrap(), keys.stream.unwrap());
        let mut out = Vec::new();
        last.write_ticks(&mut out, 1, b"$1\r\n7\r\n$2\r\n{}\r\n");
        assert_eq!(words(&out), "HSET ticker:nifty:last 7 {}");
        out.clear();
        stream.write(&mut out, b"{}", None);
        assert_eq!(words(&out), "XADD ticker:nifty:stream MAXLEN ~ 1000 * d {}");

        let keep = Persistence {
            stream: Some(StreamLength::Seconds(60)),
            ..keep
        };
        let keys = OutputKeys::new("ticker:equity", &keep, true);
        for (now, trimmed) in [
            (Some(1_764_570_660_000), "MINID ~ 1764570600000 "),
            (Some(0), "MINID ~ 0 "),
            (None, ""),
        ] {
            out.clear();
            keys.stream.as_ref().unwrap().write(&mut out, b"{}", now);
            let expected = format!("XADD mock:ticker:stream {trimmed}* d {{}}");
            assert_eq!(words(&out), expected);
        }
    }

    #[test]
    fn a_price_is_kept_by_symbol_and_by_token() {
        let mut row = crate::pipeline::instruments::tests::sample()
            .instruments
            .remove(0);
        let kept = |mock| {
            price_fronts(&row, mock).map(|(front, _)| {
                let mut out = Vec::new();
                write_price(&mut out, &front, b"1.50", 60);
                words(&out)
            })
        };
        assert_eq!(
            kept(false),
            [
                "SET ltp:NSE:NIFTY 50 1.50 EX 60",
                "SET ticker:256265:ltp 1.50 EX 60"
            ]
        );
        assert_eq!(kept(true)[0], "SET mock:ltp:NSE:NIFTY 50 1.50 EX 60");
        row.tradingsymbol = "BSE SENSEX SIXTY 65:35".into();
        let (front, _) = &price_fronts(&row, false)[0];
        let key = "\r\nltp:NSE:BSE SENSEX SIXTY 65:35\r\n";
        assert!(std::str::from_utf8(front).unwrap().ends_with(key));
    }
}
