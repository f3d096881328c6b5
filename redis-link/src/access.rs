//! The login and certificates for Redis: user and password, and for TLS the authorities to trust
//! and a client certificate. They are files, each of which may be missing.
//!
//! Owns reading them for every new link, and the messages about errors in them. They are never
//! printed, and wiped when dropped. Must not know where they are stored, and must not talk to
//! Redis.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretSlice};
use service::tls::{Identity, Roots, TlsError};

/// The user that Redis has by default.
const DEFAULT_USER: &str = "default";

const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const AUTHORITIES: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

/// All files; each may be missing.
pub const FILES: [&str; 5] = [USERNAME, PASSWORD, AUTHORITIES, CERTIFICATE, PRIVATE_KEY];

/// The contents of [`FILES`], in their order, all read at one moment.
pub type FileContents = [Option<Vec<u8>>; FILES.len()];

/// Reads the present content of [`FILES`].
pub type ReadFiles = Arc<dyn Fn() -> io::Result<FileContents> + Send + Sync>;

/// How the files are read; clones share the reader.
#[derive(Clone)]
pub struct Access {
    files: Option<ReadFiles>,
    roots: Roots,
    usual: Arc<ClientConfig>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("files", &self.files.is_some())
            .finish_non_exhaustive()
    }
}

/// The login and TLS settings of one link.
#[derive(Clone, Debug)]
pub struct LinkCredentials {
    /// The login, if one is given.
    pub login: Option<Login>,
    /// The TLS configuration: trusted authorities, and a client certificate.
    pub tls: Arc<ClientConfig>,
    /// Whether the authorities come from the files.
    pub own_authorities: bool,
    /// Whether there is a client certificate.
    pub certificate: bool,
}

/// A user with its password.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// Its password.
    pub password: SecretSlice<u8>,
}

/// Files that cannot be used. The message names the file and what to do, never its content.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file system returned an error.
    #[error("the Secret for redis cannot be read")]
    Io(#[from] io::Error),
    /// A user name that is not text.
    #[error("username in the Secret for redis is not UTF-8 text")]
    Username,
    /// A user without a password.
    #[error("the Secret for redis has username but not password: add the password")]
    NoPassword,
    /// One half of a pair.
    #[error("the Secret for redis has {there} but not {missing}: a client certificate needs both")]
    Half {
        /// The file that exists.
        there: &'static str,
        /// The file that does not.
        missing: &'static str,
    },
    /// The content of a file is not valid.
    #[error("{file} in the Secret for redis cannot be used")]
    Unusable {
        /// The file.
        file: &'static str,
        /// Why.
        source: TlsError,
    },
    /// Certificate and key do not match.
    #[error(
        "tls.key in the Secret for redis does not match the certificate in tls.crt: use the key and the \
         certificate of one pair"
    )]
    Mismatch,
}

impl Access {
    /// The access data that `files` reads; without files, only `roots` are used.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(files: Option<ReadFiles>, roots: Roots) -> Result<Self, TlsError> {
        let usual = roots.client_config(None)?;
        Ok(Self {
            files,
            roots,
            usual,
        })
    }

    /// Reads the present files; those for TLS only if TLS is used.
    ///
    /// # Errors
    /// When a file cannot be used, or only one of a pair exists.
    pub async fn read(&self, tls: bool) -> Result<LinkCredentials, AccessError> {
        let access = self.clone();
        let read = tokio::task::spawn_blocking(move || access.read_now(tls)).await;
        read.unwrap_or_else(|panic| Err(AccessError::Io(panic.into())))
    }

    fn read_now(&self, tls: bool) -> Result<LinkCredentials, AccessError> {
        let contents = self.files.as_ref().map(|read| read()).transpose()?;
        let [username, password, authorities, certificate, private_key] = contents
            .unwrap_or_default()
            .map(|content| content.and_then(trimmed));
        let plain = LinkCredentials {
            login: login(username.as_ref(), password)?,
            tls: Arc::clone(&self.usual),
            own_authorities: false,
            certificate: false,
        };
        if !tls {
            return Ok(plain);
        }
        let identity = identity(certificate.as_ref(), private_key.as_ref())?;
        Ok(LinkCredentials {
            tls: self.config(authorities.as_ref(), identity)?,
            own_authorities: authorities.is_some(),
            certificate: identity.is_some(),
            ..plain
        })
    }

    fn config(
        &self,
        authorities: Option<&Content>,
        identity: Option<Identity<'_>>,
    ) -> Result<Arc<ClientConfig>, AccessError> {
        let roots = match authorities {
            Some(text) => Roots::from_pem(text.expose_secret())
                .map_err(|source| unusable(AUTHORITIES, source))?,
            None if identity.is_none() => return Ok(Arc::clone(&self.usual)),
            None => self.roots.clone(),
        };
        roots.client_config(identity).map_err(|error| match error {
            TlsError::Mismatch => AccessError::Mismatch,
            TlsError::PrivateKey => unusable(PRIVATE_KEY, error),
            TlsError::Certificate | TlsError::Versions(_) => unusable(CERTIFICATE, error),
        })
    }
}

fn unusable(file: &'static str, source: TlsError) -> AccessError {
    AccessError::Unusable { file, source }
}

/// The content of a file that is not empty.
type Content = SecretSlice<u8>;

fn login(
    username: Option<&Content>,
    password: Option<Content>,
) -> Result<Option<Login>, AccessError> {
    let Some(password) = password else {
        return username.map_or(Ok(None), |_| Err(AccessError::NoPassword));
    };
    let user = match username {
        Some(name) => String::from_utf8(name.expose_secret().to_vec())
            .map_err(|_not_text| AccessError::Username)?,
        None => DEFAULT_USER.to_owned(),
    };
    Ok(Some(Login { user, password }))
}

fn identity<'a>(
    certificate: Option<&'a Content>,
    private_key: Option<&'a Content>,
) -> Result<Option<Identity<'a>>, AccessError> {
    let half = |there, missing| Err(AccessError::Half { there, missing });
    match (certificate, private_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(private_key)) => Ok(Some(Identity {
            certificate: certificate.expose_secret(),
            private_key: private_key.expose_secret(),
        })),
        (Some(_), None) => half(CERTIFICATE, PRIVATE_KEY),
        (None, Some(_)) => half(PRIVATE_KEY, CERTIFICATE),
    }
}

/// A trailing line end is removed; spaces may be part of a password.
fn trimmed(mut content: Vec<u8>) -> Option<Content> {
    while content.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        content.pop();
    }
    (!content.is_empty()).then(|| Content::from(content))
}

#[cfg(test)]
mod tests;
