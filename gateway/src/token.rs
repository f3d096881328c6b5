//! `kite-gateway token`: prints a token, for trying the gateway out.
//!
//! Owns its claims. A real issuer is another program.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use ring::hmac;
use serde_json::json;
use service::clock::Clock;

use crate::auth::key::{KeyError, VerificationKey};
use crate::duration;
use crate::redis_files::read;

/// Settings of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// File with the secret that the gateway has
    #[arg(long, env = "JWT_SECRET_FILE", value_name = "FILE")]
    jwt_secret_file: PathBuf,
    /// Whom the token is for
    #[arg(long, value_name = "USER")]
    sub: String,
    /// For how long it is valid
    #[arg(long, default_value = "8h", value_name = "TIME", value_parser = duration::parse)]
    ttl: Duration,
    /// A role, such as admin; repeatable
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The issuer that the gateway demands
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// The audience that the gateway demands
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
}

/// Why no token can be printed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the file of --jwt-secret-file cannot be read")]
    File(#[source] io::Error),
    /// The secret cannot be used.
    #[error("the file of --jwt-secret-file cannot be used")]
    Key(#[source] KeyError),
    /// Nobody reads it.
    #[error("the token cannot be written")]
    Write(#[source] io::Error),
}

/// Prints a token.
///
/// # Errors
/// When the secret cannot be read or used.
pub fn print(args: &TokenArgs) -> Result<(), TokenError> {
    let secret = secret_of(&args.jwt_secret_file).map_err(TokenError::File)?;
    VerificationKey::secret(&secret, None).map_err(TokenError::Key)?;
    let now = Clock::system().wall().as_second();
    let token = sign(args, &secret, now);
    writeln!(io::stdout(), "{token}").map_err(TokenError::Write)
}

/// The secret in a file; a line end after it does not count.
pub(crate) fn secret_of(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut secret = read(path)?.ok_or(io::ErrorKind::NotFound)?;
    while secret.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        secret.pop();
    }
    Ok(secret)
}

fn sign(args: &TokenArgs, secret: &[u8], now: i64) -> String {
    let ttl = i64::try_from(args.ttl.as_secs()).unwrap_or(i64::MAX);
    let mut claims = json!({
        "sub": args.sub,
        "iat": now,
        "exp": now.saturating_add(ttl),
    });
    let optional = [
        ("iss", args.issuer.as_deref().map(Into::into)),
        ("aud", args.audience.as_deref().map(Into::into)),
        ("roles", (!args.roles.is_empty()).then(|| json!(args.roles))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            claims[name] = value;
        }
    }
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "typ": "JWT"})),
        part(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
