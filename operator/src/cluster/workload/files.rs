//! The files of a pod: assignment, credentials, and the files for Redis.
//!
//! Pure. Every source is optional: a missing Secret or key must not keep the pod from starting; it
//! starts and reports what is missing. Folders are mounted, because single mounted files are never
//! updated.

use contract::mount;
use crds::names;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount,
    VolumeProjection,
};

use crate::plan;

/// A folder in the container, and the argument that names it.
struct Folder {
    name: &'static str,
    path: &'static str,
    argument: &'static str,
}

const ASSIGNMENT: Folder = Folder {
    name: "assignment",
    path: "/etc/kite-ticker/assignment",
    argument: "--assignment-dir",
};

const CREDENTIALS: Folder = Folder {
    name: "credentials",
    path: "/etc/kite-ticker/credentials",
    argument: "--credentials-dir",
};

const REDIS: Folder = Folder {
    name: "redis",
    path: "/etc/kite-ticker/redis",
    argument: "--redis-dir",
};

fn folders(workload: &plan::Workload) -> impl Iterator<Item = Folder> {
    let redis = workload.redis_secret.is_some().then_some(REDIS);
    [ASSIGNMENT, CREDENTIALS].into_iter().chain(redis)
}

/// The environment variables that name the folders.
pub(super) fn arguments(workload: &plan::Workload) -> Vec<String> {
    folders(workload)
        .map(|folder| format!("{}={}", folder.argument, folder.path))
        .collect()
}

/// The mounts of the container.
pub(super) fn mounts(workload: &plan::Workload) -> Vec<VolumeMount> {
    folders(workload)
        .map(|folder| VolumeMount {
            name: folder.name.to_owned(),
            mount_path: folder.path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        })
        .collect()
}

/// Mode of a Secret's file. The group that may read it is the pod's `fsGroup`.
const BY_GROUP: i32 = 0o440;

/// The same where the pod has no `fsGroup`, and its user is not known: the folder exists in this pod
/// alone, whose one process is the reader.
const BY_ANY_USER: i32 = 0o444;

/// The volumes. `fixed_ids`: whether the pod has an `fsGroup`.
pub(super) fn volumes(account: &str, workload: &plan::Workload, fixed_ids: bool) -> Vec<Volume> {
    let mode = if fixed_ids { BY_GROUP } else { BY_ANY_USER };
    let mut volumes = vec![assignment(account), credentials(account, workload, mode)];
    if let Some(name) = &workload.redis_secret {
        // The pod template of an account without Sentinels must not change with them.
        let mut files = mount::REDIS_FILES.to_vec();
        if workload.sentinel {
            files.extend(mount::SENTINEL_FILES);
        }
        let files = files.iter().map(|file| source(name, file, file));
        volumes.push(projected(&REDIS, files.collect(), mode));
    }
    volumes
}

fn assignment(account: &str) -> Volume {
    Volume {
        name: ASSIGNMENT.name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::assignment_config_map(account),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Those of the Secret that the account names, and of its session.
fn credentials(account: &str, workload: &plan::Workload, mode: i32) -> Volume {
    let (secret, session) = (&workload.secret, &names::session_secret(account));
    let sources = vec![
        source(secret, names::SECRET_API_KEY, mount::API_KEY_FILE),
        source(secret, names::SECRET_ACCESS_TOKEN, mount::ACCESS_TOKEN_FILE),
        source(
            session,
            names::SECRET_ACCESS_TOKEN,
            mount::SESSION_TOKEN_FILE,
        ),
        source(
            session,
            names::SESSION_KEY_HASH,
            mount::SESSION_KEY_HASH_FILE,
        ),
    ];
    projected(&CREDENTIALS, sources, mode)
}

/// One key of a Secret as a file. One source per key: in a source with two keys, a missing key would remove the other too.
fn source(secret: &str, key: &str, file: &str) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.to_owned(),
            items: Some(vec![KeyToPath {
                key: key.to_owned(),
                path: file.to_owned(),
                mode: None,
            }]),
            optional: Some(true),
        }),
        ..VolumeProjection::default()
    }
}

fn projected(folder: &Folder, sources: Vec<VolumeProjection>, mode: i32) -> Volume {
    Volume {
        name: folder.name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(mode),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}
