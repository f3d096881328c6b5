//! Tests of reading and writing the dump: what counts as a row, and what a bad one costs.

use proptest::prelude::*;

use super::*;

const HEADER: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,\
                      strike,tick_size,lot_size,instrument_type,segment,exchange";

fn one(row: &str) -> Instrument {
    let dump = read(format!("{HEADER}\n{row}\n").as_bytes()).unwrap();
    assert_eq!(dump.rejected, Rejected::default());
    dump.instruments.into_iter().next().unwrap()
}

#[test]
fn a_dump_without_end_is_refused() {
    let line = format!("{HEADER}\n{}", ",".repeat(1024 * 1024));
    let refused = read(line.as_bytes()).unwrap_err();
    assert!(matches!(refused, DumpError::Csv(_)), "{refused}");
    let rows = format!("{HEADER}\n{}", "x\n".repeat(MAX_ROWS + 1));
    let refused = read(rows.as_bytes()).unwrap_err();
    assert!(matches!(refused, DumpError::TooManyRows), "{refused}");
}

#[test]
fn rows_of_the_documentation_are_read() {
    let option = one(
        "12073986,47164,BANKNIFTY18JAN23500CE,,2528.4,2018-01-25,23500.0,0.05,40,CE,NFO-OPT,NFO",
    );
    assert_eq!(option.token, Token(12_073_986));
    assert_eq!(option.expiry, Some(jiff::civil::date(2018, 1, 25)));
    assert_eq!(
        (option.strike, option.tick_size, option.lot_size),
        (23_500.0, 0.05, 40)
    );
    assert_eq!(option.instrument_type, InstrumentType::Call);

    let index = one("256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE");
    assert!(index.is_index() && index.expiry.is_none());
    let share = one("519937,2031,M&M,\"MAHINDRA, LTD\",0.0,,,0.05,1.0,EQ,NSE,NSE");
    assert_eq!(
        (&*share.tradingsymbol, &*share.name, share.lot_size),
        ("M&M", "MAHINDRA, LTD", 1)
    );
}

#[test]
fn columns_are_found_by_name() {
    let dump = read(
        "exchange,segment,instrument_type,lot_size,tick_size,strike,expiry,name,\
         tradingsymbol,exchange_token,instrument_token,new\nNSE,NSE,EQ,1,0.05,0,,INFOSYS,INFY,1594,408065,x\n"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(dump.instruments[0].token, Token(408_065));
    assert_eq!(&*dump.instruments[0].tradingsymbol, "INFY");
}

#[test]
fn a_bad_row_is_counted_and_the_others_stay() {
    let dump = read(
        format!(
            "{HEADER}\n1,1,A,A,0,,0,0.05,1,EQ,NSE,NSE\nx,1,B,B,0,,0,0.05,1,EQ,NSE,NSE\n\
             3,1,C\n4,1,D,D,0,31-12-2026,0,0.05,1,FUT,NFO-FUT,NFO\n5,1,E,E,0,,NaN,0.05,1,CE,X,X\n\
             6,1,F,F,0,,0,0.05,1,EQ,NSE,NSE\n"
        )
        .as_bytes(),
    )
    .unwrap();
    let tokens: Vec<u32> = dump.instruments.iter().map(|row| row.token.0).collect();
    assert_eq!(tokens, [1, 6]);
    assert_eq!(dump.rejected.count, 4);
    assert!(dump.rejected.samples[0].starts_with("line 3: instrument_token"));
}

#[test]
fn a_byte_that_is_no_text_costs_its_row_alone() {
    let rows: [&[u8]; 4] = [
        HEADER.as_bytes(),
        b"1,1,A,A,0,,0,0.05,1,EQ,NSE,NSE",
        b"2,1,B,B\xff,0,,0,0.05,1,EQ,NSE,NSE",
        b"3,1,C,C,0,,0,0.05,1,EQ,NSE,NSE",
    ];
    let dump = read(rows.join(&b'\n').as_slice()).unwrap();
    let tokens: Vec<u32> = dump.instruments.iter().map(|row| row.token.0).collect();
    assert_eq!(tokens, [1, 3]);
    let why = "line 3: name: \"B\u{fffd}\" is not a valid value";
    assert_eq!(
        (dump.rejected.count, &*dump.rejected.samples),
        (1, &[why.to_owned()][..])
    );
}

/// A list that another tool has written: without some columns, and with its quotes written twice.
#[test]
fn columns_that_are_not_needed_may_be_absent() {
    let dump = read(
        "instrument_token,tradingsymbol,name,segment,exchange\n\
         256265,NIFTY 50,\"\"NIFTY 50\"\",INDICES,NSE\n12683010,NIFTY26DECFUT,\"\",NFO-FUT,NFO\n"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(dump.rejected, Rejected::default());
    let [index, future] = dump.instruments.as_slice() else {
        panic!("{dump:?}");
    };
    assert!(index.is_index() && &*index.name == "NIFTY 50");
    assert_eq!((index.exchange_token, index.lot_size), (1001, 0));
    assert_eq!(future.instrument_type, InstrumentType::Future);
    assert_eq!((&*future.name, future.strike), ("", 0.0));
}

#[test]
fn cells_that_are_not_needed_may_be_empty() {
    let share = one("519937,,M&M,,,,,,,,NSE,NSE");
    assert_eq!((share.exchange_token, share.lot_size), (2031, 0));
    assert_eq!(share.instrument_type, InstrumentType::Equity);
}

#[test]
fn a_type_that_is_not_said_follows_from_segment_and_symbol() {
    for (segment, symbol, expected) in [
        ("NFO-FUT", "NIFTY26DECFUT", InstrumentType::Future),
        ("NFO-OPT", "NIFTY26DEC25000CE", InstrumentType::Call),
        ("NFO-OPT", "NIFTY26DEC25000PE", InstrumentType::Put),
        ("NSE", "RELIANCE", InstrumentType::Equity),
        ("INDICES", "NIFTY 50", InstrumentType::Equity),
    ] {
        let row = format!("1,1,{symbol},X,0,2026-12-29,25000,0.05,75,,{segment},X");
        assert_eq!(one(&row).instrument_type, expected, "{segment} {symbol}");
    }
}

#[test]
fn an_option_without_strike_or_expiry_is_none() {
    let rows =
        "1,1,ACE,A,0,2026-12-29,,0.05,1,CE,NFO-OPT,NFO\n2,2,BPE,B,0,,10,0.05,1,,NFO-OPT,NFO\n";
    let dump = read(format!("{HEADER}\n{rows}").as_bytes()).unwrap();
    assert!(dump.instruments.is_empty());
    assert_eq!(
        dump.rejected.samples,
        [
            "line 2: strike: an option needs one",
            "line 3: expiry: an option needs one"
        ]
    );
}

#[test]
fn no_row_takes_the_place_of_its_neighbours() {
    let rows = "1,1,A,\"A,0,,0,0.05,1,EQ,NSE,NSE\n2,2,B,B \"5\"\" B,0,,0,0.05,1,EQ,NSE,NSE\n\
                3,3,C,C, and a comma,0,,0,0.05,1,EQ,NSE,NSE\n4,4,D,D,0,,0,0.05,1,EQ,NSE,NSE\n";
    let dump = read(format!("{HEADER}\n{rows}").as_bytes()).unwrap();
    let tokens: Vec<u32> = dump.instruments.iter().map(|row| row.token.0).collect();
    assert_eq!(tokens, [1, 2, 4]);
    assert_eq!(&*dump.instruments[0].name, "A");
    assert_eq!(
        dump.rejected.samples,
        ["line 4: the row has 13 cells, more than the header"]
    );
}

#[test]
fn an_error_page_is_no_dump() {
    let error = read("<html><body>502 Bad Gateway</body></html>".as_bytes()).unwrap_err();
    assert!(matches!(
        error,
        DumpError::MissingColumn("instrument_token")
    ));
    assert!(read("".as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}") {
        let dump = read(format!("{HEADER}\n{text}").as_bytes());
        prop_assert!(dump.is_ok(), "rows are refused, not the dump");
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dump = read([HEADER.as_bytes(), &bytes].join(&b'\n').as_slice());
        prop_assert!(dump.is_ok(), "rows are refused, not the dump");
    }

    #[test]
    fn what_was_written_is_read_back(
        token in any::<u32>(), strike in 0_i32..10_000_000, symbol in "[A-Z0-9&-]([A-Z0-9 &,\"-]{0,20}[A-Z0-9])?",
    ) {
        let row = Instrument {
            token: Token(token),
            exchange_token: token >> 8,
            tradingsymbol: symbol.into(),
            name: "".into(),
            expiry: Some(jiff::civil::date(2026, 12, 29)),
            strike: f64::from(strike) / 100.0,
            tick_size: 0.0025,
            lot_size: 75,
            instrument_type: InstrumentType::Put,
            segment: "NFO-OPT".into(),
            exchange: "NFO".into(),
        };
        let mut text = Vec::new();
        write(&mut text, [&row]).unwrap();
        prop_assert_eq!(read(text.as_slice()).unwrap().instruments, [row]);
    }
}
