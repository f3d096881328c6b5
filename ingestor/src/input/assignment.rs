//! Prepares an assignment for the data plane.
//!
//! Owns opening, checking and preparing, which take time and therefore run outside the thread that
//! carries ticks. Also decides whether a document may follow the one in force.

use std::sync::Arc;

use contract::assignment::Account;
use contract::report::AppliedAssignment;
use contract::sealed::UnsealError;
use contract::{Assignment, Egress, Sealed, TokenSource};
use rustls::ClientConfig;
use service::proxy::{InvalidProxy, Proxy};
use service::tls::{Roots, TlsError};

use crate::directory::listing::DirectoryListing;
use crate::pipeline::instruments::AssignedInstruments;
use redis_link::target::{InvalidTarget, Target};

/// A checked and prepared assignment.
#[derive(Debug)]
pub(crate) struct PreparedAssignment {
    /// Its identity.
    pub(crate) applied: AppliedAssignment,
    /// Its account.
    pub(crate) account: Account,
    /// The WebSocket origin.
    pub(crate) websocket: String,
    /// The proxy to it.
    pub(crate) proxy: Option<Proxy>,
    /// The TLS configuration for it, if it is not that of the process.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Whose access token is used.
    pub(crate) token_source: TokenSource,
    /// The Redis to which ticks are published.
    pub(crate) target: Target,
    /// Connections that may be open.
    pub(crate) connections: u8,
    /// Tokens that one of them may carry.
    pub(crate) tokens_per_connection: u16,
    /// Whether updates of the account's orders are published.
    pub(crate) order_updates: bool,
    /// Whether one connection is kept although there are no instruments.
    pub(crate) standby: bool,
    /// The instruments.
    pub(crate) instruments: AssignedInstruments,
    /// Their rows of the directory.
    pub(crate) listing: Arc<DirectoryListing>,
}

/// A document that is not applied. The one in force stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssignmentError {
    /// The file cannot be opened.
    #[error("the assignment file cannot be used")]
    Open(#[from] UnsealError),
    /// It names a Redis that cannot be used.
    #[error("the assignment file names a redis that cannot be used")]
    Target(#[from] InvalidTarget),
    /// It names a proxy that cannot be used.
    #[error("the assignment file names a proxy that cannot be used")]
    Proxy(#[from] InvalidProxy),
    /// It holds authorities that cannot be used.
    #[error("the assignment file holds authorities that cannot be used")]
    Authorities(#[from] TlsError),
    /// It is older than the one in force.
    #[error("the assignment file has generation {found}, older than {in_force} in force")]
    Older {
        /// Its generation.
        found: u64,
        /// The one in force.
        in_force: u64,
    },
}

/// Opens, checks and prepares. `epoch` identifies this process in every tick.
///
/// # Errors
/// When the document is not valid, or older than the one `in_force`.
pub(crate) fn prepare(
    sealed: &Sealed,
    in_force: Option<&AppliedAssignment>,
    epoch: &str,
) -> Result<PreparedAssignment, AssignmentError> {
    let assignment = sealed.open()?;
    check_age(&assignment, in_force)?;
    let target = Target::parse(&assignment.redis_url)?;
    let Egress { proxy, ca } = &assignment.egress;
    let proxy = proxy.as_deref().map(Proxy::parse).transpose()?;
    let tls = ca.as_deref().map(trusting).transpose()?;
    Ok(PreparedAssignment {
        applied: AppliedAssignment {
            account_uid: assignment.account.uid.clone(),
            generation: assignment.generation,
            sha256: sealed.sha256.trim().to_owned(),
        },
        listing: Arc::new(DirectoryListing::new(&assignment, target.clone())),
        order_updates: assignment.order_updates,
        standby: assignment.standby,
        instruments: AssignedInstruments::build(&assignment, epoch, target.is_sharded()),
        token_source: assignment.credentials.source,
        account: assignment.account,
        websocket: assignment.websocket,
        proxy,
        tls,
        connections: assignment.connections,
        tokens_per_connection: assignment.tokens_per_connection,
        target,
    })
}

/// A configuration that trusts these authorities too.
fn trusting(ca: &str) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = Roots::of_machine().and_pem(ca.as_bytes())?;
    roots.client_config(None)
}

/// Generations order the assignments of one account only.
fn check_age(
    assignment: &Assignment,
    in_force: Option<&AppliedAssignment>,
) -> Result<(), AssignmentError> {
    if let Some(in_force) = in_force
        && in_force.account_uid == assignment.account.uid
        && assignment.generation < in_force.generation
    {
        return Err(AssignmentError::Older {
            found: assignment.generation,
            in_force: in_force.generation,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::instruments::tests::sample;

    fn applied(generation: u64, uid: &str) -> AppliedAssignment {
        AppliedAssignment {
            account_uid: uid.to_owned(),
            generation,
            sha256: String::new(),
        }
    }

    #[test]
    fn an_older_generation_of_the_same_account_is_refused() {
        let mut assignment = sample();
        assignment.generation = 5;
        let sealed = Sealed::new(&assignment);
        let uid = assignment.account.uid.as_str();
        let judged = |in_force: Option<AppliedAssignment>| {
            prepare(&sealed, in_force.as_ref(), "1").map(|assigned| assigned.applied.generation)
        };
        assert!(matches!(
            judged(Some(applied(6, uid))),
            Err(AssignmentError::Older {
                found: 5,
                in_force: 6
            })
        ));
        assert_eq!(judged(Some(applied(5, uid))).unwrap(), 5);
        assert_eq!(judged(Some(applied(6, "another"))).unwrap(), 5);
        assert_eq!(judged(None).unwrap(), 5);
    }

    #[test]
    fn a_way_out_that_cannot_be_used_is_refused() {
        let judged = |proxy: Option<&str>, ca: Option<&str>| {
            let mut assignment = sample();
            assignment.egress = Egress {
                proxy: proxy.map(str::to_owned),
                ca: ca.map(str::to_owned),
            };
            prepare(&Sealed::new(&assignment), None, "1")
        };
        let refused = judged(Some("https://proxy"), None).unwrap_err();
        assert!(matches!(refused, AssignmentError::Proxy(_)));
        let refused = judged(None, Some("no certificate")).unwrap_err();
        assert!(matches!(refused, AssignmentError::Authorities(_)));
        let prepared = judged(Some("http://proxy:1"), None).unwrap();
        assert!(prepared.proxy.is_some() && prepared.tls.is_none());
    }

    #[test]
    fn a_redis_address_that_leads_nowhere_is_refused() {
        let mut assignment = sample();
        assignment.redis_url = "http://x".to_owned();
        let refused = prepare(&Sealed::new(&assignment), None, "1").unwrap_err();
        assert!(matches!(refused, AssignmentError::Target(_)));
    }
}
