use super::*;
use crate::plan::fixture;

fn faulty(change: impl Fn(&mut TickerAccountSpec)) -> String {
    let mut account = fixture::account("a");
    let mut spec = fixture::account_spec();
    change(&mut spec);
    account.object.spec = Ok(spec.into());
    super::account(&account, &fixture::settings())
        .unwrap_err()
        .to_string()
}

#[test]
fn defaults_are_filled_and_endpoints_resolved() {
    let mut observed = fixture::account("a");
    let mut spec = fixture::account_spec();
    spec.endpoint.api = "https://api.kite.trade/".to_owned();
    spec.redis.url = None;
    observed.object.spec = Ok(spec.into());
    let account = account(&observed, &fixture::settings()).unwrap();
    assert_eq!(account.api, "https://api.kite.trade");
    assert_eq!(account.redis_url, fixture::settings().redis_url);
    assert_eq!(account.capacity(), 9000);
}

#[test]
fn each_fault_names_its_field_and_no_password() {
    assert!(faulty(|spec| spec.connections = 4).starts_with("spec.connections"));
    assert!(faulty(|spec| spec.tokens_per_connection = 0).starts_with("spec.tokensPerConnection"));
    assert!(
        faulty(|spec| spec.credentials_secret_ref.name.clear()).contains("credentialsSecretRef")
    );
    assert!(faulty(|spec| spec.endpoint.websocket = "http://x".to_owned()).contains("ws://HOST"));
    let message = faulty(|spec| spec.redis.url = Some("redis://u:hunter2@h".to_owned()));
    assert!(
        message.starts_with("spec.redis.url") && !message.contains("hunter2"),
        "{message}"
    );
}

#[test]
fn names_that_cannot_name_pods_are_refused() {
    for name in ["A", "a.b", "-a", "a-", "", "1a", &"a".repeat(41)] {
        let account = fixture::account(name);
        assert!(
            super::account(&account, &fixture::settings()).is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn depth_needs_full_mode() {
    let mut observed = fixture::set("s", &[1], &[]);
    assert!(set(&observed).unwrap().depth);
    let mut spec = observed.spec.as_deref().unwrap().clone();
    spec.mode = SetMode::Quote;
    observed.spec = Ok(spec.into());
    assert!(!set(&observed).unwrap().depth);
}
