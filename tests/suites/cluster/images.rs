//! The documented commands that build images and push them, with a folder instead of a registry.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::documents;

use crate::stage::Stage;

/// The document with the commands.
const INSTALL: &str = "docs/install.md";
const BUILD: &str = "make images TAG=";
const PUSH: &str = "tests/cluster/buildah push localhost/";

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    if cluster.own_kubeconfig().is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    cluster.shell(&documents::command(INSTALL, BUILD)?).await?;
    for push in documents::commands(INSTALL, PUSH)? {
        let (push, registry) = push.rsplit_once(' ').context("no target")?;
        let program = registry
            .strip_prefix("docker://REGISTRY/")
            .and_then(|image| image.split(':').next())
            .with_context(|| format!("no image of a registry: {registry}"))?;
        let target = folder.path().join(program);
        let line = format!("{push} dir:{}", target.display());
        cluster.shell(&line).await?;
        let manifest = std::fs::read(target.join("manifest.json"))?;
        let manifest: Value = serde_json::from_slice(&manifest)?;
        let layers = manifest["layers"].as_array().map(Vec::len);
        ensure!(
            layers == Some(1),
            "one program and nothing else: {manifest}"
        );
    }
    Ok(())
}
