//! Tests of the listing: what is written, what readers are told, and who is told.

use contract::{LastValuePersistence, Persistence};
use serde_json::{Value, json};

use super::*;
use crate::events::event::{AccountEvent, EventKind};

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
            until_session: false,
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

fn listing(assignment: &Assignment) -> DirectoryListing {
    let target = Target::parse("redis://127.0.0.1").unwrap();
    DirectoryListing::new(assignment, target)
}

fn found(listing: &DirectoryListing) -> BTreeMap<u32, Option<String>> {
    let rows = listing.entries.iter();
    rows.map(|(token, entry)| (*token, Some(entry.json.clone())))
        .collect()
}

fn told(body: &EventBody, listing: &DirectoryListing) -> (Value, Vec<String>) {
    let message = body.message(&listing.account, &listing.audience, 7);
    let json = serde_json::from_str(&message.json).unwrap();
    (json, message.channels)
}

const OPTION: u32 = 12_192_002;

#[test]
fn a_row_says_what_streams_and_for_whom() {
    let listing = listing(&assignment());
    let row: Value = serde_json::from_str(&listing.entries[&OPTION].json).unwrap();
    let expected = json!({
        "symbol": "NIFTYPE", "tradingsymbol": "NIFTYPE", "segment": "NSE", "exchange": "NSE",
        "strike": null, "expiry": null, "type": "PE", "lot_size": 75, "tick_size": null,
        "channel": "ticker:equity", "set": "one", "account": "acct-a", "namespace": null,
        "mode": "full",
    });
    assert_eq!(row, expected);
}

#[test]
fn a_row_of_an_option_with_greeks_says_when_it_expires() {
    let mut assignment = assignment();
    assignment.chains = vec![contract::Chain {
        exchange: "NFO".to_owned(),
        underlying: "NIFTY".to_owned(),
        expiry: jiff::civil::date(2025, 12, 2),
        expiry_ts: 1_764_669_600,
        settles_ts: None,
        r: None,
        q: 0.0,
        future: None,
        parity: Vec::new(),
        carry: None,
        spot: None,
    }];
    let mut rows = assignment.instruments.iter_mut();
    rows.find(|row| row.token.0 == OPTION).unwrap().chain = Some(0);
    let listing = listing(&assignment);
    let row: Value = serde_json::from_str(&listing.entries[&OPTION].json).unwrap();
    assert_eq!(row["expiry_ts"], 1_764_669_600);
}

#[test]
fn a_row_names_the_channel_of_its_own_and_not_that_of_a_chain() {
    let mut assignment = assignment();
    assignment.channels[0] = "ticker:abb:underlying".to_owned();
    let mut rows = assignment.instruments.iter_mut();
    let row = rows.find(|row| row.token.0 == OPTION).unwrap();
    let own = row.outputs[0];
    let chain = contract::Output {
        channel: 0,
        shape: contract::Shape::Underlying,
        ..own
    };
    row.outputs = vec![chain, contract::Output { channel: 1, ..own }];
    let row: Value = serde_json::from_str(&listing(&assignment).entries[&OPTION].json).unwrap();
    assert_eq!(row["channel"], "ticker:nifty:options");
}

#[test]
fn a_restart_is_no_news() {
    let listing = listing(&assignment());
    assert!(listing.difference(&found(&listing)).is_empty());
}

#[test]
fn what_was_not_listed_is_created_with_what_it_is() {
    let listing = listing(&assignment());
    let mut found = found(&listing);
    found.insert(OPTION, None);
    let difference = listing.difference(&found);
    assert_eq!(difference[0].0, OPTION);
    let (event, channels) = told(difference[0].1.as_ref().unwrap(), &listing);
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
    let listing = listing(&assignment());
    let mut found = found(&listing);
    let other = listing.entries[&OPTION].json.replace("acct-a", "acct-b");
    found.insert(OPTION, Some(other.clone()));
    assert_eq!(listing.difference(&found), [(OPTION, None)]);
    // The other one does not remove what is not its own any more.
    let mut left = assignment();
    left.account.name = "acct-b".to_owned();
    left.instruments.clear();
    let left = self::listing(&left);
    assert_eq!(left.removal(OPTION, &listing.entries[&OPTION].json), None);
    assert!(left.removal(OPTION, &other).is_some());
}

#[test]
fn a_contract_that_became_another_says_what_changed() {
    let listing = listing(&assignment());
    let mut found = found(&listing);
    let old = listing.entries[&OPTION]
        .json
        .replace("\"lot_size\":75", "\"lot_size\":50");
    found.insert(OPTION, Some(old));
    let difference = listing.difference(&found);
    let (event, _) = told(difference[0].1.as_ref().unwrap(), &listing);
    assert_eq!(event["event_type"], "instrument_changed");
    assert_eq!(
        event["changed"],
        json!({"lot_size": {"old": 50, "new": 75}})
    );
}

/// A strike that was adjusted: the token stays.
#[test]
fn a_contract_that_was_renamed_leaves_the_price_under_its_former_name() {
    let mut assignment = assignment();
    let option = assignment
        .instruments
        .iter_mut()
        .find(|row| row.token.0 == OPTION);
    option.unwrap().strike = Some(370.75);
    let mut listing = listing(&assignment);
    let mut found = found(&listing);
    let old = listing.entries[&OPTION].json.clone();
    let old = old.replace(
        "\"tradingsymbol\":\"NIFTYPE\"",
        "\"tradingsymbol\":\"NIFTY390PE\"",
    );
    let old = old.replace("370.75", "390.0");
    found.insert(OPTION, Some(old));
    assert_eq!(listing.former_price_keys(&found), ["ltp:NSE:NIFTY390PE"]);
    let difference = listing.difference(&found);
    let (event, _) = told(difference[0].1.as_ref().unwrap(), &listing);
    assert_eq!(
        event["changed"],
        json!({
            "tradingsymbol": {"old": "NIFTY390PE", "new": "NIFTYPE"},
            "strike": {"old": 390.0, "new": 370.75},
        })
    );
    // The name is that of another instrument of the account today.
    let other = listing.entries[&OPTION]
        .json
        .replace("NIFTYPE", "NIFTY390PE");
    let entry = DirectoryEntry {
        json: other,
        prefixes: Vec::new(),
    };
    listing.entries.insert(9, entry);
    assert!(listing.former_price_keys(&found).is_empty());
    listing.entries.remove(&9);
    listing.account.mock = true;
    assert_eq!(
        listing.former_price_keys(&found),
        ["mock:ltp:NSE:NIFTY390PE"]
    );
}

#[test]
fn what_nobody_can_read_is_written_anew() {
    let listing = listing(&assignment());
    let mut found = found(&listing);
    found.insert(OPTION, Some("{".to_owned()));
    assert_eq!(listing.difference(&found)[0].0, OPTION);
}

#[test]
fn what_leaves_is_told_once_it_is_not_wanted() {
    let all = listing(&assignment());
    let text = &all.entries[&OPTION].json;
    assert_eq!(all.removal(OPTION, text), None, "it is wanted");
    let mut fewer = assignment();
    fewer.instruments.retain(|row| row.token.0 != OPTION);
    let fewer = listing(&fewer);
    let (event, _) = told(&fewer.removal(OPTION, text).unwrap(), &fewer);
    assert_eq!(event["event_type"], "subscription_deleted");
}

#[test]
fn events_of_mock_accounts_have_channels_of_their_own() {
    let mut mock = assignment();
    mock.account.mock = true;
    mock.account.namespace = Some("trading".to_owned());
    let listing = listing(&mock);
    assert_eq!(listing.directory(), "mock:ticker:instruments");
    let gap = AccountEvent {
        prefixes: Vec::new(),
        ts: 1,
        kind: EventKind::Gap {
            connection: 2,
            from: 10,
            to: 12,
            tokens: vec![256_265],
        },
    };
    let body = gap.body(&listing.prefixes_of(gap.tokens())).unwrap();
    let (json, channels) = told(&body, &listing);
    assert_eq!(channels, ["mock:ticker:nifty:events", "mock:ticker:events"]);
    assert_eq!(
        json,
        json!({
            "event_type": "gap", "ts": 7, "is_mock": true, "account_id": "acct-a",
            "namespace": "trading", "conn": 2, "from_ts": 10, "to_ts": 12, "tokens": [256_265],
        })
    );
}

#[test]
fn readers_that_do_not_want_events_are_not_told() {
    let told = |events: bool, quiet: &[&str]| {
        let mut assignment = assignment();
        assignment.events = events;
        assignment.quiet_prefixes = quiet.iter().map(|it| (*it).to_owned()).collect();
        let listing = listing(&assignment);
        let gap = AccountEvent {
            prefixes: Vec::new(),
            ts: 1,
            kind: EventKind::TokenExpired,
        };
        let body = gap.body(&listing.prefixes_of(gap.tokens())).unwrap();
        let message = body.message(&listing.account, &listing.audience, 7);
        (message.channels, message.log)
    };
    let log = Some("ticker:events:log".to_owned());
    let texts = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        told(true, &[]),
        (
            texts(&["ticker:nifty:events", "ticker:events"]),
            log.clone()
        )
    );
    // The account's own channel does not depend on the sets that have its prefix.
    assert_eq!(
        told(true, &["ticker", "ticker:nifty"]),
        (texts(&["ticker:events"]), log)
    );
    assert_eq!(told(false, &[]), (texts(&["ticker:nifty:events"]), None));
    assert_eq!(told(false, &["ticker:nifty"]), (Vec::new(), None));
}
