//! Any bytes may arrive from outside: they are read to the end, and never cause a panic.
//!
//! Inputs are valid ones that were cut, changed and extended, and random bytes. Each target runs
//! for a second, or for `FUZZ_SECONDS`. They are bolero targets: `cargo bolero test` runs them with
//! a coverage-guided engine too.

use std::io::Write;
use std::time::Duration;

use bolero::TypeGenerator;
use contract::Sealed;
use flate2::Compression;
use flate2::write::GzEncoder;
use kite::recording::{self, FrameKind, MAGIC, Records};
use kite::{Command, Detail, FrameBuilder, Full, Packet, Packets, Quote, ServerText, Token};
use sha2::{Digest, Sha256};

/// A change of a sample.
#[derive(Clone, Debug, TypeGenerator)]
struct Change {
    sample: u8,
    edits: Vec<(u16, u8)>,
    cut: Option<u16>,
    tail: Vec<u8>,
}

impl Change {
    fn apply(&self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = samples[usize::from(self.sample) % samples.len()].clone();
        for (at, byte) in &self.edits {
            let len = bytes.len().max(1);
            if let Some(place) = bytes.get_mut(usize::from(*at) % len) {
                *place = *byte;
            }
        }
        if let Some(cut) = self.cut {
            bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

fn seconds() -> Duration {
    let given = std::env::var_os("FUZZ_SECONDS");
    let given = given.and_then(|text| text.to_str()?.parse().ok());
    Duration::from_secs(given.unwrap_or(1))
}

/// Runs `target` on changed samples, of which one is empty.
fn run(samples: &[&[u8]], target: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let mut all: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_vec()).collect();
    all.push(Vec::new());
    bolero::check!()
        .with_test_time(seconds())
        .with_type::<Change>()
        .for_each(|change| target(&change.apply(&all)));
}

fn frame() -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    let details = [
        Detail::Ltp,
        Detail::Quote(Quote::default()),
        Detail::Full(Quote::default(), Full::default()),
    ];
    for (number, detail) in details.into_iter().enumerate() {
        let packet = Packet {
            token: Token(number as u32 * 256 + 1),
            last_price: 5,
            detail,
        };
        assert!(builder.push(&packet));
    }
    builder.finish()
}

#[test]
fn frames() {
    let frame = frame();
    run(&[&frame, &[0]], |bytes| {
        // Each item takes a byte at least, so the end comes.
        assert!(Packets::new(bytes).count() <= bytes.len() + 2);
        let raw: usize = kite::frame::raw_packets(bytes).map(<[u8]>::len).sum();
        assert!(raw <= bytes.len());
    });
}

#[test]
fn texts_and_commands() {
    let samples: [&[u8]; 5] = [
        br#"{"type":"order","data":{"order_id":"1"}}"#,
        br#"{"type":"error","data":"text"}"#,
        br#"{"type":"message","data":1}"#,
        br#"{"a":"subscribe","v":[408065]}"#,
        br#"{"a":"mode","v":["full",[408065]]}"#,
    ];
    run(&samples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let read = ServerText::parse(&text);
        if !matches!(read, ServerText::Malformed | ServerText::Unknown { .. }) {
            assert_eq!(ServerText::parse(&read.to_json()), read);
        }
        drop(Command::parse(&text));
    });
}

#[test]
fn instruments() {
    let csv: &[u8] = b"instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,\
        instrument_type,segment,exchange\n408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n\
        12192002,47625,NIFTY26D0125150PE,\"NIFTY\",0,2026-12-01,25150,0.05,75,PE,NFO-OPT,NFO\n";
    run(&[csv], |bytes| {
        if let Ok(dump) = kite::instruments::read(bytes) {
            assert!(dump.instruments.len() <= bytes.len());
        }
    });
}

/// The JSON is changed and the hash is right, as a hostile writer of ConfigMaps could do.
#[test]
fn assignments() {
    let json: &[u8] = br#"{"version":1,"generation":7,"account":{"name":"a","uid":"u","mock":true},
        "websocket":"ws://127.0.0.1:1","redis_url":"redis://127.0.0.1","connections":1,"tokens_per_connection":2,
        "sets":["s"],"channels":["ticker:x:options"],"keeps":[{"last":{"interval_ms":250,"ttl_s":60}}],
        "instruments":[{"token":258,"mode":"full","symbol":"X","tradingsymbol":"X","exchange":"NFO","segment":"NFO-OPT",
        "type":"CE","strike":1.0,"expiry":"2026-12-01","sets":[0],"outputs":[{"channel":0,"keep":0}]}]}"#;
    let whole = sealed(json);
    assert!(whole.open().is_ok());
    run(&[json], |bytes| {
        if let Ok(assignment) = sealed(bytes).open() {
            assert!(assignment.instruments.len() <= assignment.capacity());
        }
        let sha256 = whole.sha256.clone();
        let gzip = bytes.to_vec();
        assert!(Sealed { gzip, sha256 }.open().is_err(), "no gzip");
    });
}

fn sealed(json: &[u8]) -> Sealed {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json).expect("memory takes it");
    let hash = Sha256::digest(json);
    Sealed {
        gzip: gzip.finish().expect("memory takes it"),
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[test]
fn recordings() {
    let mut bytes = MAGIC.to_vec();
    recording::write(&mut bytes, 1, 0, FrameKind::Binary, &frame());
    recording::write(&mut bytes, 2, 1, FrameKind::Text, b"{}");
    run(&[&bytes], |bytes| {
        let Ok(mut records) = Records::new(bytes) else {
            return;
        };
        let mut total = 0;
        while let Ok(Some(record)) = records.next_record() {
            total += record.payload.len();
        }
        assert!(total <= bytes.len());
    });
}
