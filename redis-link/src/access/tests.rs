//! What each combination of files leads to, and what the errors say.

use std::sync::Mutex;

use super::*;

/// A certificate that was signed with its own key.
struct Made {
    certificate: String,
    private_key: String,
}

impl Made {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            private_key: made.signing_key.serialize_pem(),
        }
    }
}

fn contents(files: &[(&str, &str)]) -> FileContents {
    FILES.map(|name| {
        let found = files.iter().find(|(other, _)| *other == name);
        found.map(|(_, text)| text.as_bytes().to_vec())
    })
}

fn read(tls: bool, files: &[(&'static str, &str)]) -> Result<LinkCredentials, AccessError> {
    let contents = contents(files);
    let read: ReadFiles = Arc::new(move || Ok(contents.clone()));
    Access::new(Some(read), Roots::of_machine())
        .unwrap()
        .read_now(tls)
}

fn complaint(files: &[(&'static str, &str)]) -> String {
    let error = read(true, files).unwrap_err();
    service::exit::chain(&error).to_string()
}

#[test]
fn without_files_there_is_no_login_and_the_usual_trust() {
    let roots = Roots::of_machine();
    let nothing: ReadFiles = Arc::new(|| Ok(FileContents::default()));
    for files in [None, Some(nothing)] {
        let access = Access::new(files, roots.clone()).unwrap();
        let keys = access.read_now(true).unwrap();
        assert!(keys.login.is_none() && !keys.own_authorities && !keys.certificate);
        assert!(Arc::ptr_eq(&keys.tls, &access.usual));
    }
}

#[test]
fn a_login_loses_its_line_end_and_is_never_shown() {
    let login = |files: &[(&'static str, &str)]| {
        let keys = read(false, files).unwrap();
        let login = keys.login.clone().unwrap();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("pass "), "{shown}");
        (login.user, login.password.expose_secret().to_vec())
    };
    let alice = login(&[("username", "alice\n"), ("password", " pass \r\n")]);
    assert_eq!(alice, ("alice".to_owned(), b" pass ".to_vec()));
    let nobody = login(&[("username", "\n"), ("password", "pass ")]);
    assert_eq!(nobody, ("default".to_owned(), b"pass ".to_vec()));
}

#[test]
fn sentinels_have_a_login_of_their_own_with_or_without_a_user() {
    let login = |files: &[(&'static str, &str)]| {
        let keys = read(false, files).unwrap();
        assert!(keys.login.is_none());
        let login = keys.sentinel_login.unwrap();
        (login.user, login.password.expose_secret().to_vec())
    };
    let alone = login(&[("sentinel_password", "pass\n")]);
    assert_eq!(alone, (String::new(), b"pass".to_vec()));
    let alice = login(&[
        ("sentinel_username", "alice"),
        ("sentinel_password", "pass"),
    ]);
    assert_eq!(alice.0, "alice");
    assert_eq!(
        complaint(&[("sentinel_username", "alice")]),
        "the Secret for redis has sentinel_username but not sentinel_password: add the password"
    );
}

#[test]
fn authorities_and_certificate_are_taken_where_tls_is_spoken() {
    let made = Made::new();
    let pair = [
        ("tls.crt", made.certificate.as_str()),
        ("tls.key", made.private_key.as_str()),
        ("ca.crt", made.certificate.as_str()),
    ];
    let keys = read(true, &pair).unwrap();
    assert!(keys.own_authorities && keys.certificate);
    assert!(keys.tls.client_auth_cert_resolver.has_certs());
    let keys = read(true, &pair[..2]).unwrap();
    assert!(!keys.own_authorities && keys.certificate);
    let keys = read(true, &pair[2..]).unwrap();
    assert!(keys.own_authorities && !keys.certificate);
    let plain = read(false, &[("ca.crt", "not looked at")]).unwrap();
    assert!(!plain.own_authorities);
}

#[test]
fn each_fault_names_its_file_and_what_to_do() {
    let (made, other) = (Made::new(), Made::new());
    let certificate = ("tls.crt", made.certificate.as_str());
    assert_eq!(
        complaint(&[("username", "alice")]),
        "the Secret for redis has username but not password: add the password"
    );
    assert_eq!(
        complaint(&[("ca.crt", "rubbish")]),
        "ca.crt in the Secret for redis cannot be used: no certificate in PEM form"
    );
    assert_eq!(
        complaint(&[certificate]),
        "the Secret for redis has tls.crt but not tls.key: a client certificate needs both"
    );
    assert_eq!(
        complaint(&[("tls.key", "secret")]),
        "the Secret for redis has tls.key but not tls.crt: a client certificate needs both"
    );
    assert_eq!(
        complaint(&[certificate, ("tls.key", "secret")]),
        "tls.key in the Secret for redis cannot be used: \
         no private key in PEM form without a pass phrase"
    );
    assert_eq!(
        complaint(&[("tls.crt", "rubbish"), ("tls.key", &made.private_key)]),
        "tls.crt in the Secret for redis cannot be used: no certificate in PEM form"
    );
    assert_eq!(
        complaint(&[certificate, ("tls.key", &other.private_key)]),
        "tls.key in the Secret for redis does not match the certificate in tls.crt: use the key and the \
         certificate of one pair"
    );
}

#[test]
fn files_are_read_anew_each_time() {
    let folder = Arc::new(Mutex::new(FileContents::default()));
    let files = Arc::clone(&folder);
    let read: ReadFiles = Arc::new(move || Ok(files.lock().unwrap().clone()));
    let access = Access::new(Some(read), Roots::of_machine()).unwrap();
    for password in ["one", "two"] {
        *folder.lock().unwrap() = contents(&[("password", password)]);
        let login = access.read_now(false).unwrap().login.unwrap();
        assert_eq!(login.password.expose_secret(), password.as_bytes());
    }
}
