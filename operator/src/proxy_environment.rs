//! The proxy to Kite that the environment names: `HTTPS_PROXY` and `NO_PROXY`, in either case.
//!
//! Owns how they are read. The operator's own requests obey them by themselves.

use service::proxy::{InvalidProxy, NoProxy, Proxy};

use crate::plan::DefaultProxy;

/// Reads the variables.
///
/// # Errors
/// When ingest processes cannot use the proxy: its login would stand in every assignment.
pub fn read(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<DefaultProxy>, InvalidProxy> {
    let either = |name: &str| {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        set(name).or_else(|| set(&name.to_lowercase()))
    };
    let Some(url) = either("HTTPS_PROXY") else {
        return Ok(None);
    };
    Ok(Some(DefaultProxy {
        proxy: Proxy::parse(url.trim())?,
        except: NoProxy::parse(&either("NO_PROXY").unwrap_or_default()),
    }))
}

/// As [`read`], from this process' environment; what cannot be used is logged.
#[must_use]
pub fn of_process() -> Option<DefaultProxy> {
    match read(|name| std::env::var(name).ok()) {
        Ok(proxy) => proxy,
        Err(error) => {
            tracing::warn!(
                "HTTPS_PROXY is not used for ingest processes: {error}; set spec.endpoint.proxy of accounts that need one"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Option<DefaultProxy>, InvalidProxy> {
        read(|name| {
            let mut pairs = pairs.iter();
            let found = pairs.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn either_case_is_read_and_nothing_is_nothing() {
        assert_eq!(from(&[]), Ok(None));
        assert_eq!(from(&[("HTTPS_PROXY", " ")]), Ok(None));
        let upper = from(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", ".svc")]);
        let lower = from(&[("https_proxy", "p:1"), ("no_proxy", "svc")]);
        assert_eq!(upper, lower);
        let proxy = upper.unwrap().unwrap();
        assert_eq!(proxy.proxy.to_string(), "http://p:1");
        assert!(proxy.except.covers("sim.ticker.svc", 443));
    }

    #[test]
    fn a_login_does_not_reach_assignments() {
        let refused = from(&[("HTTPS_PROXY", "http://me:hunter2@p:1")]);
        assert_eq!(refused, Err(InvalidProxy::UserInfo));
    }
}
