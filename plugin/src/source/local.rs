//! `kite-operator local` on this machine, found by its state folder.
//!
//! Owns which of several runs is meant. Reads no file with credentials.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use contract::answer::ADDRESS_FILE;
use service::http::read_port_file;

use super::{Answer, TIMEOUT};
use crate::error::AskError;

/// One run.
pub(crate) struct LocalOperator {
    state: PathBuf,
    address: SocketAddr,
    client: reqwest::Client,
}

impl LocalOperator {
    /// Finds the run whose state is in `folder`, or in the only folder of it that has one; empty: in the user's state
    /// directory.
    pub(crate) fn find(folder: &Path) -> Result<Self, AskError> {
        let base = if folder.as_os_str().is_empty() {
            let home = std::env::home_dir().filter(|home| home.is_absolute());
            home.ok_or(AskError::NoHome)?
                .join(".local/state/kite-ticker")
        } else {
            folder.to_owned()
        };
        let state = choose(&base)?;
        let address = read_port_file(&state.join(ADDRESS_FILE));
        let Ok(Some(address)) = address else {
            return Err(AskError::NoLocal(state));
        };
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
        // An ingest process must not lead elsewhere.
        let client = client.redirect(reqwest::redirect::Policy::none());
        let client = client.build();
        Ok(Self {
            client: client.map_err(|_| AskError::NoLocal(state.clone()))?,
            state,
            address,
        })
    }

    pub(super) async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<Answer, AskError> {
        self.request(self.address, path, body, most).await
    }

    /// A page of an account's ingest process.
    pub(super) async fn process(
        &self,
        account: &str,
        page: &str,
        most: usize,
    ) -> Result<Answer, AskError> {
        let file = self.state.join("accounts").join(account).join("port");
        let Ok(Some(address)) = read_port_file(&file) else {
            let why = format!("the ingest process of {account} has no address yet");
            return Err(AskError::Refused(why));
        };
        let answer = self.request(address, page, None, most).await;
        answer.map_err(|error| match error {
            AskError::NoLocal(_) => {
                AskError::Refused(format!("the ingest process of {account} does not answer"))
            }
            error => error,
        })
    }

    async fn request(
        &self,
        address: SocketAddr,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<Answer, AskError> {
        let url = format!("http://{address}{path}");
        let request = match body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let gone = |_| AskError::NoLocal(self.state.clone());
        let mut answer = request.send().await.map_err(gone)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(gone)? {
            if body.len() + chunk.len() > most {
                let path = path.to_owned();
                return Err(AskError::TooLarge { path, most });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: answer.status().as_u16(),
            body,
        })
    }
}

/// The folder itself, or the only one in it with an address.
fn choose(base: &Path) -> Result<PathBuf, AskError> {
    if base.join(ADDRESS_FILE).exists() {
        return Ok(base.to_owned());
    }
    let Ok(entries) = fs::read_dir(base) else {
        return Err(AskError::NoLocal(base.to_owned()));
    };
    let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut running: Vec<PathBuf> = folders
        .filter(|folder| folder.join(ADDRESS_FILE).exists())
        .collect();
    running.sort();
    match running.len() {
        0 => Err(AskError::NoLocal(base.to_owned())),
        1 => Ok(running.remove(0)),
        _ => {
            let names = running.iter().map(|it| it.display().to_string());
            Err(AskError::SeveralLocal(names.collect::<Vec<_>>().join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_run_is_found_and_of_several_none() {
        let base = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(ADDRESS_FILE), "127.0.0.1:9\n").unwrap();
            folder
        };
        assert!(matches!(choose(base.path()), Err(AskError::NoLocal(_))));
        let one = add("one");
        assert_eq!(choose(base.path()).unwrap(), one);
        assert_eq!(choose(&one).unwrap(), one);
        let other = add("two");
        let error = choose(base.path()).unwrap_err().to_string();
        assert!(error.contains(&*one.to_string_lossy()), "{error}");
        assert_eq!(choose(&other).unwrap(), other);
    }

    /// An operator and a process of the account `a` that answer with so many bytes.
    async fn answering(bytes: usize) -> (tempfile::TempDir, LocalOperator) {
        service::tls::install();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(async move || vec![b'x'; bytes]);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let state = tempfile::tempdir().unwrap();
        let account = state.path().join("accounts/a");
        fs::create_dir_all(&account).unwrap();
        for file in [state.path().join(ADDRESS_FILE), account.join("port")] {
            service::http::write_port_file(&file, address).unwrap();
        }
        let operator = LocalOperator::find(state.path()).unwrap();
        (state, operator)
    }

    #[tokio::test]
    async fn of_an_answer_that_is_too_large_nothing_is_kept() {
        let (_state, operator) = answering(100).await;
        let whole = operator.send("/v1/top", None, 100).await.unwrap();
        assert_eq!(whole.body.len(), 100);
        let error = operator.send("/v1/top", None, 99).await.err().unwrap();
        assert!(
            error.to_string().contains("larger than 99 bytes"),
            "{error}"
        );
        let error = operator.process("a", "/v1/report", 99).await.err().unwrap();
        assert!(matches!(error, AskError::TooLarge { .. }), "{error}");
    }
}
