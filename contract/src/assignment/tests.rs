//! Tests of the document and its checks.

use kite::{InstrumentType, Mode};

use super::*;

/// A small valid assignment.
pub(crate) fn sample() -> Assignment {
    Assignment {
        version: 1,
        generation: 7,
        account: Account {
            name: "acct-a".to_owned(),
            namespace: Some("trading".to_owned()),
            uid: "0c2f".to_owned(),
            mock: true,
        },
        websocket: "ws://127.0.0.1:7070".to_owned(),
        credentials: CredentialChoice::default(),
        egress: Egress::default(),
        redis_url: "redis://127.0.0.1:6379".to_owned(),
        connections: 1,
        tokens_per_connection: 2,
        order_updates: true,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        sets: vec!["nifty".to_owned()],
        channels: vec![
            "ticker:nifty:underlying".to_owned(),
            "ticker:nifty:options".to_owned(),
        ],
        keeps: vec![Persistence {
            last: Some(LastValuePersistence {
                interval_ms: 250,
                ttl_s: 86_400,
                until_session: false,
            }),
            stream: Some(StreamLength::Seconds(60)),
        }],
        moves: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: vec![
            Row {
                token: Token(256_265),
                mode: Mode::Full,
                symbol: "NIFTY".into(),
                tradingsymbol: "NIFTY 50".into(),
                exchange: "NSE".into(),
                segment: "INDICES".into(),
                instrument_type: InstrumentType::Equity,
                strike: None,
                expiry: None,
                lot_size: None,
                tick_size: None,
                class: None,
                chain: None,
                sets: vec![0],
                outputs: vec![Output {
                    channel: 0,
                    shape: Shape::Underlying,
                    depth: false,
                    greeks: false,
                    keep: None,
                }],
                reference: false,
                handover: false,
                move_at: None,
                retained: None,
                former: None,
            },
            Row {
                token: Token(12_192_002),
                mode: Mode::Full,
                symbol: "NIFTY".into(),
                tradingsymbol: "NIFTY26D0125150PE".into(),
                exchange: "NFO".into(),
                segment: "NFO-OPT".into(),
                instrument_type: InstrumentType::Put,
                strike: Some(25_150.0),
                expiry: Some(jiff::civil::date(2026, 12, 1)),
                lot_size: Some(75),
                tick_size: Some(0.05),
                class: None,
                chain: None,
                sets: vec![0],
                outputs: vec![Output {
                    channel: 1,
                    shape: Shape::Contract,
                    depth: true,
                    greeks: false,
                    keep: Some(0),
                }],
                reference: false,
                handover: false,
                move_at: None,
                retained: None,
                former: None,
            },
        ],
    }
}

/// Ingest processes of other builds read this; without it the document is as it always was.
#[test]
fn a_way_out_is_spelled_as_agreed() {
    let mut assignment = sample();
    let plain = serde_json::to_value(&assignment).unwrap();
    assert!(plain.get("egress").is_none(), "{plain}");
    assignment.egress = Egress {
        proxy: Some("http://proxy:3128".to_owned()),
        ca: Some("PEM".to_owned()),
    };
    assert!(!assignment.same_content(&sample()));
    let document = serde_json::to_value(&assignment).unwrap();
    let spelled = serde_json::json!({"proxy": "http://proxy:3128", "ca": "PEM"});
    assert_eq!(document["egress"], spelled);
}

/// Processes of other builds read this text: a change here needs a default or a new version.
#[test]
fn the_document_is_spelled_as_agreed() {
    insta::assert_json_snapshot!(sample());
}

#[test]
fn members_of_a_later_build_are_ignored() {
    let mut document = serde_json::to_value(sample()).unwrap();
    document["later"] = serde_json::json!({"x": 1});
    document["instruments"][0]["later"] = serde_json::json!(true);
    assert_eq!(
        serde_json::from_value::<Assignment>(document).unwrap(),
        sample()
    );
}

/// A process of an older build, and one that reads the document of an older operator, tell
/// everything, as before.
#[test]
fn events_are_told_unless_the_document_says_otherwise() {
    let written = serde_json::to_value(sample()).unwrap();
    assert_eq!(written.get("events"), None);
    assert_eq!(written.get("quiet_prefixes"), None);
    let silent = Assignment {
        events: false,
        quiet_prefixes: vec!["ticker:nifty".to_owned()],
        ..sample()
    };
    assert!(!silent.same_content(&sample()));
    let written = serde_json::to_value(&silent).unwrap();
    assert_eq!(
        serde_json::from_value::<Assignment>(written).unwrap(),
        silent
    );
}

#[test]
fn each_fault_is_named() {
    assert_eq!(sample().check(), Ok(()));
    let broken = |change: fn(&mut Assignment)| {
        let mut assignment = sample();
        change(&mut assignment);
        assignment.check().unwrap_err()
    };
    assert_eq!(
        broken(|a| a.version = 9),
        InvalidAssignment::Version { found: 9 }
    );
    assert_eq!(broken(|a| a.connections = 4), InvalidAssignment::Limits);
    assert_eq!(
        broken(|a| a.tokens_per_connection = 0),
        InvalidAssignment::Limits
    );
    assert!(matches!(
        broken(|a| a.tokens_per_connection = 1),
        InvalidAssignment::Capacity { instruments: 2, .. }
    ));
    assert_eq!(
        broken(|a| a.instruments[1].token = a.instruments[0].token),
        InvalidAssignment::Duplicate(Token(256_265))
    );
    assert_eq!(
        broken(|a| a.instruments[1].sets = vec![1]),
        InvalidAssignment::Reference(Token(12_192_002))
    );
    for change in [
        |a: &mut Assignment| a.channels.truncate(1),
        |a: &mut Assignment| a.keeps.clear(),
    ] {
        let reference = InvalidAssignment::Reference(Token(12_192_002));
        assert_eq!(broken(change), reference);
    }
    assert_eq!(
        broken(|a| a.keeps[0].stream = Some(StreamLength::Entries(0))),
        InvalidAssignment::Persistence
    );
    assert!(matches!(
        broken(|a| a.websocket = "http://x".to_owned()),
        InvalidAssignment::Endpoint(_)
    ));
}

#[test]
fn of_two_wishes_both_are_met() {
    let last = |interval_ms, ttl_s| {
        Some(LastValuePersistence {
            interval_ms,
            ttl_s,
            until_session: false,
        })
    };
    let (quick, long) = (
        Persistence {
            last: last(100, 60),
            stream: None,
        },
        Persistence {
            last: last(500, 600),
            stream: Some(StreamLength::Seconds(60)),
        },
    );
    let both = Persistence {
        last: last(100, 600),
        stream: Some(StreamLength::Seconds(60)),
    };
    assert_eq!((quick.or(long), long.or(quick)), (both, both));
    assert_eq!(Persistence::default().or(quick), quick);
}

#[test]
fn only_the_generation_does_not_count_as_content() {
    let mut other = sample();
    other.generation += 1;
    assert!(sample().same_content(&other));
    other.instruments[0].mode = Mode::Ltp;
    assert!(!sample().same_content(&other));
}

/// Two processes of different builds may have a part in one move.
#[test]
fn a_move_is_spelled_as_agreed() {
    let mut assignment = sample();
    let plain = serde_json::to_value(&assignment).unwrap();
    assert!(plain.get("moves").is_none() && plain["instruments"][0].get("move").is_none());
    let boundary = Boundary {
        second: 1_764_570_600,
        within_s: 10,
    };
    let (id, part) = ("acct-b:7".to_owned(), MovePart::To);
    assignment.moves.push(Move {
        id,
        part,
        boundary: Some(boundary),
    });
    assignment.instruments[0].move_at = Some(0);
    assert_eq!(assignment.check(), Ok(()));
    assert!(!assignment.same_content(&sample()));
    let document = serde_json::to_value(&assignment).unwrap();
    let boundary = serde_json::json!({"second": 1_764_570_600, "within_s": 10});
    let spelled = serde_json::json!([{"id": "acct-b:7", "part": "to", "boundary": boundary}]);
    assert_eq!(document["moves"], spelled);
    assert_eq!(document["instruments"][0]["move"], 0);

    assignment.instruments[0].move_at = Some(1);
    let refused = InvalidAssignment::Reference(Token(256_265));
    assert_eq!(assignment.check(), Err(refused));
    assignment.moves = vec![assignment.moves[0].clone(); MOST_MOVES + 1];
    let refused = InvalidAssignment::Moves(MOST_MOVES + 1);
    assert_eq!(assignment.check(), Err(refused));
}

/// The members of a market day, as operator and process write them.
#[test]
fn sessions_are_triples_of_two_seconds_and_a_word() {
    use kite::MarketSession::Open;
    let mut document = sample();
    // 2026-12-01, 09:15 to 15:40 in India.
    document.sessions = vec![ClassSessions {
        class: "NFO".to_owned(),
        previous_day: Some(jiff::civil::date(2026, 11, 30)),
        spans: vec![SessionSpan(1_796_096_700, 1_796_119_800, Open)],
    }];
    document.instruments[0].class = Some(0);
    let json = serde_json::to_value(&document).unwrap();
    let expected = serde_json::json!([{
        "class": "NFO", "previous_day": "2026-11-30", "spans": [[1_796_096_700, 1_796_119_800, "open"]],
    }]);
    assert_eq!(json["sessions"], expected);
    assert_eq!(json["instruments"][0]["class"], 0);
    assert_eq!(document.check(), Ok(()));
    document.instruments[0].class = Some(1);
    let token = document.instruments[0].token;
    assert_eq!(document.check(), Err(InvalidAssignment::Reference(token)));
    document.sessions[0]
        .spans
        .push(SessionSpan(1_796_119_000, 1_796_120_000, Open));
    let overlapping = InvalidAssignment::Sessions("NFO".to_owned());
    assert_eq!(document.check(), Err(overlapping));
}
