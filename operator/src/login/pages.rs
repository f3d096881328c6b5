//! The pages that a browser gets.
//!
//! Owns how they look, and the headers that keep what is in their addresses from everybody else. Nothing of a query stands in
//! one.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.4rem}button{font:inherit;padding:.5rem 1rem}code{background:#eef1f4;padding:.1rem .3rem}\
@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#15181c}code{background:#262b31}}";

/// How often the page of a login that is under way loads itself again, in seconds.
const REFRESH: &str = "2";

/// A page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    status: StatusCode,
    title: String,
    text: Vec<String>,
    /// Where a button leads, and what it says.
    button: Option<(String, &'static str)>,
    refreshes: bool,
}

impl Page {
    pub(super) fn new(status: StatusCode, title: &str) -> Self {
        Self {
            status,
            title: title.to_owned(),
            text: Vec::new(),
            button: None,
            refreshes: false,
        }
    }

    /// Adds a paragraph.
    pub(super) fn says(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    /// Adds a button that posts nothing to this path.
    pub(super) fn button(mut self, path: String, label: &'static str) -> Self {
        self.button = Some((path, label));
        self
    }

    /// Makes it load itself again after a while.
    pub(super) const fn refreshing(mut self) -> Self {
        self.refreshes = true;
        self
    }

    fn html(&self) -> String {
        let refresh = match self.refreshes {
            true => format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n"),
            false => String::new(),
        };
        let title = escape(&self.title);
        let text: String = self
            .text
            .iter()
            .map(|text| format!("<p>{}</p>\n", escape(text)))
            .collect();
        let button = self.button.as_ref().map_or_else(String::new, |it| {
            let (path, label) = (escape(&it.0), escape(it.1));
            format!("<form method=\"post\" action=\"{path}\"><button>{label}</button></form>\n")
        });
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{refresh}\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             {text}{button}</main>\n</body>\n</html>\n"
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, Html(self.html())).into_response();
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy()) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        private(&mut response);
        response
    }
}

/// Nobody keeps an answer, and nobody else learns the address that it is for.
pub(super) fn private(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn policy() -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_whatever_it_holds() {
        let page = Page::new(StatusCode::OK, "<script>")
            .says("a & \"b\" </p><script>")
            .button("/x\"y".to_owned(), "Go");
        let html = page.html();
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("a &amp; &quot;b&quot; &lt;/p&gt;"), "{html}");
        assert!(html.contains("action=\"/x&quot;y\""), "{html}");
    }

    #[test]
    fn nothing_is_kept_loaded_or_framed() {
        let response = Page::new(StatusCode::NOT_FOUND, "No").into_response();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.contains("frame-ancestors 'none'"));
    }
}
