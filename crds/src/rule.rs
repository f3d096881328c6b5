//! CEL rules and patterns that several fields share, with messages that say how to fix the field.
//!
//! Must not know which field a rule sits on.

use crate::names::MAX_NAME;
use kube::core::{Message, Rule};

/// A Kubernetes object name that may stand in a reference (RFC 1123 subdomain).
pub(crate) const OBJECT_NAME: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A label key: an optional DNS prefix and a name.
pub(crate) const LABEL_KEY: &str =
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// A container image reference, without spaces and special characters.
pub(crate) const IMAGE: &str = r"^[A-Za-z0-9\[][-A-Za-z0-9._:/@\[\]]*$";
/// `EXCHANGE:TRADINGSYMBOL`. Trading symbols hold inner spaces and signs (`NSE:NIFTY 50`, `NSE:M&M`, `NSE:BAJAJ-AUTO`).
pub(crate) const SYMBOL: &str = r"^[A-Z]{2,8}:[!-~]([ -~]*[!-~])?$";

/// The name of an underlying as the list writes it: `NIFTY`, `M&M`, `BAJAJ-AUTO`.
pub(crate) const UNDERLYING: &str = "^[A-Z0-9][-A-Z0-9&_ ]{0,31}$";

/// A trading symbol without its exchange.
pub(crate) const TRADINGSYMBOL: &str = "^[!-9;-~]([ -9;-~]*[!-9;-~])?$";

/// A day.
pub(crate) const DATE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";

/// A duration in minutes, seconds and milliseconds, as Go writes it.
pub(crate) const SHORT_DURATION: &str = r"^([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$";

/// A duration in hours, minutes and seconds, as Go writes it.
pub(crate) const DURATION: &str = r"^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$";

/// The word Session, or a duration.
pub(crate) const SESSION_OR_DURATION: &str =
    r"^(Session|([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?)$";

/// The meaning of a pattern, in words.
pub(crate) fn hint(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        OBJECT_NAME => "the name of an object has only a-z, 0-9, '-' and '.'",
        SYMBOL => "write EXCHANGE:TRADINGSYMBOL as in Kite's instruments list, such as NSE:INFY",
        UNDERLYING => "write the underlying as the column name of the list does, such as NIFTY",
        TRADINGSYMBOL => "write trading symbols without the exchange, such as INFY",
        DATE => "write a day like 2026-12-29",
        SHORT_DURATION => "write minutes, seconds and milliseconds, such as 1m30s or 250ms",
        DURATION => "write hours, minutes and seconds, such as 1h30m or 30s",
        SESSION_OR_DURATION => "write Session, or hours, minutes and seconds, such as 24h or 30m",
        _ => return None,
    })
}

/// A DNS name, IPv4 or bracketed IPv6 address with an optional port up to 65535.
const AUTHORITY: &str = concat!(
    r"([A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])",
    r"(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?"
);

/// The name of an account or a set: the names of the objects it owns are built from it.
pub(crate) fn object_name(kind: &str) -> Rule {
    rule(
        format!(
            "size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
        ),
        format!(
            "the name of {kind} must have at most {MAX_NAME} characters, only a-z, 0-9 and '-', start with a letter and \
             end with a letter or digit: choose another metadata.name"
        ),
    )
}

/// A URL must have one of two schemes.
pub(crate) fn scheme(plain: &str, encrypted: &str) -> Rule {
    rule(
        format!("self.startsWith('{plain}://') || self.startsWith('{encrypted}://')"),
        format!("the scheme must be {plain} or {encrypted}: write {encrypted}://host[:port]"),
    )
}

/// A URL must have this scheme.
pub(crate) fn one_scheme(scheme: &str) -> Rule {
    rule(
        format!("self.startsWith('{scheme}://')"),
        format!("the scheme must be {scheme}: write {scheme}://host[:port]"),
    )
}

/// A text must hold a certificate, and must not hold a key: everybody who may read the object would see it.
pub(crate) fn certificates() -> Rule {
    rule(
        "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')",
        "write the certificates of the authorities in PEM form, from -----BEGIN CERTIFICATE----- on, and no private key",
    )
}

/// A URL must not carry a user or password: it is visible to everybody who may read the object.
pub(crate) fn no_user_info() -> Rule {
    rule(
        "!self.contains('@')",
        "remove the user and password: credentials belong in a Secret, never in a URL",
    )
}

/// A URL must name a host, and after its port only a slash may follow.
pub(crate) fn host_only() -> Rule {
    rule(
        format!("self.matches('^[a-z]+://([^/?#]*@)?{AUTHORITY}/?$')"),
        "write only scheme://host[:port]: no path, no query, no fragment, a port from 1 to 65535",
    )
}

/// Makes a rule with a message.
pub(crate) fn rule(expression: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(expression).message(Message::Message(message.into()))
}

/// A list of servers, without a scheme.
pub(crate) fn nodes() -> Rule {
    rule(
        format!("self.all(node, node.matches('^{AUTHORITY}$'))"),
        "write each of the nodes as host[:port] or [IPv6][:port], a port from 1 to 65535, without redis:// and without a user",
    )
}
