//! Logins: when a link is asked for and said, and whom a webhook tells when.

use std::sync::Arc;

use contract::report::{ConnectionState, CredentialsReport};
use crds::account::{MarketHours, SecretRef};
use crds::condition::ConditionType;
use jiff::Timestamp;

use crate::login_link::{link, sample};
use crate::plan::fixture::{account, apply, change, later, observed, run, set, start, stream};
use crate::plan::report::find;
use crate::plan::{
    Change, LastLogin, LoginLink, LoginTarget, Memory, Now, Observed, Plan, Secret, TokenAnswer,
    TokenCheck, ValueFingerprint, WebhookReason, plan,
};

/// 2025-11-25 was a Tuesday.
fn at(wall: &str) -> Now {
    let wall: Timestamp = format!("2025-11-{wall}+05:30").parse().unwrap();
    let passed = wall.duration_since(start().wall).as_secs().unsigned_abs();
    later(start(), passed)
}

/// An account with an API secret that streams an option; its token is refused from now on.
fn ended() -> (Observed, Memory) {
    let sets = vec![set("s", &[], &["NFO:NIFTY26DEC25000CE"])];
    let mut world = observed(vec![account("a")], sets);
    world.settings.login = true;
    change(&mut world.accounts[0], |spec| {
        spec.market_hours = Some(MarketHours::Exchange);
        let name = "hook".to_owned();
        spec.login.webhook_secret_ref = Some(SecretRef { name });
    });
    if let Secret::Present { names, .. } = &mut world.accounts[0].secret {
        *names = vec!["api_key".to_owned(), "api_secret".to_owned()];
    }
    let memory = run(&mut world, start());
    stream(&mut world);
    world.accounts[0].token = Some(TokenCheck {
        version: "1".to_owned(),
        answer: TokenAnswer::Refused,
        at: start().wall,
    });
    (world, memory)
}

/// Kite refuses its sockets, too.
fn lose_socket(world: &mut Observed) {
    let report = Arc::make_mut(world.accounts[0].scrape.report.as_mut().unwrap());
    report.streaming = 0;
    report.connections[0].state = ConnectionState::Refused;
    report.credentials = CredentialsReport::Refused {
        next_try: None,
        remark: None,
    };
}

/// What a pass decides; it is applied.
fn pass(world: &mut Observed, memory: &mut Memory, now: Now) -> Plan {
    world.accounts[0].scrape.at = Some(now.monotonic);
    let decided = plan(world, memory, now);
    apply(world, &decided);
    *memory = decided.memory.clone();
    decided
}

fn target(decided: &Plan) -> Option<&LoginTarget> {
    decided.logins.values().next()
}

fn url(decided: &Plan) -> Option<&str> {
    decided.accounts[0].status.login_url.as_deref()
}

fn valid(decided: &Plan) -> String {
    let conditions = &decided.accounts[0].status.conditions;
    let valid = find(conditions, ConditionType::CredentialsValid).unwrap();
    format!("{}/{}", valid.status, valid.reason)
}

fn told(decided: &Plan) -> Vec<WebhookReason> {
    decided.webhooks.iter().map(|it| it.reason).collect()
}

/// Makes the link that is asked for.
fn make(world: &mut Observed, target: &LoginTarget, now: Now) -> String {
    let uid = &target.account_uid;
    let url = link(
        &target.login,
        "fake-key",
        &sample("a", uid, now.wall, target.expires),
    );
    world.accounts[0].login_link = Some(Ok(LoginLink {
        url: url.clone(),
        version: target.version.clone(),
    }));
    url
}

/// With a link that is said.
fn offered(now: Now) -> (Observed, Memory, String) {
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    let decided = pass(&mut world, &mut memory, now);
    let made = make(&mut world, target(&decided).unwrap(), now);
    let decided = pass(&mut world, &mut memory, now);
    assert_eq!(url(&decided), Some(&*made));
    (world, memory, made)
}

#[test]
fn a_link_is_asked_for_from_the_flush_of_a_trading_day_on() {
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    for (time, asks) in [
        ("25T22:00:00", false),
        ("26T06:20:00", false),
        ("26T07:34:00", false),
        ("26T07:35:00", true),
        ("26T11:00:00", true),
    ] {
        let decided = pass(&mut world, &mut memory, at(time));
        assert_eq!(valid(&decided), "False/LoginRequired", "{time}");
        assert_eq!(target(&decided).is_some(), asks, "{time}");
        assert_eq!((url(&decided), told(&decided)), (None, vec![]), "{time}");
    }
    let decided = pass(&mut world, &mut memory, at("26T11:00:00"));
    let target = target(&decided).unwrap();
    assert_eq!(target.expires, at("27T06:00:00").wall);
}

#[test]
fn what_it_says_is_written_once_and_outlives_a_restart() {
    let now = at("26T07:40:00");
    let (mut world, mut memory, made) = offered(now);
    for minute in 1..5 {
        let decided = pass(&mut world, &mut memory, later(now, 60 * minute));
        assert_eq!(url(&decided), Some(&*made));
        assert_eq!(decided.accounts[0].change, Change::None);
        assert_eq!(told(&decided), vec![]);
    }
    // The operator starts again: it has made no link, and keeps the one that is said.
    world.accounts[0].login_link = None;
    let mut memory = Memory::default();
    for minute in 5..8 {
        let decided = pass(&mut world, &mut memory, later(now, 60 * minute));
        assert_eq!(url(&decided), Some(&*made));
        assert_eq!((target(&decided), told(&decided)), (None, vec![]));
    }
    // Whoever touches the Secret changes nothing.
    let touched = |world: &mut Observed, to: &str, print: u64| {
        if let Secret::Present { version, key, .. } = &mut world.accounts[0].secret {
            to.clone_into(version);
            *key = Some(ValueFingerprint::sample(print));
        }
        world.accounts[0].token.as_mut().unwrap().version = to.to_owned();
    };
    for (minute, version) in [(8, "2"), (9, "3")] {
        touched(&mut world, version, 1);
        let decided = pass(&mut world, &mut memory, later(now, 60 * minute));
        assert_eq!(url(&decided), Some(&*made));
        assert_eq!((target(&decided), told(&decided)), (None, vec![]));
    }
    // Another API key needs another link, of which nobody is told again.
    touched(&mut world, "4", 2);
    let changed = later(now, 600);
    let decided = pass(&mut world, &mut memory, changed);
    assert_eq!(target(&decided).unwrap().version, "4");
    assert_eq!(url(&decided), None);
    let again = make(&mut world, target(&decided).unwrap(), changed);
    let decided = pass(&mut world, &mut memory, later(now, 660));
    assert_eq!((url(&decided), told(&decided)), (Some(&*again), vec![]));
}

#[test]
fn a_paused_account_is_offered_none_and_a_used_link_is_none() {
    let now = at("26T07:40:00");
    let (mut world, mut memory, made) = offered(now);
    change(&mut world.accounts[0], |spec| spec.paused = true);
    let decided = pass(&mut world, &mut memory, later(now, 60));
    assert_eq!((url(&decided), target(&decided)), (None, None));
    change(&mut world.accounts[0], |spec| spec.paused = false);
    let decided = pass(&mut world, &mut memory, later(now, 120));
    assert_eq!(url(&decided), Some(&*made));
    // Somebody has logged in, and the new session has ended already.
    world.accounts[0].session = Secret::Present {
        version: "1".to_owned(),
        key: None,
        names: Vec::new(),
        token: None,
        immutable: crate::plan::Immutable::No,
        login: Some(LastLogin {
            user_id: "AB1234".to_owned(),
            at: later(now, 130).wall,
        }),
    };
    let decided = pass(&mut world, &mut memory, later(now, 180));
    assert_eq!(url(&decided), None);
    assert!(target(&decided).is_some());
}

#[test]
fn why_there_can_be_no_link_is_said() {
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    world.accounts[0].login_link = Some(Err("Secret kt-a-session: Forbidden".to_owned()));
    let decided = pass(&mut world, &mut memory, at("26T11:00:00"));
    let conditions = &decided.accounts[0].status.conditions;
    let valid = find(conditions, ConditionType::CredentialsValid).unwrap();
    let said = "nobody can log in: Secret kt-a-session: Forbidden";
    assert!(valid.message.contains(said), "{}", valid.message);
    assert!(target(&decided).is_some(), "it is tried again");
}

#[test]
fn it_is_gone_with_the_need_and_another_day_has_another() {
    let (mut world, mut memory, made) = offered(at("26T07:40:00"));
    let tomorrow = at("27T07:36:00");
    let decided = pass(&mut world, &mut memory, tomorrow);
    assert_eq!(url(&decided), None, "{made}");
    let again = make(&mut world, target(&decided).unwrap(), tomorrow);
    let decided = pass(&mut world, &mut memory, tomorrow);
    assert_eq!((url(&decided), told(&decided).len()), (Some(&*again), 1));

    world.accounts[0].token.as_mut().unwrap().answer = TokenAnswer::Accepted {
        user_id: "AB1234".to_owned(),
    };
    stream(&mut world);
    let decided = pass(&mut world, &mut memory, later(tomorrow, 60));
    assert_eq!(valid(&decided), "True/Verified");
    assert_eq!((url(&decided), target(&decided)), (None, None));
}

#[test]
fn a_webhook_is_called_with_the_link_and_again_before_the_first_session() {
    let early = at("26T07:40:00");
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    let decided = pass(&mut world, &mut memory, early);
    assert_eq!(told(&decided), vec![]);
    let made = make(&mut world, target(&decided).unwrap(), early);
    let decided = pass(&mut world, &mut memory, early);
    assert_eq!(told(&decided), [WebhookReason::LoginRequired]);
    let call = &decided.webhooks[0];
    assert_eq!((&*call.secret.name, &*call.login_url), ("hook", &*made));
    for (time, expected) in [
        ("26T08:30:00", vec![]),
        ("26T08:44:59", vec![]),
        ("26T08:45:00", vec![WebhookReason::Reminder]),
        ("26T08:46:00", vec![]),
        ("26T09:15:00", vec![]),
        ("26T12:00:00", vec![]),
    ] {
        let decided = pass(&mut world, &mut memory, at(time));
        assert_eq!(told(&decided), expected, "{time}");
    }
}

#[test]
fn sockets_on_a_dead_token_are_a_reason_for_a_link_and_one_call() {
    let (mut world, mut memory) = ended();
    let now = at("26T09:20:00");
    let decided = pass(&mut world, &mut memory, now);
    assert_eq!(valid(&decided), "False/RunningOnDeadToken");
    make(&mut world, target(&decided).unwrap(), now);
    let decided = pass(&mut world, &mut memory, now);
    assert_eq!(told(&decided), [WebhookReason::LoginRequired]);
    lose_socket(&mut world);
    let decided = pass(&mut world, &mut memory, later(now, 60));
    assert_eq!(
        (valid(&decided).as_str(), told(&decided)),
        ("False/LoginRequired", vec![])
    );
}

#[test]
fn without_an_api_secret_or_a_login_server_there_is_no_login() {
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    world.settings.login = false;
    let now = at("26T11:00:00");
    let decided = pass(&mut world, &mut memory, now);
    assert_eq!(valid(&decided), "False/TokenExpired");
    assert_eq!(target(&decided), None);
    world.settings.login = true;
    if let Secret::Present { names, .. } = &mut world.accounts[0].secret {
        names.pop();
    }
    let decided = pass(&mut world, &mut memory, later(now, 60));
    assert_eq!(valid(&decided), "False/TokenExpired");
    assert_eq!(target(&decided), None);
}

#[test]
fn a_new_account_can_log_in_at_any_hour() {
    let (mut world, mut memory) = ended();
    world.accounts[0].token = None;
    lose_socket(&mut world);
    let report = Arc::make_mut(world.accounts[0].scrape.report.as_mut().unwrap());
    report.credentials = CredentialsReport::Missing {
        files: vec!["access_token".to_owned()],
    };
    let decided = pass(&mut world, &mut memory, at("29T23:00:00"));
    assert_eq!(valid(&decided), "False/LoginRequired");
    assert!(target(&decided).is_some());
}

#[test]
fn nobody_is_sent_to_the_real_kite_for_a_simulator() {
    let (mut world, mut memory) = ended();
    lose_socket(&mut world);
    let now = at("26T11:00:00");
    let decided = pass(&mut world, &mut memory, now);
    assert_eq!(target(&decided).unwrap().login, "http://127.0.0.1:7070");
    let origin = |api: &str, login: Option<&str>| {
        let mut world = world.clone();
        change(&mut world.accounts[0], |spec| {
            spec.endpoint.api = api.to_owned();
            spec.endpoint.login = login.map(str::to_owned);
        });
        let decided = plan(&world, &memory, now);
        target(&decided).map(|target| target.login.clone())
    };
    let kite = origin("https://api.kite.trade", None);
    assert_eq!(kite.as_deref(), Some("https://kite.zerodha.com"));
    let named = origin("https://api.kite.trade", Some("https://login.example.com/"));
    assert_eq!(named.as_deref(), Some("https://login.example.com"));
}
