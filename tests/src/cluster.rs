//! A Kubernetes to test on: the one-node cluster of this repository, or one that `KUBECONFIG` names.
//!
//! Owns starting it, loading the images, the test's own namespace, and the cleanup.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::eventually;

/// The programs whose images are needed.
const PROGRAMS: [&str; 3] = ["kite-operator", "kite-ingestor", "kite-simulator"];

/// Of this repository's cluster, those that start pods.
const COMPONENTS: [&str; 4] = [
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
];

/// A cluster and a namespace in it.
#[derive(Debug)]
pub struct Cluster {
    root: PathBuf,
    kubeconfig: PathBuf,
    /// Whether it is this repository's cluster, in which pods can be reached directly.
    own: bool,
    /// Whether it is to be ended with the test.
    ends: bool,
    registry: String,
    tag: String,
    namespace: String,
    forwards: Vec<Child>,
    folder: TempDir,
}

impl Cluster {
    /// Takes the cluster of `KUBECONFIG`, else starts its own with freshly built images, and makes
    /// a namespace that enforces restricted Pod Security.
    ///
    /// # Errors
    /// When the cluster or an image is not available.
    pub async fn start() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("no repository")?;
        let own_config = state(root).join("kubeconfig");
        let given = setting("KUBECONFIG").map(PathBuf::from);
        let folder = tempfile::tempdir()?;
        let mut cluster = Self {
            root: root.to_owned(),
            own: given
                .as_ref()
                .is_none_or(|given| same_file(given, &own_config)),
            kubeconfig: given.unwrap_or(own_config),
            ends: false,
            registry: "localhost".to_owned(),
            tag: "cluster-test".to_owned(),
            namespace: format!("kt-test-{}", std::process::id()),
            forwards: Vec::new(),
            folder,
        };
        if cluster.own {
            cluster.bring_up().await?;
        } else {
            let (Some(registry), Some(tag)) = (setting("IMAGE_REGISTRY"), setting("IMAGE_TAG"))
            else {
                bail!(
                    "with KUBECONFIG set, IMAGE_REGISTRY and IMAGE_TAG must say where the images are"
                );
            };
            (cluster.registry, cluster.tag) = (registry, tag);
        }
        cluster.make_namespace().await?;
        Ok(cluster)
    }

    async fn bring_up(&mut self) -> Result<()> {
        let was_up = self
            .script("tests/cluster/component", &["kube-apiserver", "pid"])
            .await
            .is_ok();
        self.ends = !was_up && setting("KEEP_CLUSTER").is_none();
        if !was_up {
            // An operator that a killed run left behind would write to the objects of this one.
            self.script("tests/cluster/down", &["--purge"]).await?;
        }
        self.script("tests/cluster/build", &[]).await?;
        self.script("tests/cluster/health", &[]).await?;
        self.script("tests/cluster/up", &[]).await?;
        self.script("images/build", &[]).await?;
        let images = PROGRAMS.map(|program| format!("localhost/{program}:{}", self.tag));
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        self.script("tests/cluster/load", &images).await?;
        Ok(())
    }

    async fn make_namespace(&self) -> Result<()> {
        let namespace = self.namespace.clone();
        self.kubectl(&["create", "namespace", &namespace]).await?;
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl(&["label", "namespace", &namespace, restricted])
            .await
            .map(drop)
    }

    /// Removes the namespace, and ends the cluster if the test started it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub async fn end(mut self) -> Result<()> {
        for forward in &mut self.forwards {
            forward.kill().await?;
        }
        let (namespace, second) = (self.namespace.clone(), self.second_namespace());
        let arguments = ["delete", "namespace", &namespace, &second];
        let patience = ["--ignore-not-found", "--timeout=120s"];
        self.kubectl(&[&arguments[..], &patience].concat()).await?;
        if self.ends {
            self.script("tests/cluster/down", &[]).await?;
        }
        Ok(())
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A second namespace, to be created by the test; it is removed with the first.
    #[must_use]
    pub fn second_namespace(&self) -> String {
        format!("{}-more", self.namespace)
    }

    /// Its kubeconfig, if it is this repository's cluster.
    #[must_use]
    pub fn own_kubeconfig(&self) -> Option<&Path> {
        self.own.then_some(self.kubeconfig.as_path())
    }

    /// The ends of its components' logs, if it is this repository's cluster.
    #[must_use]
    pub fn component_logs(&self, lines: usize) -> String {
        let folder = state(&self.root).join("logs");
        let mut text = String::new();
        for name in COMPONENTS.iter().filter(|_| self.own) {
            let file = folder.join(format!("{name}.log"));
            let log = std::fs::read(&file).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let skipped = log.lines().count().saturating_sub(lines);
            let end: Vec<&str> = log.lines().skip(skipped).collect();
            text = format!("{text}--- {}\n{}\n", file.display(), end.join("\n"));
        }
        text
    }

    /// Starts or stops a component, if the cluster is this repository's; else `None`.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn component(&self, name: &str, action: &str) -> Result<Option<()>> {
        if !self.own {
            return Ok(None);
        }
        self.script("tests/cluster/component", &[name, action])
            .await?;
        Ok(Some(()))
    }

    /// The folder in which the kubelet has an account's assignment, as its pod sees it; only on the cluster that it has started.
    ///
    /// # Errors
    /// When there is no such pod.
    pub async fn assignment_folder(&self, account: &str) -> Result<PathBuf> {
        let pod = self.get(&["pod", &format!("kt-{account}-0")]).await?;
        let uid = pod["metadata"]["uid"].as_str().context("no uid")?;
        let volumes = format!("kubelet/pods/{uid}/volumes/kubernetes.io~configmap/assignment");
        Ok(state(&self.root).join(volumes))
    }

    /// The image of one of the programs.
    #[must_use]
    pub fn image(&self, program: &str) -> String {
        format!("{}/{program}:{}", self.registry, self.tag)
    }

    /// The audit log of the API server, if it can be read.
    #[must_use]
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.own
            .then(|| state(&self.root).join("logs").join("audit.log"))
    }

    /// Helm values that name the images.
    #[must_use]
    pub fn image_values(&self) -> Vec<String> {
        let of = |prefix: &str, program: &str| {
            [
                format!("{prefix}image.repository={}/{program}", self.registry),
                format!("{prefix}image.tag={}", self.tag),
            ]
        };
        [
            of("", "kite-operator"),
            of("ingestor.", "kite-ingestor"),
            of("simulator.", "kite-simulator"),
        ]
        .concat()
    }

    /// A path in the repository.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Runs a shell line at the repository's root, with the programs that were already built for
    /// the images.
    ///
    /// # Errors
    /// When it fails, with its output.
    pub async fn shell(&self, line: &str) -> Result<String> {
        let target = setting("CARGO_TARGET_DIR").unwrap_or_else(|| "target".to_owned());
        let built = format!("{target}/x86_64-unknown-linux-gnu/image");
        let output = Command::new("bash")
            .args(["-euc", line])
            .current_dir(&self.root)
            .env("BIN_DIR", setting("BIN_DIR").unwrap_or(built))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        said(&output, "bash", &[line])
    }

    /// Runs a command of the documents at the repository's root, in this namespace in place of `ticker`, with the tools
    /// that tests use.
    ///
    /// # Errors
    /// When it fails, with its output.
    pub async fn documented(&self, command: &str) -> Result<String> {
        let namespace = format!("--namespace {}", self.namespace);
        let line = command.replace("--namespace ticker", &namespace);
        let tools = state(&self.root).join("bin");
        let path = setting("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &line])
            .current_dir(&self.root)
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_CACHE_HOME", self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        said(&output, "bash", &[&line])
    }

    /// Runs kubectl in the namespace and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with its output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.tool("kubectl").args(arguments).output().await?;
        said(&output, "kubectl", arguments)
    }

    /// The result of `kubectl get … -o json`.
    ///
    /// # Errors
    /// When it fails.
    pub async fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self
            .kubectl(&[&["get", "-o", "json"], arguments].concat())
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Applies manifests like a user with big lists.
    ///
    /// # Errors
    /// When they are rejected.
    pub async fn apply(&self, manifests: &str) -> Result<String> {
        self.apply_in(&self.namespace, manifests).await
    }

    /// As [`Cluster::apply`], in another namespace.
    ///
    /// # Errors
    /// When they are rejected.
    pub async fn apply_in(&self, namespace: &str, manifests: &str) -> Result<String> {
        let arguments = [
            "apply",
            "--server-side",
            "-f",
            "-",
            "--namespace",
            namespace,
        ];
        let mut child = self
            .tool("kubectl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no stdin")?;
        input.write_all(manifests.as_bytes()).await?;
        drop(input);
        said(&child.wait_with_output().await?, "kubectl", &arguments)
    }

    /// What the evaluators of GitOps tools say of an object; `asked` is described in
    /// `tests/cluster/tools/health`.
    ///
    /// # Errors
    /// When an expression cannot be evaluated.
    pub async fn health(&self, asked: &Value) -> Result<Value> {
        let mut child = Command::new(state(&self.root).join("bin/health"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("no stdin")?;
        input.write_all(asked.to_string().as_bytes()).await?;
        drop(input);
        let text = said(&child.wait_with_output().await?, "health", &[])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Runs helm in the namespace.
    ///
    /// # Errors
    /// When it fails, with its output.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let output = self.tool("helm").args(arguments).output().await?;
        said(&output, "helm", arguments)
    }

    /// The cluster IP of a Service: tests run outside the cluster's name resolution.
    ///
    /// # Errors
    /// When there is no such Service.
    pub async fn cluster_ip(&self, service: &str) -> Result<String> {
        let service = self.get(&["service", service]).await?;
        Ok(service["spec"]["clusterIP"]
            .as_str()
            .context("no cluster IP")?
            .to_owned())
    }

    /// An address at which this machine reaches a Service: it has been connected to.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// # Panics
    /// When nothing accepts a connection there.
    pub async fn reach(&mut self, service: &str, port: u16) -> Result<SocketAddr> {
        if self.own {
            let address = format!("{}:{port}", self.cluster_ip(service).await?).parse()?;
            connectable(service, address).await;
            return Ok(address);
        }
        let mut child = self
            .tool("kubectl")
            .args([
                "port-forward",
                &format!("service/{service}"),
                &format!(":{port}"),
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let line = lines.next_line().await?.context("port-forward ended")?;
        let address = line
            .split_whitespace()
            .nth(2)
            .context("port-forward named no address")?
            .parse()?;
        // The pipe has to stay open while the port is forwarded.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.forwards.push(child);
        Ok(address)
    }

    /// A tool of the repository's cluster if it exists, else from the PATH.
    fn tool(&self, name: &str) -> Command {
        let built = state(&self.root).join("bin").join(name);
        let mut command = if built.exists() {
            Command::new(built)
        } else {
            Command::new(name)
        };
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["--namespace", &self.namespace]);
        command
            .env("HELM_CACHE_HOME", self.folder.path())
            .kill_on_drop(true);
        command
    }

    async fn script(&self, path: &str, arguments: &[&str]) -> Result<String> {
        let output = Command::new(self.root.join(path))
            .args(arguments)
            .env("TAG", &self.tag)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{path} cannot be run"))?;
        said(&output, path, arguments)
    }
}

/// Waits until `service` accepts a connection. Its pods are Ready before kube-proxy has read so:
/// until then the address refuses connections, or drops them.
async fn connectable(service: &str, address: SocketAddr) {
    eventually(&format!("{service} accepts a connection"), async || {
        timeout(Duration::from_secs(1), TcpStream::connect(address)).await?
    })
    .await;
}

fn said(output: &Output, program: &str, arguments: &[&str]) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{errors}{text}",
        arguments.join(" "),
        output.status
    );
    Ok(text)
}

fn state(root: &Path) -> PathBuf {
    setting("CLUSTER_STATE").map_or_else(|| root.join(".state/cluster"), PathBuf::from)
}

fn setting(name: &str) -> Option<String> {
    std::env::var_os(name)?
        .into_string()
        .ok()
        .filter(|value| !value.is_empty())
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize()
        .is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}
