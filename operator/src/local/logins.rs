//! The login without a cluster: where browsers come back to, and the tasks behind it.
//!
//! Owns the choice of the address. What a login does is in [`crate::login`].

use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Client;
use service::http::{BindError, Server};
use service::signal::Shutdown;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Run;
use super::login_store::LocalLogins;
use crate::args::LoginListen;
use crate::login::{self, LinkMaker, LoginCounter, LoginParts, WebhookCounter, Webhooks};

/// The usual address: the redirect URL of an app at Kite names it.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_402);

/// Listens for browsers; `None`: there is no login. Another run on this machine may have the usual address.
///
/// # Errors
/// When an address that was named cannot be taken.
pub(super) fn server(named: Option<LoginListen>) -> Result<Option<Server>, BindError> {
    match named {
        Some(LoginListen(address)) => address
            .map(|address| Server::bind_as(address, "--login-listen"))
            .transpose(),
        None => match Server::bind(USUAL) {
            Ok(server) => Ok(Some(server)),
            Err(error) => {
                let why = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(
                    "there is no login, name another address than {USUAL} with --login-listen: {why}"
                );
                Ok(None)
            }
        },
    }
}

/// The tasks of the login.
pub(super) struct Logins {
    pub(super) webhooks: Webhooks,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Logins {
    /// Starts them. `changes` is told of what a pass should look at.
    pub(super) fn start(
        run: &Run,
        server: Option<Server>,
        client: Client,
        changes: &Arc<Notify>,
        shutdown: &Shutdown,
    ) -> Self {
        let store = Arc::new(LocalLogins {
            secrets: run.host.local_secrets.clone(),
            key: run.host.login_key(),
            session: Box::new(run.host.sessions()),
        });
        let counter = WebhookCounter::default();
        let (webhooks, sender) = Webhooks::new(Arc::clone(&store), client.clone(), counter);
        let mut tasks = vec![tokio::spawn(sender.run(shutdown.token()))];
        if let Some(server) = server {
            let link_maker = LinkMaker {
                links: Arc::clone(&run.host.links),
                store: Arc::clone(&store),
                clock: run.clock.clone(),
                dirty: Arc::clone(changes),
            };
            tasks.push(tokio::spawn(link_maker.run(shutdown.token())));
            let router = login::router(LoginParts {
                store,
                client,
                clock: run.clock.clone(),
                snapshots: run.feed.snapshots(),
                counter: LoginCounter::default(),
                written: Arc::clone(changes),
            });
            tracing::info!(address = %server.local_addr(), "logins are taken");
            tasks.push(tokio::spawn(server.serve(router, shutdown.token())));
        }
        Self { webhooks, tasks }
    }
}
