//! Finds the cause of a failed handshake, given the login and TLS settings of the link.
//!
//! Owns the distinction of refusals, including those of TLS. Pure.

use std::io;

use rustls::AlertDescription as Alert;
use rustls::{CertificateError, InvalidMessage};
use service::stream::{Address, ConnectError};
use service::text::{LONGEST_REASON, printable};

use super::HandshakeError;
use crate::access::LinkCredentials;

/// The longest user name that is repeated.
const LONGEST_WORD: usize = 40;

impl HandshakeError {
    /// Refines the error, given the login and TLS settings of the link.
    #[must_use]
    pub(crate) fn explained(self, keys: &LinkCredentials) -> Self {
        match self {
            Self::Connect(ConnectError::Tls { host, port, source }) if is_plain(&source) => {
                Self::Plain(format!("{host}:{port}"))
            }
            Self::Login(code) if code == "WRONGPASS" => {
                let user = keys.login.as_ref().map_or("", |login| &login.user);
                let user = printable(user, LONGEST_WORD);
                Self::WrongLogin { user }
            }
            // The server has none.
            Self::Login(text) if text.starts_with("ERR ") && text.contains("password") => {
                let text = printable(&text, LONGEST_REASON);
                Self::Login(format!(
                    "{text}: leave the password out of the Secret for redis"
                ))
            }
            Self::Login(text) => Self::Login(printable(&text, LONGEST_REASON)),
            Self::Refused(text) if text.starts_with("NOAUTH") => Self::NoLogin,
            Self::Connect(ConnectError::Names {
                host,
                port,
                other,
                source,
            }) => Self::Names {
                host,
                port,
                other,
                source,
            },
            Self::Connect(ConnectError::Tls { host, port, source }) if is_end(&source) => {
                Self::ClosedTls(format!("{host}:{port}"))
            }
            Self::Connect(source) if is_untrusted(&source) => Self::Untrusted {
                own_authorities: keys.own_authorities,
                source,
            },
            // With TLS 1.3 the server checks the client's certificate after the handshake.
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

/// Answers that are about a login.
const ABOUT_LOGIN: [&str; 5] = ["ERR AUTH ", "ERR Client ", "NOAUTH", "NOPERM", "WRONGPASS"];

/// The longest text about all Sentinels, or about all servers that they name.
const LONGEST_LIST: usize = 300;

impl HandshakeError {
    /// The error when the Sentinels with these answers name no server.
    pub(crate) fn no_sentinel(
        master: &str,
        answers: &[(Address, Result<Option<Address>, Self>)],
    ) -> Self {
        let master = master.to_owned();
        let texts = answers.iter().map(|(_, answer)| match answer {
            Ok(_) => "it knows no such master".to_owned(),
            Err(Self::Refused(text) | Self::Login(text)) => text.clone(),
            Err(other) => service::exit::chain(other).to_string(),
        });
        let texts: Vec<String> = texts.collect();
        let is_about_login = |text: &String| ABOUT_LOGIN.iter().any(|code| text.starts_with(code));
        let said = answers.iter().zip(&texts);
        let said = said.map(|((node, _), text)| format!("{}:{}: {text}", node.host, node.port));
        let said = list(&said.collect::<Vec<_>>());
        if texts.iter().any(is_about_login) {
            Self::SentinelLogin { said }
        } else if answers.iter().any(|(_, answer)| answer.is_ok()) {
            Self::NoMaster { master, said }
        } else {
            Self::NoSentinel { master, said }
        }
    }

    /// The error when none of the servers that the Sentinels name can be used, with what is wrong
    /// with each.
    pub(crate) fn unusable_master(master: &str, tried: &[String]) -> Self {
        Self::UnusableMaster {
            master: master.to_owned(),
            said: list(tried),
        }
    }
}

/// The beginnings of all texts.
fn list(texts: &[String]) -> String {
    let longest = LONGEST_LIST / texts.len().max(1);
    let texts = texts.iter().map(|text| printable(text, longest));
    texts.collect::<Vec<_>>().join("; ")
}

/// Whether the stream ended without a word.
fn is_end(error: &io::Error) -> bool {
    let ends = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    ends.contains(&error.kind()) && said(error).is_none()
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

/// Whether the received bytes are not a TLS record.
fn is_plain(error: &io::Error) -> bool {
    matches!(
        said(error),
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion
        ))
    )
}

/// Whether the server rejected the client's certificate. It reports a decryption error if its
/// authority has the same name as the signing one, but another key.
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

/// The rustls error inside an I/O error.
fn said(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use service::tls::Roots;

    use super::*;
    use crate::access::Login;

    fn keys(user: Option<&str>, own_authorities: bool, certificate: bool) -> LinkCredentials {
        LinkCredentials {
            login: user.map(|user| Login {
                user: user.to_owned(),
                password: b"hunter2".to_vec().into(),
            }),
            sentinel_login: None,
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
        let told = |error: HandshakeError| error.explained(&keys(Some("al\nice"), false, false));
        let wrong = told(HandshakeError::Login("WRONGPASS".to_owned()));
        assert_eq!(
            wrong.to_string(),
            "redis refuses user al ice: check username and password in the Secret for redis"
        );
        let other = told(HandshakeError::Login("ERR".to_owned()));
        assert_eq!(other.to_string(), "redis refuses the login: ERR");
        let text = "ERR Client sent AUTH, but no password is set";
        let needless = told(HandshakeError::Login(text.to_owned())).to_string();
        assert!(
            needless.contains(text) && needless.contains("leave the password out"),
            "{needless}"
        );
        let none = HandshakeError::Refused("NOAUTH Authentication required.".to_owned());
        let none = none.explained(&keys(None, false, false)).to_string();
        assert!(none.contains("spec.redis.secretRef"), "{none}");
    }

    #[test]
    fn what_each_sentinel_said_stands_in_the_message() {
        let refused = |text: &str| Err(HandshakeError::Refused(text.to_owned()));
        let told = |second: Result<Option<Address>, HandshakeError>| {
            let at = |port| Address::parse("s", port, false).unwrap();
            let answers = [(at(1), Ok(None)), (at(2), second)];
            HandshakeError::no_sentinel("theirs", &answers).to_string()
        };
        let login = told(refused("NOAUTH Authentication required."));
        assert!(
            login.starts_with("the sentinels refuse the login"),
            "{login}"
        );
        assert!(
            login.contains("s:1: it knows no such master; s:2: NOAUTH"),
            "{login}"
        );
        let other = told(refused("ERR unknown command"));
        assert!(
            other.starts_with("the sentinels know no master theirs"),
            "{other}"
        );
        assert!(other.contains("s:2: ERR unknown command"), "{other}");
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
            HandshakeError::from(connect).explained(&keys).to_string()
        };
        assert!(unknown(true).contains("not signed by an authority in ca.crt"));
        assert!(unknown(false).contains("put it into ca.crt"));
        let plain = ConnectError::Tls {
            host: "redis".to_owned(),
            port: 6379,
            source: from_rustls(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType,
            )),
        };
        let plain = HandshakeError::from(plain).explained(&keys(None, false, false));
        assert!(plain.to_string().contains("does not use TLS at redis:6379"));
        let alert = |alert, shown| {
            let error = HandshakeError::from(from_rustls(rustls::Error::AlertReceived(alert)));
            error.explained(&keys(None, true, shown)).to_string()
        };
        assert!(alert(Alert::CertificateRequired, false).contains("put tls.crt and tls.key"));
        assert!(alert(Alert::UnknownCA, true).contains("check tls.crt"));
        assert!(alert(Alert::InternalError, true).contains("closed the connection"));
    }
}
