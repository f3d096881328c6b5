//! The session of an account in the state folder: what a cluster would keep in its Secret, as files that only the user reads.
//!
//! Owns the layout of that folder. Must not decide whether a session is used.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use contract::mount;
use crds::names::{
    SECRET_ACCESS_TOKEN, SESSION_KEY_HASH, SESSION_LOGIN_TIME, SESSION_SOURCE, SESSION_USER_ID,
};

use crate::login::{SOURCE, SessionValues};
use crate::manifest::SecretValues;

/// The files, named as the keys of the Secret.
const FILES: [&str; 5] = [
    SECRET_ACCESS_TOKEN,
    SESSION_KEY_HASH,
    SESSION_USER_ID,
    SESSION_LOGIN_TIME,
    SESSION_SOURCE,
];

/// No value is longer than this.
const LARGEST: u64 = 64 * 1024;

/// Reads a session; `None` where there is none.
///
/// # Errors
/// Errors of the file system.
pub(super) fn read(folder: &Path) -> io::Result<Option<SecretValues>> {
    let files = mount::read_together(folder, |folder| {
        let mut files = BTreeMap::new();
        for name in FILES {
            if let Some(value) = mount::read(folder, name, LARGEST)? {
                files.insert(name, value);
            }
        }
        Ok(files)
    })?;
    Ok((!files.is_empty()).then(|| SecretValues::new(files)))
}

/// Writes a session that a login has led to.
///
/// # Errors
/// Errors of the file system.
pub(super) fn write(folder: &Path, session: &SessionValues) -> io::Result<()> {
    let files = BTreeMap::from([
        (
            SECRET_ACCESS_TOKEN,
            session.access_token.as_bytes().to_vec(),
        ),
        (SESSION_KEY_HASH, session.key_hash.as_bytes().to_vec()),
        (SESSION_USER_ID, session.user_id.as_bytes().to_vec()),
        (SESSION_LOGIN_TIME, session.login_time.as_bytes().to_vec()),
        (SESSION_SOURCE, SOURCE.as_bytes().to_vec()),
    ]);
    mount::publish(folder, &files)
}
