//! Kite's login page as a browser uses it, without one.

use anyhow::{Context, Result, ensure};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, redirect};

/// A client that follows no redirect.
///
/// # Errors
/// When it cannot be set up.
pub fn browser() -> Result<Client> {
    let client = Client::builder().redirect(redirect::Policy::none());
    Ok(client.no_proxy().build()?)
}

/// Logs in at the page of `link` as `user`; returns where the browser is sent back to.
///
/// # Errors
/// When there is no such page.
pub async fn log_in(browser: &Client, link: &str, user: &str) -> Result<String> {
    let page = browser.get(link).send().await?;
    ensure!(page.status() == StatusCode::OK, "{page:?}");
    let (address, query) = link.split_once('?').context("a link without a query")?;
    let mut form = pairs(query);
    for (name, value) in [("user_id", user), ("password", "any"), ("totp", "1")] {
        form.push((name.to_owned(), value.to_owned()));
    }
    let answer = browser.post(address).form(&form).send().await?;
    location(&answer)
}

/// Where an answer sends the browser.
///
/// # Errors
/// When it sends it nowhere.
pub fn location(answer: &Response) -> Result<String> {
    let location = answer.headers().get(LOCATION);
    let location = location.with_context(|| format!("no redirect: {answer:?}"))?;
    Ok(location.to_str()?.to_owned())
}

/// Names and values of a query, decoded once.
#[must_use]
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}"));
    let pairs = url.iter().flat_map(|url| url.query_pairs());
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
