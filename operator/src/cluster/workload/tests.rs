//! The complete objects as written: a change of the pod template restarts every pod.

use contract::Account;
use crds::pod::PodSettings;
use crds::quantity::{Amounts, Resources};
use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::pod_template::NONROOT_ID;
use super::*;

const OWNER: Owner<'_> = Owner {
    namespace: "trading",
    name: "acct-a",
    uid: "0c2f",
};

fn defaults() -> PodDefaults {
    PodDefaults {
        wall_clock: None,
        image: "kite-ingestor:1".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        pull_secrets: vec!["registry".to_owned()],
        fixed_ids: true,
    }
}

fn workload() -> plan::Workload {
    plan::Workload {
        secret: "acct-a-credentials".to_owned(),
        redis_secret: None,
        sentinel: false,
        pod: PodSettings::default(),
    }
}

fn nothing_to_stream() -> Assignment {
    Assignment {
        version: 1,
        generation: 7,
        account: Account {
            name: "acct-a".to_owned(),
            namespace: Some("trading".to_owned()),
            uid: "0c2f".to_owned(),
            mock: false,
        },
        websocket: "wss://ws.kite.trade".to_owned(),
        credentials: contract::CredentialChoice::default(),
        egress: contract::Egress::default(),
        redis_url: "redis://redis:6379".to_owned(),
        connections: 3,
        tokens_per_connection: 3000,
        sets: Vec::new(),
        channels: Vec::new(),
        keeps: Vec::new(),
        order_updates: false,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: Vec::new(),
    }
}

#[test]
fn the_stateful_set_is_as_agreed() {
    insta::assert_yaml_snapshot!(stateful_set(OWNER, (&workload(), false), &defaults()));
}

#[test]
fn the_service_is_as_agreed() {
    insta::assert_yaml_snapshot!(service(OWNER));
}

#[test]
fn an_account_chooses_image_and_resources() {
    let resources = Resources {
        limits: Amounts {
            memory: Some(Quantity("256Mi".to_owned())),
            cpu: None,
        },
        ..Resources::default()
    };
    let chosen = plan::Workload {
        pod: PodSettings {
            image: Some("mine:2".to_owned()),
            resources: Some(resources.clone()),
            ..PodSettings::default()
        },
        ..workload()
    };
    let template = stateful_set(OWNER, (&chosen, false), &defaults())
        .spec
        .unwrap()
        .template;
    let container = template.spec.unwrap().containers.remove(0);
    assert_eq!(container.image.as_deref(), Some("mine:2"));
    assert_eq!(container.resources, Some(resources.to_requirements()));
}

#[test]
fn an_account_chooses_where_its_pod_runs_and_what_it_carries() {
    let settings = json!({
        "labels": {"team": "desk"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"team": "desk"}}}],
        "priorityClassName": "market-hours",
    });
    let with = plan::Workload {
        pod: serde_json::from_value(settings.clone()).unwrap(),
        ..workload()
    };
    let template = |workload: &plan::Workload| {
        let set = stateful_set(OWNER, (workload, false), &defaults());
        serde_json::to_value(set.spec.unwrap().template).unwrap()
    };
    let (mut chosen, plain) = (template(&with), template(&workload()));
    let metadata = &mut chosen["metadata"];
    assert_eq!(metadata["annotations"], settings["annotations"]);
    metadata.as_object_mut().unwrap().remove("annotations");
    let label = metadata["labels"].as_object_mut().unwrap().remove("team");
    assert_eq!(label, Some("desk".into()));
    let spec = chosen["spec"].as_object_mut().unwrap();
    for field in [
        "nodeSelector",
        "affinity",
        "topologySpreadConstraints",
        "priorityClassName",
    ] {
        assert_eq!(spec.remove(field).as_ref(), settings.get(field), "{field}");
    }
    let last = spec["tolerations"].as_array_mut().unwrap().pop();
    assert_eq!(last.as_ref(), settings["tolerations"].get(0));
    assert_eq!(chosen, plain, "and nothing else changes");
}

#[test]
fn a_toleration_for_a_taint_of_ours_replaces_ours() {
    let longer: Toleration = serde_json::from_value(json!({
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
    }))
    .unwrap();
    let with = plan::Workload {
        pod: PodSettings {
            tolerations: vec![longer.clone()],
            ..PodSettings::default()
        },
        ..workload()
    };
    let template = stateful_set(OWNER, (&with, false), &defaults())
        .spec
        .unwrap()
        .template;
    let tolerations = template.spec.unwrap().tolerations.unwrap();
    assert_eq!(tolerations.len(), 2);
    assert_eq!(
        tolerations[0].key.as_deref(),
        Some("node.kubernetes.io/not-ready")
    );
    assert_eq!(tolerations[1], longer);
}

#[test]
fn a_toleration_of_another_effect_leaves_ours() {
    let with_effect = |effect: Option<&str>| {
        let theirs = json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": effect});
        let pod = json!({"tolerations": [theirs]});
        let with = plan::Workload {
            pod: serde_json::from_value(pod).unwrap(),
            ..workload()
        };
        let set = stateful_set(OWNER, (&with, false), &defaults());
        let pod = set.spec.unwrap().template.spec.unwrap();
        pod.tolerations.unwrap().len()
    };
    assert_eq!(with_effect(Some("NoSchedule")), 3);
    // Every effect, and ours.
    assert_eq!([None, Some("NoExecute")].map(with_effect), [2, 2]);
}

/// What selects the pod cannot be taken from it, even if a definition older than the rule let it in.
#[test]
fn labels_of_the_operator_stay() {
    let mut pod = PodSettings::default();
    let other = crds::account_selector::LabelValue("other".to_owned());
    pod.labels.insert(names::LABEL_ACCOUNT.to_owned(), other);
    let with = plan::Workload { pod, ..workload() };
    let template = stateful_set(OWNER, (&with, false), &defaults())
        .spec
        .unwrap()
        .template;
    let labels = template.metadata.unwrap().labels.unwrap();
    assert_eq!(labels[names::LABEL_ACCOUNT], "acct-a");
}

/// OpenShift's restricted-v2 admits only the user and the groups that it chose for the namespace.
#[test]
fn without_fixed_ids_the_pod_names_none_and_any_user_reads_its_secrets() {
    let workload = plan::Workload {
        redis_secret: Some("redis-login".to_owned()),
        ..workload()
    };
    let of = |fixed_ids| {
        let defaults = PodDefaults {
            fixed_ids,
            ..defaults()
        };
        let set = stateful_set(OWNER, (&workload, false), &defaults);
        serde_json::to_value(set).unwrap()
    };
    let (fixed, mut free) = (of(true), of(false));
    let pod = free.pointer_mut("/spec/template/spec").unwrap();
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(pod["securityContext"].get(field).is_none(), "{field}");
        pod["securityContext"][field] = NONROOT_ID.into();
    }
    for volume in [1, 2] {
        let mode = &mut pod["volumes"][volume]["projected"]["defaultMode"];
        assert_eq!(*mode, 0o444);
        *mode = 0o440.into();
    }
    assert_eq!(free, fixed, "and nothing else changes");
}

#[test]
fn a_simulated_clock_is_that_of_the_pods_too() {
    let clock = "2026-12-01T09:00:00+05:30,60,2026-11-30T00:00:00Z";
    let arguments = |wall_clock: Option<&str>| {
        let defaults = PodDefaults {
            wall_clock: wall_clock.map(|text| text.parse().unwrap()),
            ..defaults()
        };
        let set = stateful_set(OWNER, (&workload(), false), &defaults);
        let pod = set.spec.unwrap().template.spec.unwrap();
        pod.containers[0].args.clone().unwrap()
    };
    let expected = "--wall-clock=2026-12-01T03:30:00Z,60,2026-11-30T00:00:00Z";
    assert_eq!(arguments(Some(clock))[1], expected);
    assert!(!arguments(None).iter().any(|it| it.contains("clock")));
}

#[test]
fn an_assignment_is_found_again_in_its_config_map() {
    let sealed = Sealed::new(&nothing_to_stream());
    let object = assignment(
        OWNER,
        &nothing_to_stream(),
        sealed.clone(),
        Some("41".to_owned()),
    );
    assert_eq!(super::sealed(&object), Some(sealed));
    assert_eq!(
        super::sealed(&object).unwrap().open().unwrap(),
        nothing_to_stream()
    );
    assert_eq!(object.metadata.resource_version.as_deref(), Some("41"));
    assert_eq!(object.data.as_ref().unwrap()["generation"], "7");
    assert!(is_owned_by(&object.metadata, "0c2f") && !is_owned_by(&object.metadata, "another"));
    assert_eq!(super::sealed(&ConfigMap::default()), None);
}

#[test]
fn what_redis_asks_for_is_five_optional_files() {
    let without = stateful_set(OWNER, (&workload(), false), &defaults());
    let with = plan::Workload {
        redis_secret: Some("redis-login".to_owned()),
        ..workload()
    };
    let pod = |set: StatefulSet| set.spec.unwrap().template.spec.unwrap();
    let (without, mut with) = (
        pod(without),
        pod(stateful_set(OWNER, (&with, false), &defaults())),
    );
    let volume = with.volumes.as_mut().unwrap().remove(2);
    insta::assert_yaml_snapshot!(volume);
    let container = &mut with.containers[0];
    let folder = container.volume_mounts.as_mut().unwrap().remove(2);
    assert_eq!(
        (folder.name.as_str(), folder.read_only),
        ("redis", Some(true))
    );
    let argument = container.args.as_mut().unwrap().pop().unwrap();
    assert_eq!(argument, format!("--redis-dir={}", folder.mount_path));
    assert_eq!(with, without, "and nothing else changes");
}

#[test]
fn sentinels_ask_for_two_more_files() {
    let files = |sentinel| {
        let workload = plan::Workload {
            redis_secret: Some("redis-login".to_owned()),
            sentinel,
            ..workload()
        };
        let set = stateful_set(OWNER, (&workload, false), &defaults());
        let pod = set.spec.unwrap().template.spec.unwrap();
        let sources = pod.volumes.unwrap().remove(2).projected.unwrap().sources;
        let sources = sources.unwrap().into_iter();
        let items = sources.flat_map(|source| source.secret.unwrap().items.unwrap());
        items.map(|item| item.key).collect::<Vec<_>>()
    };
    let more = ["sentinel_username", "sentinel_password"].map(str::to_owned);
    assert_eq!(files(true), [files(false), more.to_vec()].concat());
}

#[test]
fn nothing_but_two_keys_of_the_secret_reaches_the_pod() {
    let text =
        serde_json::to_string(&stateful_set(OWNER, (&workload(), false), &defaults())).unwrap();
    for key in ["secretKeyRef", "envFrom", "subPath", "api_secret"] {
        assert!(!text.contains(key), "{key}");
    }
}
