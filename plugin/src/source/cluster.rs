//! An operator in a cluster, behind the API server's proxy.
//!
//! Owns the paths of the API server that are used, and which right each needs. Reads no Secret.

use contract::INGESTOR_PORT;
use http::{Method, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use super::{HttpAnswer, TIMEOUT};
use crate::args::PlaceArgs;
use crate::error::{AskError, status_message};

/// The labels of the operator's Service, as the chart writes them.
const OPERATOR: &str =
    "app.kubernetes.io%2Fname%3Dkite-ticker%2Capp.kubernetes.io%2Fcomponent%3Doperator";

/// The labels of the Service that browsers come back to, as the chart writes them.
const LOGIN: &str =
    "app.kubernetes.io%2Fname%3Dkite-ticker%2Capp.kubernetes.io%2Fcomponent%3Dlogin";

/// Its name in a release called `kite-ticker`.
const USUAL_LOGIN_SERVICE: &str = "kite-ticker-login";

/// The name of the operator's Service in a release called `kite-ticker`.
const USUAL_SERVICE: &str = "kite-ticker-operator";

/// The name of its port.
const PORT: &str = "http";

/// Objects per page of a list, and the most pages.
const PAGE: usize = 500;
const MOST_PAGES: usize = 40;

/// The most of a page of a list that is read, in bytes; etcd keeps objects of up to 1.5 megabytes.
const LARGEST_PAGE: usize = 128 * 1024 * 1024;

/// Objects of a resource.
#[derive(Debug, Default)]
pub(crate) struct ObjectList {
    pub(crate) objects: Vec<Value>,
    /// That there are more, if there are.
    pub(crate) cut: Option<String>,
}

/// The resources of our kinds.
pub(crate) const OWN_KINDS: [&str; 2] = ["tickeraccounts", "instrumentsets"];

/// An operator in a cluster.
pub(crate) struct ClusterOperator {
    client: Client,
    /// Of the accounts and sets; `None`: all.
    namespace: Option<String>,
    operator_namespace: String,
    service: String,
    /// Why the Service could not be looked for.
    unlisted: Option<String>,
}

impl ClusterOperator {
    /// Connects to the cluster and looks for the operator's Service.
    pub(crate) async fn new(place: &PlaceArgs) -> Result<Self, AskError> {
        let mut config = config(place).await?;
        config.connect_timeout = Some(TIMEOUT);
        config.read_timeout = Some(TIMEOUT);
        // Otherwise a person waits for a minute to hear that the operator does not run.
        config.default_retry = false;
        let own = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| AskError::Cluster(error.into()))?;
        let namespace = place.namespace.clone().unwrap_or_else(|| own.clone());
        let operator_namespace = place.operator_namespace.clone();
        let operator_namespace = operator_namespace.unwrap_or_else(|| namespace.clone());
        let mut cluster = Self {
            client,
            namespace: (!place.all_namespaces).then_some(namespace),
            operator_namespace,
            service: USUAL_SERVICE.to_owned(),
            unlisted: None,
        };
        cluster.find_service().await?;
        Ok(cluster)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn operator_namespace(&self) -> &str {
        &self.operator_namespace
    }

    /// Looks for the Service by its labels. Who may not list Services gets the usual name.
    async fn find_service(&mut self) -> Result<(), AskError> {
        let namespace = &self.operator_namespace;
        let path =
            format!("/api/v1/namespaces/{namespace}/services?labelSelector={OPERATOR}&limit=2");
        let answer = self.get(&path, LARGEST_PAGE).await?;
        if answer.status != 200 {
            self.unlisted = status_message(&answer.body);
            return Ok(());
        }
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let name = list
            .pointer("/items/0/metadata/name")
            .and_then(Value::as_str);
        if let Some(name) = name {
            self.service = name.to_owned();
        }
        Ok(())
    }

    /// Namespace and name of the Service that browsers come back to after a login.
    pub(super) async fn login_service(&self) -> Result<(String, String), AskError> {
        let namespace = &self.operator_namespace;
        let path = format!("/api/v1/namespaces/{namespace}/services?labelSelector={LOGIN}&limit=2");
        let answer = self.get(&path, LARGEST_PAGE).await?;
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let name = list
            .pointer("/items/0/metadata/name")
            .and_then(Value::as_str);
        let name = name.unwrap_or(USUAL_LOGIN_SERVICE);
        Ok((namespace.clone(), name.to_owned()))
    }

    /// Asks the operator.
    pub(super) async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        let (namespace, service) = (&self.operator_namespace, &self.service);
        let uri = format!("/api/v1/namespaces/{namespace}/services/{service}:{PORT}/proxy{path}");
        match body {
            None => self.get(&uri, most).await,
            Some(body) => self.request(Method::POST, &uri, body, most).await,
        }
    }

    /// A page of an account's pod.
    pub(super) async fn pod(
        &self,
        namespace: &str,
        account: &str,
        page: &str,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        let pod = crds::names::pod(account);
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{INGESTOR_PORT}/proxy{page}");
        let answer = self.get(&uri, most).await?;
        match (answer.status, status_message(&answer.body)) {
            (403, Some(message)) => Err(AskError::Forbidden {
                verb: "get",
                resource: "pods/proxy",
                place: format!("namespace {namespace}"),
                message,
            }),
            (404, Some(_)) => Err(AskError::Refused(format!("there is no pod {pod}"))),
            (500..=599, message) => Err(AskError::Refused(format!(
                "pod {pod} does not answer ({})",
                message.unwrap_or_else(|| "no answer in time".to_owned())
            ))),
            _ => Ok(answer),
        }
    }

    /// The objects of a resource, such as `tickeraccounts`, in the namespace or in all.
    pub(crate) async fn objects(&self, resource: &'static str) -> Result<ObjectList, AskError> {
        let (group, version) = (crds::names::GROUP, crds::names::VERSION);
        self.list(&format!("/apis/{group}/{version}"), resource)
            .await
    }

    /// The objects of a resource of this API.
    pub(crate) async fn list(
        &self,
        api: &str,
        resource: &'static str,
    ) -> Result<ObjectList, AskError> {
        let mut read = ObjectList::default();
        let mut next = String::new();
        for _ in 0..MOST_PAGES {
            let path = match &self.namespace {
                Some(namespace) => format!("{api}/namespaces/{namespace}/{resource}"),
                None => format!("{api}/{resource}"),
            };
            let page = format!("{path}?limit={PAGE}{next}");
            let answer = self.get(&page, LARGEST_PAGE).await?;
            let mut list = self.listed(resource, &answer)?;
            if let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) {
                read.objects.extend(items);
            }
            match list.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => next = format!("&continue={token}"),
                _ => return Ok(read),
            }
        }
        read.cut = Some(format!(
            "there are more than {} {resource}: the others are not read",
            read.objects.len()
        ));
        Ok(read)
    }

    fn listed(&self, resource: &'static str, answer: &HttpAnswer) -> Result<Value, AskError> {
        let message = status_message(&answer.body);
        match (answer.status, message) {
            (200, _) => serde_json::from_slice(&answer.body).map_err(|_| AskError::Unreadable {
                path: resource.to_owned(),
                status: answer.status,
            }),
            (403, message) => Err(AskError::Forbidden {
                verb: "list",
                resource,
                place: match &self.namespace {
                    Some(namespace) => format!("namespace {namespace}"),
                    None => "every namespace".to_owned(),
                },
                message: message.unwrap_or_default(),
            }),
            (404, _) if OWN_KINDS.contains(&resource) => Err(AskError::NoKinds),
            (status, message) => Err(AskError::Refused(format!(
                "the cluster does not list {resource} (status {status}): {}",
                message.unwrap_or_default()
            ))),
        }
    }

    pub(super) fn forbidden(&self, path: &str, message: String) -> AskError {
        let post = path == contract::answer::PREVIEW_PATH;
        AskError::Forbidden {
            verb: if post { "create" } else { "get" },
            resource: "services/proxy",
            place: format!("namespace {}", self.operator_namespace),
            message,
        }
    }

    pub(super) fn away(&self, message: String) -> AskError {
        AskError::OperatorAway {
            namespace: self.operator_namespace.clone(),
            message: match &self.unlisted {
                Some(unlisted) => {
                    format!("{message}; its Service could not be looked for: {unlisted}")
                }
                None => message,
            },
        }
    }

    async fn get(&self, uri: &str, most: usize) -> Result<HttpAnswer, AskError> {
        self.request(Method::GET, uri, Vec::new(), most).await
    }

    async fn request(
        &self,
        method: Method,
        uri: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("content-type", "text/plain");
        let unusable = |_| AskError::Refused(format!("{uri} is no path of an API server"));
        let request = request.body(Body::from(body)).map_err(unusable)?;
        let failed = |error: kube::Error| AskError::Cluster(error.into());
        let answer = self.client.send(request).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let path = uri.to_owned();
                return AskError::TooLarge { path, most };
            }
            failed(kube::Error::Service(error))
        })?;
        let body = body.to_bytes().to_vec();
        // Of the API server, whatever was asked: it lets nobody further whom it does not know.
        match status_message(&body) {
            Some(message) if status == 401 => Err(AskError::Unauthenticated(message)),
            _ => Ok(HttpAnswer { status, body }),
        }
    }
}

async fn config(place: &PlaceArgs) -> Result<Config, AskError> {
    let unusable = |error: kube::config::KubeconfigError| AskError::Kubeconfig(error.into());
    let options = KubeConfigOptions {
        context: place.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(file) = &place.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(file).map_err(unusable)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        return config.map_err(unusable);
    }
    if place.context.is_some() {
        return Config::from_kubeconfig(&options).await.map_err(unusable);
    }
    let config = Config::infer().await;
    config.map_err(|error| AskError::Kubeconfig(error.into()))
}
