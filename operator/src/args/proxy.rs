//! The proxy to Kite of accounts that name none.
//!
//! Owns how its settings are read. The operator's own requests obey the variables by themselves.

use std::ffi::OsString;

use clap::Args;
use service::proxy::{InvalidProxy, NoProxy, Proxy};

use crate::plan::DefaultProxy;

/// The proxy to Kite of ingest processes.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyArgs {
    /// Proxy through which ingest processes reach Kite, unless their account names another:
    /// http://HOST:PORT; the variable is obeyed by the operator's requests too
    #[arg(long, env = either("https_proxy", "HTTPS_PROXY"), value_name = "URL", hide_env_values = true)]
    pub https_proxy: Option<String>,
    /// Hosts that need no proxy: names with their subdomains, addresses and networks, separated by
    /// commas
    #[arg(long, env = either("no_proxy", "NO_PROXY"), value_name = "HOSTS")]
    pub no_proxy: Option<String>,
}

/// The proxy cannot be used. The message does not repeat it, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--https-proxy (https_proxy, HTTPS_PROXY) cannot be used by ingest processes: {0}. Accounts name another one in \
     spec.endpoint.proxy; with `--https-proxy=` those that name none dial directly"
)]
pub struct UnusableProxy(InvalidProxy);

/// The variable that is read: the lower-case one if it has a value, as other programs do.
fn either(lower: &'static str, upper: &'static str) -> &'static str {
    first(lower, upper, |name| std::env::var_os(name))
}

fn first<'a>(lower: &'a str, upper: &'a str, value: impl Fn(&str) -> Option<OsString>) -> &'a str {
    match value(lower) {
        Some(text) if !text.is_empty() => lower,
        _ => upper,
    }
}

impl ProxyArgs {
    /// The proxy, if there is one.
    ///
    /// # Errors
    /// When ingest processes cannot use it: they would go around it.
    pub fn read(&self) -> Result<Option<DefaultProxy>, UnusableProxy> {
        let set = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
        let (url, except) = (set(&self.https_proxy), set(&self.no_proxy));
        if url.is_empty() {
            return Ok(None);
        }
        Ok(Some(DefaultProxy {
            proxy: Proxy::parse(&url).map_err(UnusableProxy)?,
            except: NoProxy::parse(&except),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(https: &str, no: &str) -> Result<Option<DefaultProxy>, UnusableProxy> {
        let args = ProxyArgs {
            https_proxy: Some(https.to_owned()),
            no_proxy: Some(no.to_owned()),
        };
        args.read()
    }

    #[test]
    fn a_proxy_comes_with_its_exceptions_and_nothing_is_nothing() {
        assert_eq!(ProxyArgs::default().read(), Ok(None));
        assert_eq!(of(" ", "x"), Ok(None));
        let proxy = of("http://p:1", ".svc").unwrap().unwrap();
        assert_eq!(proxy.proxy.to_string(), "http://p:1");
        assert!(proxy.except.covers("sim.ticker.svc", 443));
    }

    #[test]
    fn a_login_does_not_reach_assignments() {
        let refused = of("http://me:hunter2@p:1", "");
        assert_eq!(refused, Err(UnusableProxy(InvalidProxy::UserInfo)));
    }

    #[test]
    fn what_cannot_be_used_stops_the_start_and_says_what_can() {
        for url in [
            "socks5://p:1",
            "https://p:1",
            "p:x",
            "http://me:hunter2@p:1",
        ] {
            let refused = of(url, "").unwrap_err();
            let said = service::exit::chain(&refused).to_string();
            assert_eq!(said.matches("http://HOST").count(), 1, "{said}");
            assert!(
                said.starts_with("--https-proxy (https_proxy, HTTPS_PROXY)"),
                "{said}"
            );
            assert!(said.contains("http://HOST[:PORT]"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_lower_case_variable_comes_first_if_it_says_something() {
        let named = |value: Option<&str>| {
            let value = value.map(OsString::from);
            first("a_proxy", "A_PROXY", |name| {
                value.clone().filter(|_| name == "a_proxy")
            })
        };
        assert_eq!(named(Some("http://p:1")), "a_proxy");
        assert_eq!([named(None), named(Some(""))], ["A_PROXY"; 2]);
    }
}
