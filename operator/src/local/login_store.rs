//! The Secrets of logins without a cluster: manifests of the folder, and files of the state folder that the user alone reads.
//!
//! Owns the files that it writes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crds::names::{SECRET_API_KEY, SECRET_API_SECRET, SECRET_WEBHOOK_URL};
use zeroize::Zeroizing;

use super::secrets::LocalSecrets;
use super::session;
use crate::login::{self, AppCredentials, LoginStore, SessionOwner, SessionValues};
use crate::login_link;
use crate::plan::Key;

/// The largest key that is read.
const LARGEST_KEY: u64 = 1_024;

/// The Secrets of one run.
pub(crate) struct LocalLogins {
    pub(crate) secrets: LocalSecrets,
    /// The folder with the key that signs links.
    pub(crate) key: PathBuf,
    /// The folder of an account's session, by its name.
    pub(crate) session: Box<dyn Fn(&str) -> PathBuf + Send + Sync>,
}

impl LoginStore for LocalLogins {
    async fn state_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        read(&self.key).map_err(|error| format!("{}: {error}", self.key.display()))
    }

    async fn make_state_key(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        if let Some(key) = self.state_key().await? {
            return Ok(key);
        }
        let fresh = login_link::new_key()?;
        let files = BTreeMap::from([(KEY_FILE, fresh.to_vec())]);
        let made = contract::mount::publish(&self.key, &files);
        made.map_err(|error| format!("{}: {error}", self.key.display()))?;
        Ok(fresh)
    }

    /// What cannot be written is said for all files of the account.
    async fn check(&self, _owner: &SessionOwner) -> Result<(), String> {
        Ok(())
    }

    async fn app(&self, secret: &Key) -> Result<Option<AppCredentials>, String> {
        Ok(self.secrets.with(&secret.name, |values| {
            let text = |name| login::text(values.value(name)?);
            AppCredentials {
                version: values.version(),
                api_key: text(SECRET_API_KEY),
                api_secret: text(SECRET_API_SECRET),
            }
        }))
    }

    async fn webhook(&self, secret: &Key) -> Result<Option<Zeroizing<String>>, String> {
        let address = self.secrets.with(&secret.name, |values| {
            login::text(values.value(SECRET_WEBHOOK_URL)?)
        });
        Ok(address.flatten())
    }

    async fn write(&self, owner: &SessionOwner, session: &SessionValues) -> Result<(), String> {
        let folder = (self.session)(&owner.account.name);
        session::write(&folder, session).map_err(|error| format!("{}: {error}", folder.display()))
    }
}

/// The file with the key.
const KEY_FILE: &str = "key";

fn read(folder: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let key = contract::mount::read(folder, KEY_FILE, LARGEST_KEY)?;
    Ok(key.map(Zeroizing::new))
}
