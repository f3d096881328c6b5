//! The login and certificates for Redis and its Sentinels: user and password, and for TLS the
//! authorities to trust and a client certificate. They are files, each of which may be missing.
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
const SENTINEL_USERNAME: &str = "sentinel_username";
const SENTINEL_PASSWORD: &str = "sentinel_password";

/// All files; each may be missing.
pub const FILES: [&str; 7] = [
    USERNAME,
    PASSWORD,
    AUTHORITIES,
    CERTIFICATE,
    PRIVATE_KEY,
    SENTINEL_USERNAME,
    SENTINEL_PASSWORD,
];

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
    /// That of the Sentinels.
    pub sentinel_login: Option<Login>,
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
    /// The user's name; empty for the only user of a server that knows no names.
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
    #[error("{0} in the Secret for redis is not UTF-8 text")]
    Username(&'static str),
    /// A user without a password.
    #[error("the Secret for redis has {user} but not {password}: add the password")]
    NoPassword {
        /// The file of the user.
        user: &'static str,
        /// The file that is missing.
        password: &'static str,
    },
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
        let [
            username,
            password,
            authorities,
            certificate,
            private_key,
            sentinel_username,
            sentinel_password,
        ] = contents
            .unwrap_or_default()
            .map(|content| content.and_then(trimmed));
        let names = [USERNAME, PASSWORD];
        let sentinel_names = [SENTINEL_USERNAME, SENTINEL_PASSWORD];
        let plain = LinkCredentials {
            login: login(username.as_ref(), password, names, DEFAULT_USER)?,
            sentinel_login: login(
                sentinel_username.as_ref(),
                sentinel_password,
                sentinel_names,
                "",
            )?,
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

/// The login of two files of these names; without a user's name it is `usual`'s.
fn login(
    username: Option<&Content>,
    password: Option<Content>,
    [user_file, password_file]: [&'static str; 2],
    usual: &str,
) -> Result<Option<Login>, AccessError> {
    let Some(password) = password else {
        let missing = AccessError::NoPassword {
            user: user_file,
            password: password_file,
        };
        return username.map_or(Ok(None), |_| Err(missing));
    };
    let user = match username {
        Some(name) => String::from_utf8(name.expose_secret().to_vec())
            .map_err(|_not_text| AccessError::Username(user_file))?,
        None => usual.to_owned(),
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
