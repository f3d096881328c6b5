//! Tests of how indices find the derivatives of their names.

use super::*;

const HEADER: &str = "instrument_token,exchange_token,tradingsymbol,name,expiry,segment,exchange\n";

/// What each index of a list is called, by its tradingsymbol.
fn named(rows: &[&str], configured: &str) -> Vec<(String, String)> {
    let text = format!("{HEADER}{}\n", rows.join("\n"));
    let rows = kite::instruments::read(text.as_bytes())
        .unwrap()
        .instruments;
    let found = Underlyings::find(&rows, &configured.parse().unwrap());
    let mut names: Vec<(String, String)> = rows
        .iter()
        .filter_map(|row| {
            let name = found.of_index(row.token)?;
            Some((row.tradingsymbol.to_string(), name.to_string()))
        })
        .collect();
    names.sort();
    names
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn indices_find_their_derivatives_by_symbol_name_and_token() {
    let rows = [
        "256265,1001,NIFTY 50,NIFTY 50,,INDICES,NSE",
        // Under a tradingsymbol of its own; its exchange token is known.
        "288009,1125,NIFTY MIDCAP SEL,NIFTY MIDCAP SEL,,INDICES,NSE",
        "286729,1120,SNSX50,BSE INDEX SNSX50,,INDICES,BSE",
        "300000,1171,BSEFOCIT,BSE INDEX FOCIT,,INDICES,BSE",
        "300256,1172,NIFTY FPI 150,NIFTY FPI 150 (NIFTYFPI),,INDICES,NSE",
        "293129,1145,MCXBULLDEX,MCXBULLDEX,,INDICES,MCX",
        "403209,1575,BSE POWER,BSE POWER,,INDICES,BSE",
        "1,1,NIFTY26DECFUT,NIFTY,2026-12-29,NFO-FUT,NFO",
        "2,2,SENSEX5026DECFUT,SENSEX50,2026-12-29,BFO-FUT,BFO",
        "3,3,FOCIT26DECFUT,FOCIT,2026-12-29,BFO-FUT,BFO",
        "4,4,NIFTYFPI26DECFUT,NIFTYFPI,2026-12-29,NFO-FUT,NFO",
        "5,5,MCXBULLDEX26DECFUT,MCXBULLDEX,2026-12-29,MCX-FUT,MCX",
    ];
    let expected = [
        ("BSEFOCIT", "FOCIT"),
        ("MCXBULLDEX", "MCXBULLDEX"),
        ("NIFTY 50", "NIFTY"),
        ("NIFTY FPI 150", "NIFTYFPI"),
        ("NIFTY MIDCAP SEL", "MIDCPNIFTY"),
        ("SNSX50", "SENSEX50"),
    ];
    assert_eq!(named(&rows, ""), pairs(&expected));
}

#[test]
fn what_is_configured_counts_before_what_the_list_shows() {
    let rows = [
        "300000,1171,NEWIDX,NEW INDEX,,INDICES,BSE",
        "286729,1120,SNSX50,BSE INDEX SNSX50,,INDICES,BSE",
        "3,3,BSENEW26DECFUT,BSENEW,2026-12-29,BFO-FUT,BFO",
    ];
    let names = named(&rows, "newidx = BSENEW, SNSX50=OTHER");
    assert_eq!(names, pairs(&[("NEWIDX", "BSENEW"), ("SNSX50", "OTHER")]));
}

/// The common beginning of two names, or the last word of one, is no evidence.
#[test]
fn an_index_of_another_exchange_or_of_a_similar_name_is_another() {
    let rows = [
        "291849,1140,GIFT NIFTY,GIFT NIFTY,,INDICES,NSEIX",
        "291850,1141,NIFTY,NIFTY,,INDICES,GLOBAL",
        "260617,1018,NIFTY 100,NIFTY 100,,INDICES,NSE",
        "2,2,NIFTY26DECFUT,NIFTY,2026-12-29,NFO-FUT,NFO",
    ];
    assert_eq!(named(&rows, ""), []);
}

#[test]
fn a_name_that_two_indices_claim_is_that_of_the_surer_or_of_none() {
    let future = "2,2,BANKEX26DECFUT,BANKEX,2026-12-29,BFO-FUT,BFO";
    let sure = "274441,1072,BANKEX,BSE INDEX BANKEX,,INDICES,BSE";
    let unsure = [
        "300000,1171,B1,BANKEX,,INDICES,BSE",
        "300256,1172,B2,BANKEX,,INDICES,BSE",
    ];
    assert_eq!(named(&[future, unsure[0], unsure[1]], ""), []);
    assert_eq!(named(&[future, unsure[0]], ""), pairs(&[("B1", "BANKEX")]));
    let with_sure = named(&[unsure[0], sure, unsure[1], future], "");
    assert_eq!(with_sure, pairs(&[("BANKEX", "BANKEX")]));
}

#[test]
fn index_names_need_both_names() {
    for wrong in ["SNSX50", "SNSX50=", "=SENSEX50", "A=B,C"] {
        assert!(wrong.parse::<IndexNames>().is_err(), "{wrong}");
    }
    assert_eq!("".parse(), Ok(IndexNames::default()));
}
