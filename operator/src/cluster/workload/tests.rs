//! The complete objects as written: a change of the pod template restarts every pod.

use contract::Account;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::*;

const OWNER: Owner<'_> = Owner {
    namespace: "trading",
    name: "acct-a",
    uid: "0c2f",
};

fn defaults() -> PodDefaults {
    PodDefaults {
        image: "kite-ingestor:1".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        pull_secrets: vec!["registry".to_owned()],
    }
}

fn workload() -> plan::Workload {
    plan::Workload {
        secret: "acct-a-credentials".to_owned(),
        redis_secret: None,
        image: None,
        resources: None,
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
        redis_url: "redis://redis:6379".to_owned(),
        connections: 3,
        tokens_per_connection: 3000,
        sets: Vec::new(),
        channels: Vec::new(),
        keeps: Vec::new(),
        order_updates: false,
        events: true,
        quiet_prefixes: Vec::new(),
        instruments: Vec::new(),
    }
}

#[test]
fn the_stateful_set_is_as_agreed() {
    insta::assert_yaml_snapshot!(stateful_set(OWNER, &workload(), &defaults()));
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
        image: Some("mine:2".to_owned()),
        resources: Some(resources.clone()),
        ..workload()
    };
    let template = stateful_set(OWNER, &chosen, &defaults())
        .spec
        .unwrap()
        .template;
    let container = template.spec.unwrap().containers.remove(0);
    assert_eq!(container.image.as_deref(), Some("mine:2"));
    assert_eq!(container.resources, Some(resources.to_requirements()));
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
    let without = stateful_set(OWNER, &workload(), &defaults());
    let with = plan::Workload {
        redis_secret: Some("redis-login".to_owned()),
        ..workload()
    };
    let pod = |set: StatefulSet| set.spec.unwrap().template.spec.unwrap();
    let (without, mut with) = (pod(without), pod(stateful_set(OWNER, &with, &defaults())));
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
fn nothing_but_two_keys_of_the_secret_reaches_the_pod() {
    let text = serde_json::to_string(&stateful_set(OWNER, &workload(), &defaults())).unwrap();
    for key in ["secretKeyRef", "envFrom", "subPath", "api_secret"] {
        assert!(!text.contains(key), "{key}");
    }
}
