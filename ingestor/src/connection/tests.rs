//! Tests of a connection on a real socket.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::time::Duration;

use kite::session::{DIAL_TIMEOUT, FIRST_DIAL_SPREAD};
use kite::{Mode, Token};
use tokio::net::TcpListener;

use super::*;
use crate::input::credential_reader::CredentialReader;

fn one_token() -> BTreeMap<Token, Mode> {
    BTreeMap::from([(Token(258), Mode::Full)])
}

fn credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (contract::mount::API_KEY_FILE, b"key".to_vec()),
        (contract::mount::ACCESS_TOKEN_FILE, b"token".to_vec()),
    ];
    contract::mount::publish(folder.path(), &files.into()).unwrap();
    folder
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_dial_is_named() {
    service::tls::install();
    // It accepts, and never answers the upgrade.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = credentials();
    let dialler = Dialler {
        origin: format!("ws://{}", silent.local_addr().unwrap()),
        credentials: CredentialReader::new(folder.path().to_owned()),
        tls: service::tls::client_config().unwrap(),
        proxy: None,
    };
    let mut connection = Connection::new(0, 1);
    connection.set_credentials(true);
    connection.set_desired(one_token());
    let start = service::clock::Clock::system().now();
    let dialled = start + FIRST_DIAL_SPREAD;
    poll_fn(|cx| {
        for now in [start, dialled, dialled + DIAL_TIMEOUT] {
            connection.poll(cx, now, Some(&dialler));
        }
        Poll::Ready(())
    })
    .await;
    let error = connection.last_error().unwrap_or_default();
    let expected = format!("no connection to {} within 10 s", dialler.origin);
    assert!(error.starts_with(&expected), "{error}");
}

/// Kite counts a socket until its Close frame is answered: a dial before that is one too many.
#[tokio::test]
async fn a_dial_waits_until_the_old_socket_has_said_goodbye() {
    service::tls::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = credentials();
    let dialler = Dialler {
        origin: format!("ws://{}", listener.local_addr().unwrap()),
        credentials: CredentialReader::new(folder.path().to_owned()),
        tls: service::tls::client_config().unwrap(),
        proxy: None,
    };
    let clock = service::clock::Clock::system();
    let mut connection = Connection::new(0, 1);
    connection.set_credentials(true);
    connection.set_desired(one_token());
    let live = async |connection: &mut Connection| {
        let mut alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| {
            loop {
                connection.poll(cx, clock.now(), Some(&dialler));
                if connection.is_live() {
                    return Poll::Ready(());
                }
                if let Some(deadline) = connection.deadline() {
                    alarm.as_mut().reset(deadline.into());
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    };
    let accept = async || {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_tungstenite::accept_async(stream).await.unwrap()
    };
    let (mut server, ()) = tokio::join!(accept(), live(&mut connection));

    for desired in [BTreeMap::new(), one_token()] {
        connection.set_desired(desired);
        poll_fn(|cx| {
            let now = clock.now();
            connection.poll(cx, now, Some(&dialler));
            connection.poll(cx, now + FIRST_DIAL_SPREAD, Some(&dialler));
            Poll::Ready(())
        })
        .await;
    }
    assert!(
        matches!(
            connection.socket,
            SocketState::Closing { next: Some(_), .. }
        ),
        "the server has not answered the Close frame"
    );

    let answer = async {
        while futures::StreamExt::next(&mut server).await.is_some() {}
        accept().await
    };
    tokio::join!(answer, live(&mut connection));
    assert_eq!((connection.opened(), connection.last_error()), (2, None));
}
