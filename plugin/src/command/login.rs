//! `login`: the link with which the user of an account logs in at Kite, and the wait until the account is ready.
//!
//! Owns what is printed, and the port-forward to the operator, to which the browser comes back. There is no automated login:
//! Kite's terms and its second factor want a person.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::args::{LoginArgs, ObjectKind, PlaceArgs};
use crate::error::AskError;
use crate::output::Screen;
use crate::source::{LoginView, Source};

/// Where the browser comes back to, by the redirect URL that the documents give.
const CALLBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_402);

/// How often the account is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How many looks an operator may take to make a link.
const LINK: u32 = 15;

/// So many looks may fail in a row: the API server may be away for a moment.
const FAILURES: u32 = 30;

/// How a login went.
#[derive(Serialize)]
struct Ended {
    account: String,
    login_url: Option<String>,
    ready: bool,
    reason: String,
}

/// Who is to log in.
struct Login<'a> {
    source: &'a Source,
    namespace: &'a str,
    account: &'a str,
}

pub(crate) async fn run(
    source: &Source,
    screen: &Screen,
    place: &PlaceArgs,
    args: &LoginArgs,
) -> anyhow::Result<()> {
    let object = &args.account;
    ensure!(
        object.kind == ObjectKind::Account,
        "logins are of accounts: name one, tka/NAME"
    );
    let namespace = source.namespace().context(
        "one account is in one namespace: name it with --namespace instead of --all-namespaces",
    )?;
    let login = Login {
        source,
        namespace,
        account: &object.name,
    };
    let Some(url) = login.link().await? else {
        let view = login.look().await?;
        let ended = view.ended(login.account, None);
        return screen.print(&ended, |ended, _| {
            format!("{} needs no login: {}\n", ended.account, ended.reason)
        });
    };
    screen.say(&format!("log in at\n{url}\n"))?;
    let mut forward = Forward::start(source, screen, place, args).await?;
    if args.open {
        open(&url)?;
    }
    screen.say(
        "waiting until the account has the new session (Ctrl-C ends the wait, not the login)\n",
    )?;
    let view = login.wait(&mut forward).await?;
    let ended = view.ended(login.account, Some(url));
    screen.print(&ended, |ended, _| {
        format!("{} is logged in: {}\n", ended.account, ended.reason)
    })
}

impl Login<'_> {
    async fn look(&self) -> Result<LoginView, AskError> {
        self.source.login(self.namespace, self.account).await
    }

    /// The link; `None` if no login is needed.
    async fn link(&self) -> anyhow::Result<Option<String>> {
        let mut view = self.look().await?;
        for _ in 0..LINK {
            if view.url.is_some() {
                return Ok(view.url);
            }
            if !view.needs_login {
                return match &view.wrong {
                    Some(wrong) => bail!("a login is no cure: {wrong}"),
                    None => Ok(None),
                };
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
            view = self.look().await?;
        }
        bail!(
            "no link is offered: that happens from 07:35 in India on, on days on which a market of the account opens, until its \
             last session ends ({})",
            view.wrong.unwrap_or_default()
        )
    }

    /// Waits until the account has another session.
    async fn wait(&self, forward: &mut Forward) -> anyhow::Result<LoginView> {
        let mut failures = 0;
        loop {
            match self.look().await {
                Ok(view) if view.url.is_none() && view.is_settled() => return Ok(view),
                Ok(_) => failures = 0,
                Err(error) if failures == FAILURES => return Err(error.into()),
                Err(_) => failures += 1,
            }
            forward.check().await?;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

impl LoginView {
    fn ended(&self, account: &str, url: Option<String>) -> Ended {
        Ended {
            account: account.to_owned(),
            login_url: url,
            ready: self.ready.as_ref().is_some_and(|it| it.status == "True"),
            reason: self.ready.as_ref().map_or_else(String::new, |ready| {
                match ready.message.is_empty() {
                    true => ready.reason.clone(),
                    false => format!("{}, {}", ready.reason, ready.message),
                }
            }),
        }
    }

    /// Whether it is known how the account is.
    fn is_settled(&self) -> bool {
        !self.needs_login && self.ready.as_ref().is_some_and(|it| it.status != "Unknown")
    }
}

/// A port-forward to the operator of a cluster, if one is needed; it ends with this.
struct Forward(Option<Child>);

impl Forward {
    async fn start(
        source: &Source,
        screen: &Screen,
        place: &PlaceArgs,
        args: &LoginArgs,
    ) -> anyhow::Result<Self> {
        let Some((namespace, service)) = source.login_service().await? else {
            return Ok(Self(None));
        };
        if args.no_port_forward {
            return Ok(Self(None));
        }
        if std::net::TcpListener::bind(CALLBACK).is_err() {
            screen.say(&format!(
                "{CALLBACK} is taken: the browser comes back to whoever listens there\n"
            ))?;
            return Ok(Self(None));
        }
        let mut command = Command::new("kubectl");
        command
            .args(["port-forward", "--namespace", &namespace])
            .arg(format!("service/{service}"))
            .arg(format!("{}:login", CALLBACK.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(context) = &place.context {
            command.args(["--context", context]);
        }
        if let Some(kubeconfig) = &place.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        let child = command.spawn();
        let child = child.with_context(|| {
            format!(
                "kubectl cannot be run for the port-forward: run `kubectl --namespace {namespace} port-forward \
                 service/{service} {}:login` yourself, with --no-port-forward here",
                CALLBACK.port()
            )
        })?;
        Ok(Self(Some(child)))
    }

    /// Fails if it has ended, with what kubectl said.
    async fn check(&mut self) -> anyhow::Result<()> {
        let Some(child) = &mut self.0 else {
            return Ok(());
        };
        if child.try_wait()?.is_none() {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(mut errors) = child.stderr.take() {
            // What cannot be read says nothing.
            drop(errors.read_to_string(&mut said).await);
        }
        bail!(
            "the port-forward to the operator has ended: it needs get on services and pods, and create on pods/portforward ({})",
            said.trim()
        )
    }
}

/// Hands the link to the desktop.
fn open(url: &str) -> anyhow::Result<()> {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = std::process::Command::new(program);
    command.arg(url).stdout(Stdio::null()).stderr(Stdio::null());
    let spawned = command.spawn();
    spawned
        .map(drop)
        .with_context(|| format!("{program} cannot be run: open the link yourself, without --open"))
}
