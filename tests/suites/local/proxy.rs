//! Behind the proxy of a company, which opens TLS: the instruments list and the sockets take it.

use anyhow::Result;
use tests::proxy_server::opens_tls;
use tests::{Local, ProxyServer, RedisServer, Simulator, Ticks};

/// A name that only the proxy can resolve.
const HOST: &str = "kite.invalid";

const NIFTY: u64 = 256_265;

#[tokio::test]
async fn the_list_and_the_sockets_take_the_proxy_of_the_environment() -> Result<()> {
    service::tls::install();
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let (authority, config) = opens_tls(HOST);
    let proxy = ProxyServer::start(simulator.address(), Some(config)).await;
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    let authorities = tempfile::NamedTempFile::new()?;
    std::fs::write(authorities.path(), &authority)?;
    local.set_variable("HTTPS_PROXY", &proxy.url());
    local.set_variable("NO_PROXY", "kite.trade");
    local.set_variable("SSL_CERT_FILE", &authorities.path().to_string_lossy());
    local.write_secret("demo", "demo-fake-token")?;
    let account = |ca: &str| {
        let account = serde_json::json!({
            "apiVersion": "kiteticker.dev/v1alpha1",
            "kind": "TickerAccount",
            "metadata": {"name": "demo"},
            "spec": {
                "credentialsSecretRef": {"name": "demo"},
                "mock": true,
                "endpoint": {
                    "websocket": format!("wss://{HOST}:7"), "api": format!("https://{HOST}:7"), "ca": ca,
                },
            },
        });
        account.to_string()
    };
    local.write("account-demo.yaml", &account(&authority))?;
    local.write_set("indices", "full", &["NSE:NIFTY 50"], "")?;
    local.start()?;
    assert_eq!(ticks.tick_of(NIFTY).await.tick["src"], "demo");
    local.shows("demo", "True", "Streaming").await;
    let asked = proxy.asked();
    let tunnel = format!("CONNECT {HOST}:7 HTTP/1.1");
    assert!(
        asked.len() >= 2 && asked.iter().all(|it| *it == tunnel),
        "{asked:?}"
    );

    // What is no certificate is said, and what streams goes on.
    local.write(
        "account-demo.yaml",
        &account("-----BEGIN CERTIFICATE-----\nx"),
    )?;
    local.shows("demo", "False", "Invalid").await;
    ticks.next(5).await;
    Ok(())
}
