//! The API server accepts and rejects manifests exactly as the checks of `crds` do.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, stream};
use tests::Cluster;

/// Concurrent kubectl processes.
const AT_A_TIME: usize = 4;

/// Sends every manifest to the API server as a dry run.
pub(crate) async fn check(cluster: &Cluster) -> Result<()> {
    let judged = stream::iter(files(&cluster.path("tests/manifests/good"))?)
        .map(async |path| good(cluster, &path).await)
        .buffer_unordered(AT_A_TIME);
    collect(judged).await?;
    let judged = stream::iter(files(&cluster.path("tests/manifests/bad"))?)
        .map(async |path| bad(cluster, &path).await)
        .buffer_unordered(AT_A_TIME);
    collect(judged).await
}

async fn collect(judged: impl futures::Stream<Item = Result<()>>) -> Result<()> {
    let wrong: Vec<_> = judged
        .filter_map(async |result| result.err())
        .collect()
        .await;
    let wrong: Vec<String> = wrong.iter().map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

async fn good(cluster: &Cluster, path: &Path) -> Result<()> {
    dry_run(cluster, path).await.map(drop)
}

async fn bad(cluster: &Cluster, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let Some(expected) = text
        .lines()
        .find_map(|line| line.strip_prefix("# expect: "))
    else {
        bail!("{} does not say what to expect", path.display());
    };
    match dry_run(cluster, path).await {
        Ok(_) => bail!("{} was accepted", path.display()),
        Err(error) if format!("{error:#}").contains(expected) => Ok(()),
        Err(error) => bail!("{}: expected `{expected}`: {error:#}", path.display()),
    }
}

async fn dry_run(cluster: &Cluster, path: &Path) -> Result<String> {
    let path = path.to_string_lossy();
    // One of the manifests names this namespace. The last flag counts.
    cluster
        .kubectl(&[
            "apply",
            "--dry-run=server",
            "--namespace=default",
            "-f",
            &path,
        ])
        .await
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    ensure!(!files.is_empty(), "{} is empty", folder.display());
    Ok(files)
}
