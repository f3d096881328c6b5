//! Every reason that a user can see, in a second namespace that the operator then manages.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::LONG;
use crate::stage::{self, ACCOUNT, Named, Stage};
use tests::condition::within;

/// An account of these tests, before anything is wrong with it.
fn account(namespace: &str, name: &str, origin: &str, more: &Value) -> Value {
    let mut account = stage::account(name, origin);
    account["metadata"]["namespace"] = namespace.into();
    account["metadata"]["labels"] = json!({"group": name});
    // A dozen of them have to fit on two cores.
    account["spec"]["pod"] = json!({"resources": {"requests": {"cpu": "1m", "memory": "16Mi"}}});
    merge(&mut account["spec"], more);
    account
}

fn secret(namespace: &str, name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    })
}

fn set(namespace: &str, name: &str, account: &str, symbols: &[&str], more: &Value) -> Value {
    let mut spec = json!({
        "instruments": {"symbols": symbols},
        "accountRef": {"name": account},
        "publish": {"channelPrefix": format!("more:{name}")},
    });
    merge(&mut spec, more);
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

fn merge(spec: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

/// Accounts and sets, each with its expected state.
struct World<'a> {
    namespace: &'a str,
    origin: &'a str,
    objects: Vec<Value>,
    expected: Vec<(&'static str, &'static str, &'static str, &'static str)>,
}

impl World<'_> {
    fn account(
        &mut self,
        name: &'static str,
        data: &Value,
        more: &Value,
        ready: &'static str,
        reason: &'static str,
    ) {
        if !data.is_null() {
            self.objects.push(secret(self.namespace, name, data));
        }
        self.objects
            .push(account(self.namespace, name, self.origin, more));
        self.expected.push(("tka", name, ready, reason));
    }

    fn set(
        &mut self,
        name: &'static str,
        account: &str,
        symbols: &[&str],
        more: &Value,
        said: (&'static str, &'static str),
    ) {
        self.objects
            .push(set(self.namespace, name, account, symbols, more));
        self.expected.push(("iset", name, said.0, said.1));
    }
}

/// Credentials of an account.
fn own(name: &str) -> Value {
    json!({"api_key": format!("fake-key-{name}"), "access_token": "fake-token-1x"})
}

/// A port without a listener.
const NOWHERE: &str = "127.0.0.1:1";

/// Makes the operator manage every namespace, creates one, and in it everything that can be wrong.
pub(crate) async fn check(stage: &Stage) -> Result<()> {
    stage.upgrade_operator("allNamespaces=true").await?;
    let namespace = stage.cluster().second_namespace();
    stage
        .cluster()
        .kubectl(&["create", "namespace", &namespace])
        .await?;
    let shares = stage.equities(8)?;
    let taken = stage.equities(1)?;
    let origin = stage.origin();
    let mut world = World {
        namespace: &namespace,
        origin,
        objects: Vec::new(),
        expected: Vec::new(),
    };
    accounts(&mut world);
    sets(&mut world, &shares, &taken);
    let World {
        objects, expected, ..
    } = world;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    stage
        .cluster()
        .apply_in(&namespace, &list.to_string())
        .await?;
    for (kind, name, ready, reason) in expected {
        stage
            .wait_reason_in(&namespace, kind, name, ready, reason)
            .await;
    }
    mute(stage, &namespace).await?;
    ending(stage, &namespace).await?;
    // The account of the other namespace is named, and streams on.
    let duplicate = stage
        .cluster()
        .get(&["tka", "duplicate", "--namespace", &namespace])
        .await?;
    let named = format!("{}/{ACCOUNT}", stage.cluster().namespace());
    ensure!(duplicate.to_string().contains(&named), "{duplicate}");
    stage.wait_ready("tka", ACCOUNT).await?;
    stage
        .cluster()
        .kubectl(&["delete", "namespace", &namespace, "--timeout=120s"])
        .await
        .map(drop)
}

/// Heartbeats without ticks: the sockets are live, and the sets say that no tick arrives. A set that has ticked for some seconds
/// only may learn of it by the socket that replaces the mute one, which gets no packet at all.
async fn mute(stage: &Stage, namespace: &str) -> Result<()> {
    let fault = |mute: bool| json!({"api_key": "fake-key-good", "mute": mute});
    stage.simulator().control("faults", fault(true)).await?;
    within(LONG, "the set says that nothing arrives", async || {
        let arguments = ["iset", "good", "--namespace", namespace];
        let object = stage.cluster().get(&arguments).await;
        let object = object.map_err(|error| error.to_string())?;
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let ready = conditions.find(|it| it["type"] == "Ready");
        let said = ready.map_or("", |it| it["message"].as_str().unwrap_or_default());
        let nothing = said.contains("all sockets are up, but");
        match ready {
            Some(ready) if ready["status"] == "False" && nothing => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    stage.simulator().control("faults", fault(false)).await?;
    stage
        .wait_reason_in(namespace, "iset", "good", "True", "Streaming")
        .await;
    Ok(())
}

/// A finalizer holds an account that is being deleted: it is emptied, and the status says so.
async fn ending(stage: &Stage, namespace: &str) -> Result<()> {
    let finalizers = async |value: Value| {
        let patch = json!({"metadata": {"finalizers": value}}).to_string();
        let arguments = ["patch", "tka", "good", "--namespace", namespace];
        stage
            .cluster()
            .kubectl(&[&arguments[..], &["--type=merge", "-p", &patch]].concat())
            .await
    };
    finalizers(json!(["example.com/hold"])).await?;
    stage
        .cluster()
        .kubectl(&[
            "delete",
            "tka",
            "good",
            "--namespace",
            namespace,
            "--wait=false",
        ])
        .await?;
    stage
        .wait_reason_in(namespace, "tka", "good", "False", "Terminating")
        .await;
    stage
        .wait_reason_in(namespace, "iset", "good", "False", "NoAccount")
        .await;
    let wait = [
        "wait",
        "--for=delete",
        "tka/good",
        "--namespace",
        namespace,
        "--timeout=60s",
    ];
    finalizers(json!(null)).await?;
    stage.cluster().kubectl(&wait).await.map(drop)
}

fn accounts(world: &mut World<'_>) {
    let none = json!({});
    world.account("good", &own("good"), &none, "True", "Streaming");
    world.account("idle", &own("idle"), &none, "True", "Idle");
    world.account("no-secret", &Value::Null, &none, "False", "SecretMissing");
    world.account(
        "no-key",
        &json!({"api_key": "fake-key-y"}),
        &none,
        "False",
        "KeyMissing",
    );
    let same = json!({"api_key": "fake-key", "access_token": "fake-token-1x"});
    world.account("duplicate", &same, &none, "False", "DuplicateApiKey");
    world.account(
        "paused",
        &own("paused"),
        &json!({"paused": true}),
        "False",
        "Paused",
    );
    let redis = json!({"redis": {"url": format!("redis://{NOWHERE}")}});
    world.account(
        "no-redis",
        &own("no-redis"),
        &redis,
        "False",
        "RedisUnavailable",
    );
    let image = json!({"pod": {
        "image": "localhost/no-such-image:1",
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
    }});
    world.account("no-image", &own("no-image"), &image, "False", "PodNotReady");
    let endpoint = json!({
        "endpoint": {"websocket": format!("ws://{NOWHERE}"), "api": format!("http://{}", world.origin)},
    });
    world.account("no-kite", &own("no-kite"), &endpoint, "False", "Connecting");
    let endpoint = json!({
        "endpoint": {"websocket": format!("ws://{NOWHERE}"), "api": format!("http://{NOWHERE}")},
    });
    world.account("no-list", &own("no-list"), &endpoint, "True", "Idle");
    let narrow = json!({"connections": 1, "tokensPerConnection": 2});
    world.account("narrow", &own("narrow"), &narrow, "True", "Streaming");
}

fn sets(world: &mut World<'_>, shares: &[Named], taken: &[Named]) {
    let symbols: Vec<&str> = shares.iter().map(|it| it.symbol.as_str()).collect();
    let (one, none) = (&symbols[..1], json!({}));
    let soon = json!({"staleAfter": "2s"});
    world.set("good", "good", &symbols, &soon, ("True", "Streaming"));
    world.set(
        "paused",
        "good",
        one,
        &json!({"paused": true}),
        ("False", "Paused"),
    );
    let unknown = ["NSE:NO SUCH SHARE"];
    world.set(
        "unknown",
        "good",
        &unknown,
        &none,
        ("False", "NothingResolved"),
    );
    let partly = [one[0], unknown[0]];
    world.set(
        "partly",
        "good",
        &partly,
        &none,
        ("True", "PartiallyResolved"),
    );
    world.set("no-account", "nobody", one, &none, ("False", "NoAccount"));
    world.set(
        "no-room",
        "narrow",
        &symbols[..4],
        &none,
        ("False", "PartiallyScheduled"),
    );
    world.set(
        "none-left",
        "narrow",
        &symbols[4..],
        &none,
        ("False", "CapacityShort"),
    );
    world.set(
        "no-list",
        "no-list",
        one,
        &none,
        ("Unknown", "InstrumentsUnavailable"),
    );
    for holder in ["no-redis", "no-image", "no-kite"] {
        let reason = match holder {
            "no-redis" => "RedisUnavailable",
            "no-image" => "PodNotReady",
            _ => "Connecting",
        };
        world.set(holder, holder, one, &none, ("False", reason));
    }
    // The set `small` of the other namespace has this channel.
    let channel = json!({"publish": {"channelPrefix": "test:small"}});
    let symbol = [taken[0].symbol.as_str()];
    world.set(
        "conflict",
        "good",
        &symbol,
        &channel,
        ("False", "ChannelConflict"),
    );
    let both = json!({
        "accountRef": null,
        "accountSelector": {
            "matchExpressions": [{"key": "group", "operator": "In", "values": ["good", "no-list"]}],
        },
    });
    world.set(
        "disagree",
        "good",
        one,
        &both,
        ("False", "AccountsDisagree"),
    );
}
