//! Tests of the document: its spelling, and its size.

use super::*;
use crate::assignment::MOST_MOVES;

#[test]
fn a_remark_of_a_later_version_is_read() {
    let read = |text: &str| serde_json::from_str::<CredentialsReport>(text).unwrap();
    let later = read(r#"{"state":"refused","remark":"somethingNew"}"#);
    let remark = Some(CredentialRemark::Other);
    let next_try = None;
    assert_eq!(later, CredentialsReport::Refused { next_try, remark });
    let earlier = read(r#"{"state":"present"}"#);
    assert_eq!(earlier, CredentialsReport::Present { remark: None });
    assert_eq!(
        serde_json::to_string(&earlier).unwrap(),
        r#"{"state":"present"}"#
    );
}

fn largest() -> Report {
    let text = "x".repeat(200);
    Report {
        assignment_versions: vec![1, 2],
        features: vec![FEATURE_EGRESS.to_owned()],
        epoch: "1764559800000000".to_owned(),
        assignment: Some(AppliedAssignment {
            account_uid: "8f14e45f-ceea-467f-a0e6-e7c2a2a3f1aa".to_owned(),
            generation: u64::MAX,
            sha256: "f".repeat(64),
        }),
        assignment_error: Some(text.clone()),
        token_source: None,
        credentials: CredentialsReport::Missing {
            files: vec!["api_key".to_owned()],
        },
        redis: RedisReport {
            error: Some(text.clone()),
            ..RedisReport::default()
        },
        connections: (0..3)
            .map(|index| ConnectionReport {
                index,
                state: ConnectionState::Live,
                instruments: 3000,
                streaming: 3000,
                reconnects: u64::MAX,
                down_ms: Some(u64::from(u32::MAX)),
                ticks_per_second: Some(u32::MAX),
                last_tick_us: Some(i64::MAX),
                last_error: Some(text.clone()),
            })
            .collect(),
        sets: (0..9_000)
            .map(|index| SetReport {
                name: format!("{index:0>40}"),
                assigned: u32::MAX,
                streaming: u32::MAX,
                silent: u32::MAX,
                ticks_per_second: Some(u32::MAX),
                last_tick_us: Some(i64::MAX),
                age_ms: Some(u64::from(u32::MAX)),
                usual_interval_ms: Some(u64::from(u32::MAX)),
                greeks: BTreeMap::from([("settlement_window".to_owned(), 1)]),
            })
            .collect(),
        assigned: 9000,
        streaming: 9000,
        ticks_total: u64::MAX,
        ticks_per_second: u32::MAX,
        last_tick_us: Some(i64::MAX),
        silent_samples: vec![u32::MAX; SAMPLES],
        unknown_packets: Some(UnknownPackets {
            total: u64::MAX,
            minute_packets: u64::MAX,
            minute_unknown: u64::MAX,
            samples: vec![
                PacketSample {
                    length: 192,
                    bytes: "0006".repeat(16),
                };
                3
            ],
        }),
        references: (0..MOST_REFERENCES as u32)
            .map(|at| ReferencePrice {
                token: u32::MAX - at,
                price: Some("21474836.47".to_owned()),
                close: Some("21474836.47".to_owned()),
                age_ms: Some(u64::from(u32::MAX)),
                exchange_ts: Some(i64::from(u32::MAX)),
                first: true,
            })
            .collect(),
        moves: (0..MOST_MOVES)
            .map(|at| MoveReport {
                id: format!("{}:{}", "n".repeat(40), u64::MAX - at as u64),
                instruments: 9000,
                seen: 9000,
                silent: 9000,
                second: Some(i64::from(u32::MAX)),
                done: true,
            })
            .collect(),
        chains: (0..MOST_CHAIN_REPORTS)
            .map(|_| ChainReport {
                exchange: "NFO".to_owned(),
                underlying: "U".repeat(20),
                expiry: jiff::civil::date(2026, 12, 29),
                source: Some("future".to_owned()),
                forward: Some("21474836.4712".to_owned()),
                age_ms: Some(u64::from(u32::MAX)),
            })
            .collect(),
    }
}

/// Operators of other builds read this text.
#[test]
fn the_document_is_spelled_as_agreed() {
    let mut report = largest();
    report.connections.truncate(1);
    report.sets.truncate(1);
    report.silent_samples.truncate(1);
    report.references.truncate(1);
    report.moves.truncate(1);
    report.chains.truncate(1);
    let unknown = report.unknown_packets.as_mut();
    unknown.unwrap().samples.truncate(1);
    insta::assert_json_snapshot!(report);
}

#[test]
fn a_set_for_each_instrument_fits() {
    let text = serde_json::to_vec(&largest()).unwrap();
    assert!(text.len() <= LARGEST_REPORT, "{} bytes", text.len());
    assert_eq!(serde_json::from_slice::<Report>(&text).unwrap(), largest());
}
