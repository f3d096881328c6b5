//! Serves a metrics registry in OpenMetrics text and adds what every process has: its own usage and
//! its build.
//!
//! The binaries register their own metrics and keep the handles.

mod process;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
pub use prometheus_client::registry::Registry;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics`.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/metrics", get(render))
        .with_state(registry)
}

/// Adds `process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds` and
/// `process_start_time_seconds`, read from `/proc` at each scrape. To be given the root registry:
/// these names are a convention and carry no prefix.
pub fn register_process(registry: &mut Registry) {
    registry.register_collector(Box::new(process::ProcessCollector));
}

/// Adds `build_info{binary,version} 1` under the registry's prefix.
pub fn register_build(registry: &mut Registry, binary: &'static str, version: &'static str) {
    let labels = vec![("binary", binary), ("version", version)];
    registry.register("build", "The version of the binary", Info::new(labels));
}

async fn render(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::warn!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt as _;

    use super::*;

    async fn scrape(registry: Registry) -> (String, String) {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router(Arc::new(registry)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let kind = kind.to_owned();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (kind, String::from_utf8(body.to_vec()).unwrap())
    }

    fn value(text: &str, name: &str) -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in:\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let mut registry = Registry::default();
        let messages = Counter::<u64>::default();
        registry.register("messages", "Messages sent", messages.clone());
        register_build(
            registry.sub_registry_with_prefix("shell"),
            "test-binary",
            "1.2.3",
        );
        messages.inc_by(7);

        let (kind, text) = scrape(registry).await;
        assert_eq!(
            kind,
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        assert!(text.contains("\nmessages_total 7\n"), "{text}");
        assert!(
            text.contains("\nshell_build_info{binary=\"test-binary\",version=\"1.2.3\"} 1\n"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn the_process_describes_itself() {
        let mut registry = Registry::default();
        register_process(&mut registry);
        let (_, text) = scrape(registry).await;

        let resident = value(&text, "process_resident_memory_bytes");
        assert!((1e6..1e10).contains(&resident), "{resident}");
        assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
        assert!(value(&text, "process_open_fds") >= 3.0);
        let now = crate::clock::Clock::system().wall().as_second() as f64;
        let age = now - value(&text, "process_start_time_seconds");
        assert!((-2.0..600.0).contains(&age), "started {age} s ago");
    }
}
