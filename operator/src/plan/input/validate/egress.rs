//! The way out to Kite: what an account says, or else the operator's environment.
//!
//! Owns the checks, and which of the two holds.

use contract::Egress;
use crds::account::Endpoint;
use service::address::Address;
use service::proxy::Proxy;
use service::tls::Roots;

use super::invalid;
use crate::plan::input::observed::{DefaultProxy, InvalidSpec};

/// The way out of an account whose WebSocket origin is `websocket`.
pub(super) fn of(
    endpoint: &Endpoint,
    websocket: &str,
    default: Option<&DefaultProxy>,
) -> Result<Egress, InvalidSpec> {
    let own = endpoint.proxy.as_deref().map(Proxy::parse).transpose();
    let own = own.map_err(|error| invalid("spec.endpoint.proxy", &error.to_string()))?;
    if let Some(ca) = &endpoint.ca {
        Roots::from_pem(ca.as_bytes())
            .map_err(|error| invalid("spec.endpoint.ca", &format!("holds {error}")))?;
    }
    let proxy = own.or_else(|| by_default(websocket, default?));
    Ok(Egress {
        proxy: proxy.map(|proxy| proxy.to_string()),
        ca: endpoint.ca.clone(),
    })
}

/// `HTTPS_PROXY` is about connections with TLS.
fn by_default(websocket: &str, default: &DefaultProxy) -> Option<Proxy> {
    let authority = websocket.strip_prefix("wss://")?;
    let address = Address::parse(authority, 443, true)?;
    let direct = default.except.covers(&address.host, address.port);
    (!direct).then(|| default.proxy.clone())
}

#[cfg(test)]
mod tests {
    use service::proxy::NoProxy;

    use super::*;

    fn default() -> DefaultProxy {
        DefaultProxy {
            proxy: Proxy::parse("http://corporate:3128").unwrap(),
            except: NoProxy::parse(".svc"),
        }
    }

    fn proxy_of(
        own: Option<&str>,
        websocket: &str,
        default: Option<&DefaultProxy>,
    ) -> Option<String> {
        let endpoint = Endpoint {
            proxy: own.map(str::to_owned),
            ..Endpoint::default()
        };
        of(&endpoint, websocket, default).unwrap().proxy
    }

    #[test]
    fn an_account_comes_before_the_environment() {
        let (kite, default) = ("wss://ws.kite.trade", default());
        let own = proxy_of(Some("http://mine:1"), kite, Some(&default));
        assert_eq!(own.as_deref(), Some("http://mine:1"));
        let corporate = proxy_of(None, kite, Some(&default));
        assert_eq!(corporate.as_deref(), Some("http://corporate:3128"));
        assert_eq!(proxy_of(None, kite, None), None);
    }

    #[test]
    fn the_environment_is_about_tls_and_has_exceptions() {
        let default = default();
        for direct in ["ws://ws.kite.trade", "wss://sim.ticker.svc:7070"] {
            assert_eq!(proxy_of(None, direct, Some(&default)), None, "{direct}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_without_being_repeated() {
        let refused = |endpoint: &Endpoint| {
            let refused = of(endpoint, "wss://ws.kite.trade", None);
            refused.unwrap_err().to_string()
        };
        let message = refused(&Endpoint {
            proxy: Some("http://me:hunter2@proxy:1".to_owned()),
            ..Endpoint::default()
        });
        assert!(message.starts_with("spec.endpoint.proxy"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        let message = refused(&Endpoint {
            ca: Some("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n".to_owned()),
            ..Endpoint::default()
        });
        assert!(message.starts_with("spec.endpoint.ca"), "{message}");
    }
}
