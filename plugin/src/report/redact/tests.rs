use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn secrets_are_taken_out_and_what_helps_stays() {
    let mut report = json!({
        "metadata": {
            "name": "a", "managedFields": [{"manager": "kubectl"}],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"x\": \"hunter2\"}",
                "kiteticker.dev/poke": "7",
            },
        },
        "spec": {
            "redis": {"url": "rediss://user:hunter2@redis:6379"},
            "credentialsSecretRef": {"name": "kite"},
            "endpoint": {"ca": "-----BEGIN hunter2"},
            "instruments": {"tokens": [256_265]},
        },
        "apiKey": "hunter2", "ACCESS_TOKEN": "hunter2", "stringData": {"x": "hunter2"},
        "references": [{"token": 256_265}],
        "message": "wss://ws.kite.trade/?api_key=hunter2&access_token=hunter2&x=1 failed: Token hunter2:hunter2 was refused",
        "text": "{\"api_key\":\"hunter2\",\"token\":256265} and api_key: hunter2",
        "silent": ["redis://h:1", "at 10:31 it said: token 256265 is listed twice"],
    });
    all(&mut report);
    let text = report.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains("managedFields"), "{text}");
    assert_eq!(
        report["spec"]["redis"]["url"],
        "rediss://REDACTED@redis:6379"
    );
    assert_eq!(report["spec"]["credentialsSecretRef"]["name"], "kite");
    assert_eq!(report["spec"]["instruments"]["tokens"][0], 256_265);
    assert_eq!(
        report["metadata"]["annotations"],
        json!({"kiteticker.dev/poke": "7"})
    );
    assert_eq!(report["references"][0]["token"], 256_265);
    assert_eq!(
        report["message"],
        "wss://ws.kite.trade/?api_key=REDACTED&access_token=REDACTED&x=1 failed: Token REDACTED was refused"
    );
    assert_eq!(
        report["text"],
        "{\"api_key\":\"REDACTED\",\"token\":256265} and api_key: REDACTED"
    );
    assert_eq!(report["silent"][0], "redis://h:1");
    assert_eq!(
        report["silent"][1],
        "at 10:31 it said: token 256265 is listed twice"
    );
}

#[test]
fn texts_of_every_kind_survive() {
    for text in [
        "",
        "://",
        "token",
        "token ",
        "api_key",
        "api_key=",
        "é token:",
        "a://@",
        "access_token",
    ] {
        let mut value = Value::String(text.to_owned());
        all(&mut value);
        assert!(value.is_string(), "{text}");
    }
}

fn redacted(text: &str) -> String {
    let mut value = Value::String(text.to_owned());
    all(&mut value);
    value.as_str().unwrap().to_owned()
}

#[test]
fn what_could_belong_to_a_secret_is_taken_out() {
    for (text, expected) in [
        ("rediss://user:pa/ss@redis", "rediss://REDACTED@redis"),
        ("rediss://user:pa ss@redis", "rediss://REDACTED@redis"),
        (
            "at rediss://user:pa\"s@s@redis: no",
            "at rediss://REDACTED@redis: no",
        ),
        (
            "rediss%3a%2F%2Fuser%3Apass%40redis",
            "rediss%3a%2F%2FREDACTED%40redis",
        ),
        ("api_key = hunter2", "api_key = REDACTED"),
        (
            "x?api_key%3Dhunter2%26x%3D1",
            "x?api_key%3DREDACTED%26x%3D1",
        ),
        ("apiKey:hunter2", "apiKey:REDACTED"),
        ("Api-Key%20%3d%20hunter2", "Api-Key%20%3d%20REDACTED"),
        ("{api_key: Some(\"hun ter2\")}", "{api_key: REDACTED\")}"),
        (
            r#"{"password": "hun\"ter, 2"}"#,
            r#"{"password": "REDACTED"}"#,
        ),
        (
            r#"{\"password\": \"hun ter2\"}"#,
            r#"{\"password\": \"REDACTED\"}"#,
        ),
        ("token\thunter:hunter2", "token\tREDACTED"),
        ("Bearer \n hunter2", "Bearer \n REDACTED"),
        ("Authorization: token a:b", "Authorization: REDACTED"),
        ("access_token: token a:b", "access_token: REDACTED"),
        ("{\"token\":256265,\"x\":1}", "{\"token\":256265,\"x\":1}"),
        ("token=256265hunter2", "token=REDACTED"),
        ("redis://redis:6379 is away", "redis://redis:6379 is away"),
    ] {
        assert_eq!(redacted(text), expected, "{text}");
    }
}

/// One of these.
fn any_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(choices)
}

/// Up to four of these.
fn some_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(any_of(choices), 0..4).prop_map(|all| all.concat())
}

const ANY: &[&str] = &[
    "/", " ", "\"", "'", "\\", "@", ":", "://", "?", "#", "&", "=", "%", "%40", ",", ";", "(", ")",
    "{", "}", "[", "]", "<", ">", "|", "\t", "\n", "é", "x", "7",
];

const AROUND: &[&str] = &[
    " ", "\t", "\n", "\u{a0}", "%20", "%09", "\"", "'", "\\\"", "%22",
];

proptest! {
    #[test]
    fn no_part_of_a_user_survives_in_a_url(
        before in "[a-z :\"(]{0,8}", scheme in any_of(&["redis", "rediss", "HTTPS", "wss"]),
        user in some_of(ANY), first in some_of(ANY), second in some_of(ANY),
    ) {
        let text = format!("{before}{scheme}://{user}hunter2{first}hunter2{second}@redis:6379 is away");
        let result = redacted(&text);
        prop_assert!(!result.contains("hunter2"), "{text:?}: {result:?}");
        prop_assert!(result.ends_with("@redis:6379 is away"), "{text:?}: {result:?}");
    }

    #[test]
    fn no_value_of_a_secret_parameter_survives(
        before in some_of(ANY),
        name in any_of(&[
            "api_key", "apiKey", "API-KEY", "api secret", "access_token", "Request_Token", "enctoken", "password", "token",
        ]),
        left in some_of(AROUND), separator in any_of(&["=", ":", "%3D", "%3a", "=>", "=="]), right in some_of(AROUND),
        after in any_of(&["", "&x=1", " failed", "\" failed", "', x", ")", ",", "%26x%3D1"]),
    ) {
        let text = format!("{before}{name}{left}{separator}{right}hunter2{after}");
        let result = redacted(&text);
        prop_assert!(!result.contains("hunter2"), "{text:?}: {result:?}");
    }

    #[test]
    fn no_header_survives(
        before in some_of(ANY), scheme in any_of(&["token", "Token", "Bearer", "BASIC"]),
        blank in vec(any_of(&[" ", "\t", "\n", "\r", "\u{a0}"]), 1..4), after in any_of(&["", " ", "\" x", ","]),
    ) {
        let text = format!("{before} {scheme}{}hunter2:hunter2{after}", blank.concat());
        let result = redacted(&text);
        prop_assert!(!result.contains("hunter2"), "{text:?}: {result:?}");
    }

    #[test]
    fn every_text_can_be_searched(text in ".{0,40}", name in any_of(&["api_key", "token", "a://", "token "]), more in some_of(ANY)) {
        redacted(&format!("{text}{name}{more}{text}"));
    }
}
