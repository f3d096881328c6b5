//! `kite-operator local` on this machine, found by its state folder.
//!
//! Owns which of several runs is meant. Reads no file with credentials.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use contract::answer::ADDRESS_FILE;
use service::http::read_port_file;

use super::{HttpAnswer, TIMEOUT};
use crate::error::AskError;

/// How it is called in messages.
const OPERATOR: &str = "`kite-operator local`";

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
        let address = address(&state.join(ADDRESS_FILE), OPERATOR)?;
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
        // An ingest process must not lead elsewhere.
        let client = client.redirect(reqwest::redirect::Policy::none());
        Ok(Self {
            address: address.ok_or_else(|| AskError::NoLocal(state.clone()))?,
            client: client.build().map_err(AskError::Client)?,
            state,
        })
    }

    /// The folder of an account.
    pub(super) fn account(&self, name: &str) -> PathBuf {
        self.state.join("accounts").join(name)
    }

    pub(super) async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        let answer = self.request(self.address, path, body, most).await;
        answer.map_err(|failure| {
            failure.of(OPERATOR, path, most, || {
                AskError::NoLocal(self.state.clone())
            })
        })
    }

    /// A page of an account's ingest process.
    pub(super) async fn process(
        &self,
        account: &str,
        page: &str,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        let who = format!("the ingest process of {account}");
        let file = self.state.join("accounts").join(account).join("port");
        let Some(address) = address(&file, &who)? else {
            return Err(AskError::Refused(format!("{who} has no address yet")));
        };
        let answer = self.request(address, page, None, most).await;
        let gone = || AskError::Refused(format!("{who} does not run at its address {address}"));
        answer.map_err(|failure| failure.of(&who, page, most, gone))
    }

    async fn request(
        &self,
        address: SocketAddr,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<HttpAnswer, RequestFailure> {
        let url = format!("http://{address}{path}");
        let request = match body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let mut answer = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > most {
                return Err(RequestFailure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer {
            status: answer.status().as_u16(),
            body,
        })
    }
}

/// Why a request has no answer.
enum RequestFailure {
    Http(reqwest::Error),
    TooLarge,
}

impl From<reqwest::Error> for RequestFailure {
    fn from(error: reqwest::Error) -> Self {
        // The address says nothing to a person.
        Self::Http(error.without_url())
    }
}

impl RequestFailure {
    /// For the person who asked. `gone`: nobody listens there.
    fn of(self, who: &str, path: &str, most: usize, gone: impl FnOnce() -> AskError) -> AskError {
        let who = who.to_owned();
        match self {
            Self::TooLarge => AskError::TooLarge {
                path: path.to_owned(),
                most,
            },
            Self::Http(error) if error.is_connect() => gone(),
            Self::Http(error) if error.is_timeout() => AskError::Late {
                who,
                seconds: TIMEOUT.as_secs(),
            },
            Self::Http(source) => AskError::BrokenOff { who, source },
        }
    }
}

/// The address in a file, if there is one.
fn address(file: &Path, who: &str) -> Result<Option<SocketAddr>, AskError> {
    read_port_file(file).map_err(|source| AskError::Address {
        who: who.to_owned(),
        source,
    })
}

/// The folder itself, or the only one in it with an address.
fn choose(base: &Path) -> Result<PathBuf, AskError> {
    if base.join(ADDRESS_FILE).exists() {
        return Ok(base.to_owned());
    }
    let entries = fs::read_dir(base).map_err(|source| {
        let path = base.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => AskError::NoLocal(path),
            _ => AskError::StateFolder { path, source },
        }
    })?;
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

    #[test]
    fn an_address_that_cannot_be_read_is_not_called_an_operator_that_does_not_run() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(ADDRESS_FILE), "nonsense\n").unwrap();
        let error = LocalOperator::find(state.path()).err().unwrap();
        let error = service::exit::chain(&error).to_string();
        assert!(
            error.contains("cannot be read") && error.contains("holds no socket address"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_process_that_breaks_off_was_there_and_one_that_is_gone_was_not() {
        service::tls::install();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = tempfile::tempdir().unwrap();
        service::http::write_port_file(&state.path().join(ADDRESS_FILE), address).unwrap();
        let operator = LocalOperator::find(state.path()).unwrap();
        let closed = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx";
            let mut asked = [0; 1_024];
            assert!(socket.read(&mut asked).await.unwrap() > 0);
            socket.write_all(head).await.unwrap();
            drop((socket, listener));
        };
        let (answer, ()) = tokio::join!(operator.send("/v1/top", None, 99), closed);
        let error = answer.err().unwrap();
        assert!(matches!(error, AskError::BrokenOff { .. }), "{error}");
        let error = operator.send("/v1/top", None, 99).await.err().unwrap();
        assert!(matches!(error, AskError::NoLocal(_)), "{error}");
    }
}
