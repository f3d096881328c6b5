//! Names in the cluster: API group, labels, annotations, field managers and the objects an account owns.
//!
//! Must not decide what is written.

/// The API group of both kinds.
pub const GROUP: &str = "kiteticker.dev";
/// The served and stored version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// The category of both kinds: `kubectl get kiteticker`.
pub const CATEGORY: &str = "kiteticker";
/// The longest name of an account or a set. A pod's name, the names of owned objects and the label values built from it
/// stay below 63 characters.
pub const MAX_NAME: usize = 40;

/// Field manager of everything the operator applies to objects it owns.
pub const FIELD_MANAGER: &str = "kite-operator";
/// Field manager of status writes, apart from [`FIELD_MANAGER`], so that one never drops the other's fields.
pub const STATUS_FIELD_MANAGER: &str = "kite-operator-status";

/// Label on every owned object: the program it belongs to. Its value is [`APP`].
pub const LABEL_APP: &str = "app.kubernetes.io/name";
/// Value of [`LABEL_APP`].
pub const APP: &str = "kite-ticker";
/// Label on every owned object: its part of the program. Its value is [`COMPONENT_INGESTOR`].
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// Value of [`LABEL_COMPONENT`] on the objects of an ingest pod.
pub const COMPONENT_INGESTOR: &str = "ingestor";
/// Label on every owned object: the program that manages it. Its value is [`FIELD_MANAGER`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label on every owned object: the name of its account.
pub const LABEL_ACCOUNT: &str = "kiteticker.dev/account";

/// Annotation on an ingest pod. Changing it makes the kubelet refresh the pod's mounted files at once; the value is the
/// assignment's generation, or the version of what else has changed.
pub const ANNOTATION_POKE: &str = "kiteticker.dev/poke";
/// Annotation on the assignment's ConfigMap: the UID of the account it was written for. A new account of an old name
/// starts its generations from the beginning.
pub const ANNOTATION_ACCOUNT_UID: &str = "kiteticker.dev/account-uid";

/// Annotation of an account or a set: each new value asks once for its instruments to be placed anew. It is the user's, and
/// the operator never writes it.
pub const ANNOTATION_REBALANCE: &str = "kiteticker.dev/rebalance";

/// Key of the Secret that holds the Kite API key.
pub const SECRET_API_KEY: &str = "api_key";
/// Key of the Secret that holds the access token of the day.
pub const SECRET_ACCESS_TOKEN: &str = "access_token";

/// Key of the Secret that holds the API secret, with which a login is exchanged for an access token.
pub const SECRET_API_SECRET: &str = "api_secret";
/// Key of the Secret with the address of a webhook.
pub const SECRET_WEBHOOK_URL: &str = "url";
/// The operator's Secret with the key that signs login links.
pub const LOGIN_KEY_SECRET: &str = "kt-login-key";
/// Key of that Secret.
pub const LOGIN_KEY: &str = "key";

/// Key of a session's Secret: its mark, the hash of the account's UID and the API key.
pub const SESSION_KEY_HASH: &str = "key_hash";
/// Key of a session's Secret: who has logged in.
pub const SESSION_USER_ID: &str = "user_id";
/// Key of a session's Secret: when, in RFC 3339.
pub const SESSION_LOGIN_TIME: &str = "login_time";
/// Key of a session's Secret: how its token came there, `login` or `token-set`.
pub const SESSION_SOURCE: &str = "source";

/// Name of the StatefulSet that runs an account's ingest pod.
#[must_use]
pub fn stateful_set(account: &str) -> String {
    format!("kt-{account}")
}

/// Name of the headless Service over an account's ingest pod.
#[must_use]
pub fn service(account: &str) -> String {
    format!("kt-{account}")
}

/// Name of an account's only ingest pod (a StatefulSet of one replica).
#[must_use]
pub fn pod(account: &str) -> String {
    format!("kt-{account}-0")
}

/// Name of the ConfigMap that carries an account's assignment.
#[must_use]
pub fn assignment_config_map(account: &str) -> String {
    format!("kt-{account}-assignment")
}

/// Name of the Secret with the token of an account's last login.
#[must_use]
pub fn session_secret(account: &str) -> String {
    format!("kt-{account}-session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_account_name_fits_every_owned_object() {
        let account = "a".repeat(MAX_NAME);
        for name in [
            stateful_set(&account),
            service(&account),
            pod(&account),
            assignment_config_map(&account),
            session_secret(&account),
        ] {
            assert!(name.len() <= 63, "{name} is no DNS label");
        }
        // The StatefulSet controller puts `<name>-<hash of ten>` into a pod label, whose value ends at 63 characters.
        assert!(stateful_set(&account).len() + 11 <= 63);
    }
}
