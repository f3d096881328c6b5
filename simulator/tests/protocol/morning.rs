//! A wall clock of its own, and what happens at times of the day.

use std::time::Duration;

use calendar::Calendar;
use jiff::civil::date;
use kite::{Command, Mode, Packet, Packets, Token};
use serde_json::{Value, json};
use simulator::universe::Universe;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Simulator, within};

const NIFTY: Token = Token(256_265);

/// `date -d 2026-12-01T05:59:00+05:30 +%s`
const START: i64 = 1_796_084_940;

#[tokio::test]
async fn a_morning_passes_in_seconds_and_ends_the_tokens() {
    // A day takes nine seconds, so that a slow start only means another morning.
    let simulator = Simulator::start(&[
        "--rate",
        "20",
        "--wall-clock",
        "2026-12-01T05:59:00+05:30,10000",
        "--token-flush",
        "06:00",
    ])
    .await;
    let mut client = simulator.connect("api_key=a&access_token=old").await;
    let tokens = vec![NIFTY];
    client.command(&Command::Subscribe(tokens.clone())).await;
    client.command(&Command::SetMode(Mode::Full, tokens)).await;
    let before = shown(&mut client).await;
    let profile = async || {
        let profile = simulator.get("/user/profile");
        let profile = profile.header("Authorization", "token a:old");
        profile.send().await.unwrap().status().as_u16()
    };
    within(async { while profile().await != 403 {} }).await;
    assert_eq!(simulator.refusal("api_key=a&access_token=old").await, 403);
    // Open connections live on, and what is used after it is good.
    client.drain(&simulator).await;
    assert!(shown(&mut client).await > before);
    let _new = simulator.connect("api_key=a&access_token=new").await;
}

/// Exchange time of the next packet that has one.
async fn shown(client: &mut Client) -> i64 {
    loop {
        let packets = client.packets(1).await;
        if let Some(time) = packets.iter().find_map(Packet::exchange_time) {
            return time;
        }
    }
}

#[tokio::test]
async fn what_is_measured_in_seconds_is_never_accelerated() {
    let simulator = Simulator::start(&[
        "--rate",
        "20",
        "--wall-clock",
        "2026-12-01T05:59:00+05:30,3600",
    ])
    .await;
    let linger = json!({"linger": 600, "api_key": "a"});
    simulator.control("/sim/faults", linger).await;
    let query = "api_key=a&access_token=t";
    let mut client = simulator.connect(query).await;
    for _ in 0..2 {
        simulator.connect(query).await.0.close(None).await.unwrap();
    }
    let tokens = vec![NIFTY];
    client.command(&Command::Subscribe(tokens.clone())).await;
    client.command(&Command::SetMode(Mode::Full, tokens)).await;
    let clock = service::clock::Clock::system();
    let (start, mut beats, mut shown) = (clock.now(), 0, 0);
    while beats < 3 {
        let Message::Binary(frame) = client.next().await.unwrap() else {
            continue;
        };
        beats += usize::from(frame.len() == 1);
        let packets = Packets::new(&frame).filter_map(Result::ok);
        shown = packets
            .filter_map(|it| it.exchange_time())
            .fold(shown, i64::max);
    }
    assert!(clock.now() - start >= Duration::from_secs(2));
    assert!(shown >= START + 2 * 3600, "{shown}");
    // Two hours on the wall, and the ten minutes of the dead sockets are not over.
    assert_eq!(simulator.refusal(query).await, 429);
}

#[tokio::test]
async fn a_clock_that_is_set_forward_brings_the_list_of_its_day() {
    let simulator =
        Simulator::start(&["--wall-clock", "2026-12-01T15:00:00+05:30,0", "--rate", "0"]).await;
    let listed = async || {
        let dump = simulator.get("/instruments").send().await.unwrap();
        let dump = kite::instruments::read(&dump.bytes().await.unwrap()[..]).unwrap();
        dump.instruments.iter().filter_map(|row| row.expiry).min()
    };
    assert_eq!(listed().await, Some(date(2026, 12, 1)));
    let next_morning = json!({"wall_clock": "2026-12-02T08:00:00+05:30,0"});
    let answer = simulator.control("/sim/clock", next_morning).await;
    assert_eq!(answer, json!({"now": "2026-12-02T02:30:00Z"}));
    within(async { while listed().await == Some(date(2026, 12, 1)) {} }).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    client.command(&Command::Subscribe(vec![NIFTY])).await;
    client
        .command(&Command::SetMode(Mode::Full, vec![NIFTY]))
        .await;
    // `date -d 2026-12-02T08:00:00+05:30 +%s`
    assert_eq!(shown(&mut client).await, 1_796_178_600);
    let back = simulator.post("/sim/clock");
    let back = back.json(&json!({"wall_clock": "2026-12-02T07:00:00+05:30,0"}));
    let refused = back.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.unwrap();
    let expected = "the clock cannot go back: it shows 2026-12-02T02:30:00Z";
    assert_eq!(refused["error"], expected);
}

/// Half past midnight in India is the day before in UTC.
#[tokio::test]
async fn lists_and_sessions_are_dated_by_the_wall_clock() {
    let clock = ["--wall-clock", "2027-03-01T00:30:00+05:30,0"];
    let secret = ["--api-secret", "secret"];
    let simulator = Simulator::start(&[clock, secret].concat()).await;
    let dump = simulator.get("/instruments").send().await.unwrap();
    let listed = kite::instruments::read(&dump.bytes().await.unwrap()[..]).unwrap();
    let universe = Universe::generate(1, date(2027, 3, 1), Calendar::india()).unwrap();
    let expected = universe.listings.iter().map(|row| &row.instrument);
    assert!(listed.instruments.iter().eq(expected));

    let session = simulator.session("AB1234").await;
    assert_eq!(session["login_time"], "2027-03-01 00:30:00");
    // Kite's flush ends a token that nobody has used yet, too.
    let flushed = simulator.control("/sim/tokens/flush", json!({})).await;
    assert_eq!(flushed, json!({"flushed": 1}));
    let token = session["access_token"].as_str().unwrap();
    let query = format!("api_key=key&access_token={token}");
    assert_eq!(simulator.refusal(&query).await, 403);
}
