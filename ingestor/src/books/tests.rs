//! Tests of the books: what is written, what is told, and to whom.

use contract::{LastValuePersistence, Persistence};
use serde_json::{Value, json};

use super::*;
use crate::events::event::{Event, EventKind};

/// The table's sample, of which everything is kept.
fn assignment() -> Assignment {
    let mut assignment = crate::pipeline::instruments::tests::sample();
    assignment.channels = vec![
        "ticker:equity".to_owned(),
        "ticker:nifty:options".to_owned(),
    ];
    assignment.keeps = vec![Persistence {
        last: Some(LastValuePersistence {
            interval_ms: 250,
            ttl_s: 60,
        }),
        stream: None,
    }];
    for row in &mut assignment.instruments {
        row.lot_size = Some(75);
        for output in &mut row.outputs {
            output.keep = Some(0);
        }
    }
    assignment
}

fn books(assignment: &Assignment) -> Books {
    let target = Target::parse("redis://127.0.0.1").unwrap();
    Books::new(assignment, target)
}

fn found(books: &Books) -> BTreeMap<u32, Option<String>> {
    let rows = books.entries.iter();
    rows.map(|(token, entry)| (*token, Some(entry.json.clone())))
        .collect()
}

fn told(body: &EventBody, books: &Books) -> (Value, Vec<String>) {
    let message = body.message(&books.account, 7);
    let json = serde_json::from_str(&message.json).unwrap();
    (json, message.channels)
}

const OPTION: u32 = 12_192_002;

#[test]
fn a_row_says_what_streams_and_for_whom() {
    let books = books(&assignment());
    let row: Value = serde_json::from_str(&books.entries[&OPTION].json).unwrap();
    let expected = json!({
        "symbol": "NIFTYPE", "tradingsymbol": "NIFTYPE", "segment": "NSE", "exchange": "NSE",
        "strike": null, "expiry": null, "type": "PE", "lot_size": 75, "tick_size": null,
        "channel": "ticker:equity", "set": "one", "account": "acct-a", "namespace": null,
        "mode": "full",
    });
    assert_eq!(row, expected);
}

#[test]
fn a_restart_is_no_news() {
    let books = books(&assignment());
    assert!(books.difference(&found(&books)).is_empty());
}

#[test]
fn what_was_not_listed_is_created_with_what_it_is() {
    let books = books(&assignment());
    let mut found = found(&books);
    found.insert(OPTION, None);
    let difference = books.difference(&found);
    assert_eq!(difference[0].0, OPTION);
    let (event, channels) = told(difference[0].1.as_ref().unwrap(), &books);
    assert_eq!(
        (&event["event_type"], &event["instrument_token"]),
        (&json!("subscription_created"), &json!(OPTION))
    );
    assert_eq!(event["metadata"]["tradingsymbol"], "NIFTYPE");
    assert_eq!(
        (&event["ts"], &event["account_id"]),
        (&json!(7), &json!("acct-a"))
    );
    assert_eq!(channels, ["ticker:events"], "its own prefix is everybody's");
}

#[test]
fn an_instrument_that_moves_from_another_account_is_no_news() {
    let books = books(&assignment());
    let mut found = found(&books);
    let other = books.entries[&OPTION].json.replace("acct-a", "acct-b");
    found.insert(OPTION, Some(other.clone()));
    assert_eq!(books.difference(&found), [(OPTION, None)]);
    // The other one does not remove what is not its own any more.
    let mut left = assignment();
    left.account.name = "acct-b".to_owned();
    left.instruments.clear();
    let left = self::books(&left);
    assert_eq!(left.removal(OPTION, &books.entries[&OPTION].json), None);
    assert!(left.removal(OPTION, &other).is_some());
}

#[test]
fn a_contract_that_became_another_says_what_changed() {
    let books = books(&assignment());
    let mut found = found(&books);
    let old = books.entries[&OPTION]
        .json
        .replace("\"lot_size\":75", "\"lot_size\":50");
    found.insert(OPTION, Some(old));
    let difference = books.difference(&found);
    let (event, _) = told(difference[0].1.as_ref().unwrap(), &books);
    assert_eq!(event["event_type"], "instrument_changed");
    assert_eq!(
        event["changed"],
        json!({"lot_size": {"old": 50, "new": 75}})
    );
}

#[test]
fn what_nobody_can_read_is_written_anew() {
    let books = books(&assignment());
    let mut found = found(&books);
    found.insert(OPTION, Some("{".to_owned()));
    assert_eq!(books.difference(&found)[0].0, OPTION);
}

#[test]
fn what_leaves_is_told_once_it_is_not_wanted() {
    let all = books(&assignment());
    let text = &all.entries[&OPTION].json;
    assert_eq!(all.removal(OPTION, text), None, "it is wanted");
    let mut fewer = assignment();
    fewer.instruments.retain(|row| row.token.0 != OPTION);
    let fewer = books(&fewer);
    let (event, _) = told(&fewer.removal(OPTION, text).unwrap(), &fewer);
    assert_eq!(event["event_type"], "subscription_deleted");
}

#[test]
fn events_of_mock_accounts_have_channels_of_their_own() {
    let mut mock = assignment();
    mock.account.mock = true;
    mock.account.namespace = Some("trading".to_owned());
    let books = books(&mock);
    assert_eq!(books.directory(), "mock:ticker:instruments");
    let gap = Event {
        ts: 1,
        kind: EventKind::Gap {
            connection: 2,
            from: 10,
            to: 12,
            tokens: vec![256_265],
        },
    };
    let body = gap.body(&books).unwrap();
    let (json, channels) = told(&body, &books);
    assert_eq!(channels, ["mock:ticker:nifty:events", "mock:ticker:events"]);
    assert_eq!(
        json,
        json!({
            "event_type": "gap", "ts": 7, "is_mock": true, "account_id": "acct-a",
            "namespace": "trading", "conn": 2, "from_ts": 10, "to_ts": 12, "tokens": [256_265],
        })
    );
}
