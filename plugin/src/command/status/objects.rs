//! Accounts and sets as the cluster has them.
//!
//! Owns how a status becomes a row. An object that this version cannot read has a row all the same.

use contract::answer::{AccountTop, ConnectionTop, ReadyState, SetTop};
use crds::condition::ConditionType;
use crds::{InstrumentSetStatus, TickerAccountStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StatusView;
use crate::error::AskError;
use crate::source::ClusterOperator;

/// Reads them all.
pub(super) async fn read(cluster: &ClusterOperator) -> Result<StatusView, AskError> {
    let accounts = cluster.objects("tickeraccounts").await?;
    let sets = cluster.objects("instrumentsets").await?;
    Ok(StatusView {
        accounts: accounts.objects.iter().map(account).collect(),
        sets: sets.objects.iter().map(set).collect(),
        notes: [accounts.cut, sets.cut].into_iter().flatten().collect(),
    })
}

fn account(object: &Value) -> AccountTop {
    let status: TickerAccountStatus = status(object);
    let (streaming, assigned) = share(status.instruments.as_deref());
    let connections = status.connection_status.into_iter();
    let connections = connections.map(|it| ConnectionTop {
        index: it.index.unwrap_or_default(),
        state: it.state.unwrap_or_default(),
        instruments: it.instruments.unwrap_or_default(),
        last_tick_us: micros(it.last_tick_time.as_ref()),
        reconnects: it.reconnects.unwrap_or_default(),
        last_error: it.last_error,
        ..ConnectionTop::default()
    });
    AccountTop {
        namespace: text(object, "/metadata/namespace"),
        name: text(object, "/metadata/name"),
        ready: ready(&status.conditions),
        process: status.pod_name,
        assigned,
        streaming,
        capacity: status.capacity,
        ticks_per_second: status.ticks_per_second,
        last_tick_us: micros(status.last_tick_time.as_ref()),
        connections: connections.collect(),
        ..AccountTop::default()
    }
}

fn set(object: &Value) -> SetTop {
    let status: InstrumentSetStatus = status(object);
    let shares = status.assignments.into_iter();
    SetTop {
        namespace: text(object, "/metadata/namespace"),
        name: text(object, "/metadata/name"),
        ready: ready(&status.conditions),
        mode: Some(text(object, "/spec/mode")).filter(|mode| !mode.is_empty()),
        selected: status.selected,
        waiting: status.waiting,
        streaming: status.streaming,
        last_tick_us: micros(status.last_tick_time.as_ref()),
        accounts: shares.filter_map(|share| share.account).collect(),
        ..SetTop::default()
    }
}

fn status<T: DeserializeOwned + Default>(object: &Value) -> T {
    let status = object.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or_default()
}

fn text(object: &Value, pointer: &str) -> String {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn ready(conditions: &[Condition]) -> Option<ReadyState> {
    let ready = ConditionType::Ready.as_str();
    let found = conditions.iter().find(|it| it.type_ == ready)?;
    Some(ReadyState {
        status: found.status.clone(),
        reason: found.reason.clone(),
        message: found.message.clone(),
    })
}

/// The two numbers of `442/450`.
fn share(text: Option<&str>) -> (Option<u32>, Option<u32>) {
    let Some((part, all)) = text.and_then(|text| text.split_once('/')) else {
        return (None, None);
    };
    (part.parse().ok(), all.parse().ok())
}

fn micros(time: Option<&Time>) -> Option<i64> {
    time.map(|time| time.0.as_microsecond())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_becomes_a_row_even_if_its_status_cannot_be_read() {
        let row = account(&json!({
            "metadata": {"namespace": "ticker", "name": "acct-a"},
            "status": {
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Streaming",
                    "message": "5 of 6 instruments stream", "lastTransitionTime": "2026-11-29T10:00:00Z",
                }],
                "instruments": "5/6", "ticksPerSecond": 41, "lastTickTime": "1970-01-01T00:00:02Z",
                "connectionStatus": [{"index": 0, "state": "Live", "instruments": 6}],
            },
        }));
        assert_eq!((&*row.namespace, &*row.name), ("ticker", "acct-a"));
        assert_eq!((row.streaming, row.assigned), (Some(5), Some(6)));
        assert_eq!(row.ready.unwrap().reason, "Streaming");
        assert_eq!(row.last_tick_us, Some(2_000_000));
        assert_eq!(row.connections[0].state, "Live");

        let odd = json!({"metadata": {"name": "s"}, "status": {"selected": "many"}});
        let row = set(&odd);
        assert_eq!((&*row.name, row.selected, row.ready), ("s", None, None));
    }
}
