//! The cluster as last seen: one reflector per kind, each with its own back-off.
//!
//! Owns the watches, and signals relevant changes. Stores are read only after all of them were
//! filled; what is not in them then does not exist.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crds::{InstrumentSet, TickerAccount};
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Pod, Service};
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::store::WriterDropped;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use service::clock::Clock;
use service::tasks::Tasks;
use service::text::LineQuota;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::fingerprint::{fingerprint, owners, rebalance};
use super::metrics::Metrics;
use super::parsed_or_raw::{self, ParsedOrRaw};
use super::watch_backoff::{self, WatchBackoff};
use super::{api_error, pod_refusals, workload};
use crate::plan::Key;

/// A watch is renewed this often, so that a dead connection is noticed. Load balancers drop idle
/// connections after 240 s or more.
const WATCH_SECONDS: u32 = 200;

/// Limits how often failures of one watch are logged.
const LOG_BURST: u32 = 3;
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Everything that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) accounts: Store<ParsedOrRaw<TickerAccount>>,
    pub(crate) sets: Store<ParsedOrRaw<InstrumentSet>>,
    pub(crate) config_maps: Store<ConfigMap>,
    pub(crate) services: Store<PartialObjectMeta<Service>>,
    pub(crate) stateful_sets: Store<PartialObjectMeta<StatefulSet>>,
    pub(crate) pods: Store<Pod>,
    /// Of pods that could not be created. Nobody waits for them: without the right to watch events
    /// everything else goes on.
    pub(crate) refusals: Store<CoreEvent>,
}

/// What every watch needs.
pub(crate) struct WatchContext<'a> {
    pub(crate) client: Client,
    /// `None`: all of them.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) dirty: Arc<Notify>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
}

impl Stores {
    /// Starts all watches.
    pub(crate) fn watch(context: &WatchContext<'_>, tasks: &mut Tasks) -> Self {
        let everything = || watch::Config::default().timeout(WATCH_SECONDS);
        let refusals = everything().fields(pod_refusals::SELECTOR);
        let ours = || everything().labels(&workload::label_selector());
        Self {
            accounts: context.start(tasks, everything(), spec_fingerprint),
            sets: context.start(tasks, everything(), spec_fingerprint),
            config_maps: context.start(tasks, ours(), version_fingerprint),
            services: context.start(tasks, ours(), version_fingerprint),
            // Its status changes with its pod, which is watched itself.
            stateful_sets: context.start(tasks, ours(), spec_fingerprint),
            pods: context.start(tasks, ours(), version_fingerprint),
            refusals: context.start(tasks, refusals, version_fingerprint),
        }
    }

    /// Waits until every store that a plan depends on was filled once since the start.
    pub(crate) async fn synced(&self) -> Result<(), WriterDropped> {
        self.accounts.wait_until_ready().await?;
        self.sets.wait_until_ready().await?;
        self.config_maps.wait_until_ready().await?;
        self.services.wait_until_ready().await?;
        self.stateful_sets.wait_until_ready().await?;
        self.pods.wait_until_ready().await
    }
}

impl WatchContext<'_> {
    fn start<K>(
        &self,
        tasks: &mut Tasks,
        config: watcher::Config,
        fingerprint: fn(&K) -> u64,
    ) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (store, writer) = reflector::store();
        let api: Api<K> = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let kind = kind::<K>();
        let begin =
            move || watch::watcher(api.clone(), config.clone()).backoff(WatchBackoff::default());
        let metrics = self.metrics.clone();
        metrics.watched(kind);
        let stream = watch_backoff::restart_when_silent(begin, move || metrics.watch_silent(kind))
            .modify(prune)
            .reflect(writer);
        let task = WatchTask {
            kind,
            dirty: Arc::clone(&self.dirty),
            metrics: self.metrics.clone(),
            fingerprints: HashMap::new(),
            fingerprint,
            started: false,
            clock: self.clock.clone(),
            lines: LineQuota::new(LOG_BURST, LOG_EVERY),
        };
        let stop = self.stop.clone();
        tasks.spawn(format!("watch of {kind}"), task.run(stream, stop));
        store
    }
}

/// Turns the events of one watch into wake-ups for relevant changes.
struct WatchTask<K> {
    kind: &'static str,
    dirty: Arc<Notify>,
    metrics: Metrics,
    fingerprints: HashMap<Key, u64>,
    fingerprint: fn(&K) -> u64,
    started: bool,
    clock: Clock,
    lines: LineQuota,
}

impl<K: Resource> WatchTask<K> {
    async fn run<S>(mut self, stream: S, stop: CancellationToken)
    where
        S: futures::Stream<Item = watcher::Result<Event<K>>> + Send,
    {
        let mut stream = std::pin::pin!(stream.take_until(stop.cancelled_owned()));
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) if self.is_change(&event) => self.dirty.notify_one(),
                Ok(_) => {}
                Err(error) => {
                    let why = api_error::describe_watch_error(&error);
                    if let Some(suppressed) = self.lines.take(self.clock.now()) {
                        let kind = self.kind;
                        tracing::warn!(kind, suppressed, "watch failed, retrying: {why}");
                    }
                }
            }
        }
    }

    fn is_change(&mut self, event: &Event<K>) -> bool {
        match event {
            Event::Init => {
                if std::mem::replace(&mut self.started, true) {
                    self.metrics.watch_restarted(self.kind);
                }
                self.fingerprints.clear();
                false
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let fingerprint = (self.fingerprint)(object);
                self.fingerprints
                    .insert(parsed_or_raw::key(object.meta()), fingerprint)
                    != Some(fingerprint)
                    && matches!(event, Event::Apply(_))
            }
            Event::InitDone => true,
            Event::Delete(object) => {
                self.fingerprints.remove(&parsed_or_raw::key(object.meta()));
                true
            }
        }
    }
}

/// Changes with the spec and with what an annotation asks for, not with the status, which is mostly written by this
/// operator.
fn spec_fingerprint<K: Resource>(object: &K) -> u64 {
    let metadata = object.meta();
    fingerprint(&(
        &metadata.uid,
        metadata.generation,
        &metadata.labels,
        metadata.deletion_timestamp.is_some(),
        owners(metadata),
        rebalance(metadata),
    ))
}

/// Changes whenever the object does.
fn version_fingerprint<K: Resource>(object: &K) -> u64 {
    fingerprint(&(&object.meta().uid, &object.meta().resource_version))
}

/// Removes large fields that are never read.
fn prune<K: Resource>(object: &mut K) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// The name of a kind, for metrics and logs.
fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()) {
        Cow::Borrowed(kind) => kind,
        // Of a kind that only the running program knows.
        Cow::Owned(_) => "other",
    }
}

/// Objects of a store by namespace and name.
pub(crate) fn by_key<K>(store: &Store<K>) -> BTreeMap<Key, Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .state()
        .into_iter()
        .map(|object| (parsed_or_raw::key(object.meta()), object))
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use prometheus_client::registry::Registry;

    use super::*;

    fn task() -> WatchTask<Pod> {
        WatchTask {
            kind: "Pod",
            dirty: Arc::default(),
            metrics: Metrics::register(&mut Registry::default()),
            fingerprints: HashMap::new(),
            fingerprint: spec_fingerprint,
            started: false,
            clock: Clock::system(),
            lines: LineQuota::new(LOG_BURST, LOG_EVERY),
        }
    }

    fn pod(generation: i64, version: &str) -> Pod {
        Pod {
            metadata: ObjectMeta {
                name: Some("p".to_owned()),
                generation: Some(generation),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        }
    }

    #[test]
    fn a_status_write_is_no_reason_to_plan_and_a_new_spec_is() {
        let mut task = task();
        assert!(!task.is_change(&Event::Init));
        assert!(!task.is_change(&Event::InitApply(pod(1, "1"))));
        assert!(task.is_change(&Event::InitDone));
        assert!(!task.is_change(&Event::Apply(pod(1, "2"))));
        assert!(task.is_change(&Event::Apply(pod(2, "3"))));
        let mut annotated = pod(2, "4");
        let annotations = annotated.metadata.annotations.get_or_insert_default();
        annotations.insert("other".to_owned(), "monday".to_owned());
        assert!(!task.is_change(&Event::Apply(annotated.clone())));
        let annotations = annotated.metadata.annotations.get_or_insert_default();
        annotations.insert("kiteticker.dev/rebalance".to_owned(), "monday".to_owned());
        assert!(task.is_change(&Event::Apply(annotated.clone())));
        assert!(!task.is_change(&Event::Apply(annotated)));
        assert!(task.is_change(&Event::Delete(pod(2, "4"))));
        assert!(task.is_change(&Event::Apply(pod(2, "5"))));
        assert!(version_fingerprint(&pod(1, "1")) != version_fingerprint(&pod(1, "2")));
    }

    #[test]
    fn every_watched_kind_has_its_name() {
        let ours = [
            kind::<ParsedOrRaw<TickerAccount>>(),
            kind::<ParsedOrRaw<InstrumentSet>>(),
        ];
        assert_eq!(ours, ["TickerAccount", "InstrumentSet"]);
        let metadata = [
            kind::<PartialObjectMeta<Service>>(),
            kind::<PartialObjectMeta<StatefulSet>>(),
        ];
        assert_eq!(metadata, ["Service", "StatefulSet"]);
        assert_eq!([kind::<ConfigMap>(), kind::<Pod>()], ["ConfigMap", "Pod"]);
    }

    #[test]
    fn only_a_second_list_counts_as_a_restart() {
        let mut task = task();
        let label = super::super::metrics::KindLabel { kind: "Pod" };
        task.is_change(&Event::Init);
        assert_eq!(task.metrics.watch_restarts.get_or_create(&label).get(), 0);
        task.is_change(&Event::Init);
        assert_eq!(task.metrics.watch_restarts.get_or_create(&label).get(), 1);
    }
}
