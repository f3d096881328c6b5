//! The proxy to Kite of accounts that name none.
//!
//! Owns how its settings are read. The operator's own requests obey the variables by themselves.

use clap::Args;
use service::proxy::{InvalidProxy, NoProxy, Proxy};

use crate::plan::DefaultProxy;

/// The proxy to Kite of ingest processes.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyArgs {
    /// Proxy through which ingest processes reach Kite, unless their account names another:
    /// http://HOST:PORT; the variable is obeyed by the operator's requests too
    #[arg(long, env = "HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    pub https_proxy: Option<String>,
    /// Hosts that need no proxy: names with their subdomains, addresses and networks, separated by
    /// commas
    #[arg(long, env = "NO_PROXY", value_name = "HOSTS")]
    pub no_proxy: Option<String>,
}

impl ProxyArgs {
    /// The proxy. One that ingest processes cannot use is logged and left out: its login would
    /// stand in every assignment.
    #[must_use]
    pub fn read(&self) -> Option<DefaultProxy> {
        self.parse().unwrap_or_else(|error| {
            tracing::warn!(
                "HTTPS_PROXY is not used for ingest processes: {error}; set spec.endpoint.proxy of accounts that need one"
            );
            None
        })
    }

    fn parse(&self) -> Result<Option<DefaultProxy>, InvalidProxy> {
        let set = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
        let (url, except) = (set(&self.https_proxy), set(&self.no_proxy));
        if url.is_empty() {
            return Ok(None);
        }
        Ok(Some(DefaultProxy {
            proxy: Proxy::parse(&url)?,
            except: NoProxy::parse(&except),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(https: &str, no: &str) -> Result<Option<DefaultProxy>, InvalidProxy> {
        let args = ProxyArgs {
            https_proxy: Some(https.to_owned()),
            no_proxy: Some(no.to_owned()),
        };
        args.parse()
    }

    #[test]
    fn a_proxy_comes_with_its_exceptions_and_nothing_is_nothing() {
        assert_eq!(ProxyArgs::default().parse(), Ok(None));
        assert_eq!(of(" ", "x"), Ok(None));
        let proxy = of("http://p:1", ".svc").unwrap().unwrap();
        assert_eq!(proxy.proxy.to_string(), "http://p:1");
        assert!(proxy.except.covers("sim.ticker.svc", 443));
    }

    #[test]
    fn a_login_does_not_reach_assignments() {
        let refused = of("http://me:hunter2@p:1", "");
        assert_eq!(refused, Err(InvalidProxy::UserInfo));
    }
}
