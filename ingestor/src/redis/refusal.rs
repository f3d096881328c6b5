//! Why Redis gives no link, in words that say what to do.
//!
//! Owns telling refusals apart. Pure; must not repeat what the server was sent, which may be a
//! password.

use std::io;

use rustls::AlertDescription as Alert;
use rustls::{CertificateError, InvalidMessage};
use service::text::printable;

use super::access::{AccessError, Keys};
use super::greeting::TIMEOUT;
use super::resp::Garbage;
use crate::stream::ConnectError;

/// The longest user name, or code of a refusal, that is repeated.
const LONGEST_WORD: usize = 40;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// The files are not usable.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No stream.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The certificate of the server was signed by nobody who is trusted.
    #[error("{}", untrusted(*.own_authorities))]
    Untrusted {
        /// Whether the trusted ones come from the Secret.
        own_authorities: bool,
        /// What TLS said.
        source: ConnectError,
    },
    /// The server wants another certificate of the client, or one at all.
    #[error("{}", refused_certificate(*.shown))]
    Certificate {
        /// Whether it was shown one.
        shown: bool,
        /// What TLS said.
        source: io::Error,
    },
    /// It answers in plain text.
    #[error(
        "redis does not speak TLS at {0}: name its port for TLS, or go without (redis://, or tls: false)"
    )]
    Plain(String),
    /// It ended a stream without TLS before it said anything.
    #[error(
        "redis at {0} closes connections without an answer: if it speaks TLS there, use rediss:// or tls: true"
    )]
    Mute(String),
    /// The stream broke.
    #[error("redis closed the connection during the greeting")]
    Io(#[from] io::Error),
    /// Not Redis.
    #[error(transparent)]
    Garbage(#[from] Garbage),
    /// User and password were refused with this code.
    #[error("redis refuses the login: {0}")]
    Login(String),
    /// User and password are wrong.
    #[error("redis refuses user {user}: check username and password in the Secret for redis")]
    WrongLogin {
        /// The user.
        user: String,
    },
    /// The server wants a user.
    #[error("redis wants a password: put it into a Secret and name that in spec.redis.secretRef")]
    NoLogin,
    /// Redis, but it refuses.
    #[error("redis refused: {0}")]
    Refused(String),
    /// No Sentinel answers.
    #[error(
        "no sentinel answers that would know the master {master}: check nodes and tls of spec.redis.sentinel"
    )]
    NoSentinel {
        /// Its name.
        master: String,
    },
    /// They answer, and know none.
    #[error("the sentinels know no master {master}: check spec.redis.sentinel.master")]
    NoMaster {
        /// Its name.
        master: String,
    },
    /// Nothing within [`TIMEOUT`].
    #[error("redis did not answer within {} s{}", TIMEOUT.as_secs(), doubt(*.tls))]
    Timeout {
        /// Whether a server that was named was spoken to through TLS.
        tls: bool,
    },
}

/// A server without TLS waits for the end of what it takes for a command.
const fn doubt(tls: bool) -> &'static str {
    if tls {
        ": is it there, and does it speak TLS at this port?"
    } else {
        ""
    }
}

const fn untrusted(own_authorities: bool) -> &'static str {
    if own_authorities {
        "the certificate of redis is not signed by ca.crt in the Secret for redis: put its authority there"
    } else {
        "the certificate of redis is signed by nobody known: put its authority into ca.crt in the Secret for redis"
    }
}

const fn refused_certificate(shown: bool) -> &'static str {
    if shown {
        "redis refuses the client certificate: check tls.crt in the Secret for redis"
    } else {
        "redis wants a client certificate: put tls.crt and tls.key into the Secret for redis"
    }
}

impl GreetError {
    /// The same, given what the link was to be opened with.
    #[must_use]
    pub(super) fn explained(self, keys: &Keys) -> Self {
        match self {
            Self::Connect(ConnectError::Tls { host, port, source }) if is_plain(&source) => {
                Self::Plain(format!("{host}:{port}"))
            }
            Self::Login(code) if code == "WRONGPASS" => {
                let user = keys.login.as_ref().map_or("", |login| &login.user);
                let user = printable(user, LONGEST_WORD);
                Self::WrongLogin { user }
            }
            Self::Login(code) => Self::Login(printable(&code, LONGEST_WORD)),
            Self::Refused(text) if text.starts_with("NOAUTH") => Self::NoLogin,
            Self::Connect(source) if is_untrusted(&source) => Self::Untrusted {
                own_authorities: keys.own_authorities,
                source,
            },
            // With TLS 1.3 the server looks at the client's certificate after the handshake.
            Self::Io(source) | Self::Connect(ConnectError::Tls { source, .. })
                if is_about_certificate(&source) =>
            {
                Self::Certificate {
                    shown: keys.certificate,
                    source,
                }
            }
            other => other,
        }
    }
}

fn is_untrusted(error: &ConnectError) -> bool {
    let ConnectError::Tls { source, .. } = error else {
        return false;
    };
    matches!(
        said(source),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        ))
    )
}

/// Whether what came is no record of TLS.
fn is_plain(error: &io::Error) -> bool {
    matches!(
        said(error),
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion
        ))
    )
}

/// Whether the server found fault with the client's certificate. It cannot decrypt a signature when
/// its authority has the name of the one that signed, and another key.
fn is_about_certificate(error: &io::Error) -> bool {
    matches!(
        said(error),
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::DecryptError
        ))
    )
}

/// What rustls said, within what a stream reports.
fn said(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use service::tls::Roots;

    use super::*;
    use crate::redis::access::Login;

    fn keys(user: Option<&str>, own_authorities: bool, certificate: bool) -> Keys {
        Keys {
            login: user.map(|user| Login {
                user: user.to_owned(),
                password: b"hunter2".to_vec().into(),
            }),
            tls: Roots::of_machine().client_config(None).unwrap(),
            own_authorities,
            certificate,
        }
    }

    fn from_rustls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn refused_logins_name_the_user_and_no_password() {
        let told = |error: GreetError| error.explained(&keys(Some("al\nice"), false, false));
        let wrong = told(GreetError::Login("WRONGPASS".to_owned()));
        assert_eq!(
            wrong.to_string(),
            "redis refuses user al ice: check username and password in the Secret for redis"
        );
        let other = told(GreetError::Login("ERR".to_owned()));
        assert_eq!(other.to_string(), "redis refuses the login: ERR");
        let none = GreetError::Refused("NOAUTH Authentication required.".to_owned());
        let none = none.explained(&keys(None, false, false)).to_string();
        assert!(none.contains("spec.redis.secretRef"), "{none}");
    }

    #[test]
    fn what_tls_says_becomes_what_to_do() {
        let unknown = |own_authorities| {
            let error = CertificateError::UnknownIssuer;
            let connect = ConnectError::Tls {
                host: "redis".to_owned(),
                port: 6379,
                source: from_rustls(rustls::Error::InvalidCertificate(error)),
            };
            let keys = keys(None, own_authorities, false);
            GreetError::from(connect).explained(&keys).to_string()
        };
        assert!(unknown(true).contains("not signed by ca.crt"));
        assert!(unknown(false).contains("put its authority into ca.crt"));
        let plain = ConnectError::Tls {
            host: "redis".to_owned(),
            port: 6379,
            source: from_rustls(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType,
            )),
        };
        let plain = GreetError::from(plain).explained(&keys(None, false, false));
        assert!(
            plain
                .to_string()
                .contains("does not speak TLS at redis:6379")
        );
        let alert = |alert, shown| {
            let error = GreetError::from(from_rustls(rustls::Error::AlertReceived(alert)));
            error.explained(&keys(None, true, shown)).to_string()
        };
        assert!(alert(Alert::CertificateRequired, false).contains("put tls.crt and tls.key"));
        assert!(alert(Alert::UnknownCA, true).contains("check tls.crt"));
        assert!(alert(Alert::InternalError, true).contains("closed the connection"));
    }
}
