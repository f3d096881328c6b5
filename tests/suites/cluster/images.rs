//! The README's lines that make images and push them, with a folder in the registry's place.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::stage::Stage;

/// What is made, and what is pushed.
const BUILD: &str = "make images TAG=";
const PUSH: &str = "tests/cluster/buildah push localhost/";

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    if cluster.own_kubeconfig().is_none() {
        return Ok(());
    }
    let readme = std::fs::read_to_string(cluster.path("README.md"))?;
    let folder = tempfile::tempdir()?;
    cluster.shell(&command(&readme, BUILD)?).await?;
    let push = command(&readme, PUSH)?;
    let (push, registry) = push.rsplit_once(' ').context("no target")?;
    ensure!(registry.starts_with("docker://REGISTRY/"), "{registry}");
    for program in ["kite-operator", "kite-ingestor"] {
        let push = push.replace("kite-operator", program);
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

/// The command between backticks that begins so.
fn command(readme: &str, start: &str) -> Result<String> {
    let words: Vec<&str> = readme.split_whitespace().collect();
    let text = words.join(" ");
    let found = text.split('`').find(|code| code.starts_with(start));
    Ok(found
        .with_context(|| format!("the README has no {start:?}"))?
        .to_owned())
}
