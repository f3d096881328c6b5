//! Accounts and their Secrets.

use std::sync::{Arc, LazyLock};

use crds::TickerAccountSpec;
use crds::account::{Redis, RedisCluster, RedisSentinel, SecretRef};
use crds::quantity::{Amounts, Resources};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::lists::APIS;
use super::{Dice, World};
use crate::plan::fixture::account_spec;
use crate::plan::*;

/// Names of accounts.
pub(super) const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The maximum number of accounts.
const MOST: usize = 6;

static SPEC: LazyLock<TickerAccountSpec> = LazyLock::new(account_spec);

impl World {
    /// Adds an account under a name that is free.
    pub(super) fn add_account(&mut self) {
        let key = self.key(&NAMES);
        let known = |account: &ObservedAccount| account.object.meta.key == key;
        if self.observed.accounts.len() >= MOST || self.observed.accounts.iter().any(known) {
            return;
        }
        let account = self.account(key);
        self.observed.accounts.push(account);
    }

    /// An account that was just made.
    pub(super) fn account(&mut self, key: Key) -> ObservedAccount {
        let meta = self.meta(key);
        let (made, wild, dice) = (self.made, self.wild, &mut self.dice);
        let spec = spec(dice, wild);
        let redis_secret = redis_secret(dice, &spec, made);
        let secret = secret(dice, made);
        let spec = if dice.percent(2) {
            Err(invalid_spec(dice))
        } else {
            Ok(Arc::new(spec))
        };
        ObservedAccount {
            object: Object {
                meta,
                spec,
                status: None,
            },
            assignment: LastAssignment::Absent,
            foreign: foreign(dice, 3),
            unwritten: unwritten(dice, 4),
            process: Process::Absent,
            scrape: Scrape::default(),
            token: token(dice, &secret),
            session: session(&secret).0,
            session_token: session(&secret).1,
            login_link: None,
            secret,
            redis_secret,
        }
    }
}

pub(super) fn spec(dice: &mut Dice, wild: bool) -> TickerAccountSpec {
    let mut spec = SPEC.clone();
    capacity(dice, &mut spec);
    endpoint(dice, &mut spec);
    spec.paused = dice.percent(5);
    spec.order_updates = dice.percent(10);
    spec.events = dice.percent(90);
    spec.schedule.sleep_when_closed = dice.percent(20);
    spec.redis = redis(dice, wild);
    if dice.percent(5) {
        spec.pod.image = Some("ingestor:next".to_owned());
        spec.pod.resources = Some(Resources {
            requests: Amounts {
                cpu: Some(Quantity("250m".to_owned())),
                memory: None,
            },
            limits: Amounts::default(),
        });
    }
    if wild && dice.percent(15) {
        match dice.below(5) {
            0 => spec.connections = dice.one(&[0, 4]),
            1 => spec.tokens_per_connection = dice.one(&[0, 3_001]),
            2 => spec.credentials_secret_ref.name.clear(),
            3 => spec.endpoint.websocket = "http://127.0.0.1:7070".to_owned(),
            _ => spec.endpoint.api = "https://user@api.kite.trade".to_owned(),
        }
    }
    spec
}

/// Few places, so that capacity is short.
pub(super) fn capacity(dice: &mut Dice, spec: &mut TickerAccountSpec) {
    spec.connections = dice.one(&[1, 1, 2, 3]);
    spec.tokens_per_connection = match dice.weighted(&[40, 35, 25]) {
        0 => u16::try_from(dice.number(1, 12)).unwrap(),
        1 => u16::try_from(dice.number(13, 50)).unwrap(),
        _ => 3_000,
    };
}

/// Most stream from one simulator; the others are never together with them in one set.
pub(super) fn endpoint(dice: &mut Dice, spec: &mut TickerAccountSpec) {
    let real = dice.percent(5);
    spec.mock = if dice.percent(2) { real } else { !real };
    spec.endpoint.api = APIS[usize::from(real)].to_owned();
    spec.endpoint.websocket = if real {
        "wss://ws.kite.trade".to_owned()
    } else {
        "ws://127.0.0.1:7070".to_owned()
    };
    if dice.percent(10) {
        spec.endpoint.api.push('/');
        spec.endpoint.websocket.push('/');
    }
}

pub(super) fn redis(dice: &mut Dice, wild: bool) -> Redis {
    let mut redis = Redis::default();
    match dice.weighted(&[72, 12, 8, 8]) {
        0 => {}
        1 => {
            let url = dice.one(&["redis://10.0.0.1:6379", "rediss://r/"]);
            redis.url = Some(url.to_owned());
        }
        2 => redis.sentinel = Some(sentinel(dice)),
        _ => {
            redis.cluster = Some(RedisCluster {
                nodes: nodes(dice),
                sharded_pub_sub: dice.percent(50),
                tls: dice.percent(30),
            });
        }
    }
    if dice.percent(30) {
        redis.secret_ref = Some(SecretRef {
            name: "login".to_owned(),
        });
    }
    if wild && dice.percent(10) {
        match dice.below(4) {
            0 => redis.url = Some("redis://user:word@10.0.0.1".to_owned()),
            1 => (redis.url, redis.sentinel) = (Some("redis://r".to_owned()), Some(sentinel(dice))),
            2 => redis.sentinel = Some(RedisSentinel::default()),
            _ => redis.cluster = Some(RedisCluster::default()),
        }
    }
    redis
}

fn sentinel(dice: &mut Dice) -> RedisSentinel {
    RedisSentinel {
        master: "main".to_owned(),
        nodes: nodes(dice),
        tls: dice.percent(30),
    }
}

fn nodes(dice: &mut Dice) -> Vec<String> {
    let nodes = 1..=dice.number(1, 2);
    nodes.map(|at| format!("10.0.1.{at}:26379")).collect()
}

/// A Secret, most often complete and with its own key.
pub(super) fn secret(dice: &mut Dice, made: u32) -> Secret {
    const WHOLE: &[&str] = &["api_key", "access_token", "username", "password"];
    const TYPO: &[&str] = &["api_key", "acess_token", "passwd"];
    match dice.weighted(&[86, 4, 4, 6]) {
        0 => {
            let key = match dice.weighted(&[80, 12, 8]) {
                0 => Some(u64::from(made)),
                1 => Some(1_000),
                _ => None,
            };
            let names = match dice.weighted(&[80, 14, 6]) {
                0 => WHOLE,
                1 => TYPO,
                _ => &[],
            };
            let version = dice.number(1, 9);
            let for_login = (version >= 7).then_some("api_secret");
            Secret::Present {
                version: version.to_string(),
                key: key.map(ValueFingerprint::sample),
                names: Secret::key_names(names.iter().copied().chain(for_login)),
                token: Some(ValueFingerprint::sample(version.into())),
                immutable: Immutable::No,
                login: None,
            }
        }
        1 => Secret::Unknown,
        2 => Secret::Unreadable,
        _ => Secret::Missing,
    }
}

/// What Kite said of its token, most often nothing or that it is good.
pub(super) fn token(dice: &mut Dice, secret: &Secret) -> Option<TokenCheck> {
    let Secret::Present { version, .. } = secret else {
        return None;
    };
    let answer = match dice.weighted(&[50, 30, 20]) {
        0 => return None,
        1 => TokenAnswer::Accepted {
            user_id: "AB1234".to_owned(),
        },
        _ => TokenAnswer::Refused,
    };
    let version = match dice.percent(80) {
        true => version.clone(),
        false => "0".to_owned(),
    };
    Some(TokenCheck {
        version,
        answer,
        at: jiff::Timestamp::constant(1_764_000_000, 0),
    })
}

/// What a login has left, which needs no luck: of some Secrets a good session, of some a bad one.
pub(super) fn session(secret: &Secret) -> (Secret, Option<TokenCheck>) {
    let Secret::Present { version, .. } = secret else {
        return (Secret::Missing, None);
    };
    let user_id = "AB1234".to_owned();
    let answer = match version.as_str() {
        "8" => TokenAnswer::Refused,
        "9" => TokenAnswer::Accepted {
            user_id: user_id.clone(),
        },
        _ => return (Secret::Missing, None),
    };
    let at = jiff::Timestamp::constant(1_764_000_000, 0);
    let check = TokenCheck {
        version: crate::plan::session_version("1", version),
        answer,
        at,
    };
    let session = Secret::Present {
        version: "1".to_owned(),
        key: None,
        names: Vec::new(),
        token: Some(ValueFingerprint::sample(99)),
        immutable: Immutable::No,
        login: Some(LastLogin { user_id, at }),
    };
    (session, Some(check))
}

/// The Secret for Redis, if one is named.
pub(super) fn redis_secret(dice: &mut Dice, spec: &TickerAccountSpec, made: u32) -> Option<Secret> {
    spec.redis.secret_ref.as_ref()?;
    Some(if dice.percent(12) {
        Secret::Missing
    } else {
        secret(dice, made)
    })
}

pub(super) fn invalid_spec(dice: &mut Dice) -> InvalidSpec {
    InvalidSpec {
        field: dice.one(&["spec.mode", "spec.connections", ""]).to_owned(),
        problem: "must be a number".to_owned(),
    }
}

pub(super) fn foreign(dice: &mut Dice, percent: u32) -> Vec<String> {
    if dice.percent(percent) {
        vec!["StatefulSet kt-a".to_owned(), "Service kt-a".to_owned()]
    } else {
        Vec::new()
    }
}

pub(super) fn unwritten(dice: &mut Dice, percent: u32) -> Option<String> {
    dice.percent(percent)
        .then(|| "StatefulSet kt-a cannot be written: exceeded quota".to_owned())
}
