//! `login`: the link with which the user of an account logs in at Kite, and the wait until the account is ready.
//!
//! Owns what is printed, and the port-forward to the operator, to which the browser comes back. There is no automated login:
//! Kite's terms and its second factor want a person.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tokio::process::{Child, Command};

use crate::args::{LoginArgs, ObjectKind, PlaceArgs};
use crate::output::Screen;
use crate::source::{LoginView, Source};

/// Where the browser comes back to, by the redirect URL that the documents give.
const CALLBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_402);

/// How often the account is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long an operator may take to make a link.
const LINK: u32 = 15;

/// How a login went.
#[derive(Serialize)]
struct Ended {
    account: String,
    login_url: Option<String>,
    ready: bool,
    reason: String,
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
    let name = object.name.as_str();
    let look = async || source.login(namespace, name).await;
    let Some(url) = link(&look).await? else {
        let view = look().await?;
        let ended = view.ended(name, None);
        return screen.print(&ended, |ended, _| {
            format!("{} needs no login: {}\n", ended.account, ended.reason)
        });
    };
    screen.say(&format!("log in at\n{url}\n"))?;
    let forwarded = forward(source, place, args).await?;
    if args.open {
        open(&url)?;
    }
    screen.say(
        "waiting until the account has the new session (Ctrl-C ends the wait, not the login)\n",
    )?;
    let view = loop {
        let view = look().await?;
        if view.url.is_none() && view.is_settled() {
            break view;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    };
    drop(forwarded);
    let ended = view.ended(name, Some(url));
    screen.print(&ended, |ended, _| {
        format!("{} is logged in: {}\n", ended.account, ended.reason)
    })
}

/// The link; `None` if no login is needed.
async fn link<E>(look: &impl AsyncFn() -> Result<LoginView, E>) -> anyhow::Result<Option<String>>
where
    anyhow::Error: From<E>,
{
    for _ in 0..LINK {
        let view = look().await?;
        if view.url.is_some() {
            return Ok(view.url);
        }
        if !view.needs_login {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    bail!(
        "a login is needed, and there is no link: before 07:35 in India on a trading day, and at night, none is offered; \
         by day see the log of the operator"
    )
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

/// Makes the operator of a cluster answer where the browser comes back to, unless somebody does already.
async fn forward(
    source: &Source,
    place: &PlaceArgs,
    args: &LoginArgs,
) -> anyhow::Result<Option<Child>> {
    let Some((namespace, service)) = source.login_service().await? else {
        return Ok(None);
    };
    let is_taken = std::net::TcpListener::bind(CALLBACK).is_err();
    if args.no_port_forward || is_taken {
        return Ok(None);
    }
    let mut command = Command::new("kubectl");
    command
        .args(["port-forward", "--namespace", &namespace])
        .arg(format!("service/{service}"))
        .arg(format!("{}:{}", CALLBACK.port(), "login"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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
            "kubectl cannot be run for the port-forward: run `kubectl --namespace {namespace} port-forward service/{service} \
             {}:login` yourself, with --no-port-forward here",
            CALLBACK.port()
        )
    })?;
    Ok(Some(child))
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
