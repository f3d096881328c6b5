//! The server against real sockets on loopback.

use axum::extract::ConnectInfo;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::get;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes, shorter than a hung test run.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

struct Running {
    addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn start(limits: Limits, router: Router) -> Running {
    let server = Server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let (addr, stop) = (server.local_addr(), CancellationToken::new());
    let task = tokio::spawn(server.limits(limits).serve(router, stop.clone()));
    Running { addr, stop, task }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(LONG, self.task).await.unwrap().unwrap();
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// All bytes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    timeout(LONG, read)
        .await
        .expect("the server closes")
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until `end` appears; fails when the server closes first.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = timeout(LONG, stream.read_u8()).await.expect("an answer");
        text.push(char::from(byte.unwrap()));
    }
    text
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn requests_are_answered_and_handlers_see_the_peer() {
    let router = Router::new().route(
        "/",
        get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
    );
    let server = start(Limits::default(), router);
    let mut client = server.connect().await;
    let own = client.local_addr().unwrap().to_string();
    send(&mut client, GET).await;
    read_until(&mut client, &format!("\r\n\r\n{own}")).await;
    send(&mut client, GET).await;
    read_until(&mut client, &format!("\r\n\r\n{own}")).await;
    server.end().await;
}

#[tokio::test]
async fn a_slow_header_is_cut_although_bytes_keep_coming() {
    let limits = Limits {
        header_read: SHORT,
        ..Limits::default()
    };
    let server = start(limits, hello());
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\n").await;
    let (mut read, mut write) = client.split();
    let mut drip = tokio::time::interval(SHORT / 10);
    let mut answer = Vec::new();
    let dripping = async {
        while write.write_all(b"x: y\r\n").await.is_ok() {
            drip.tick().await;
        }
    };
    let both = async { tokio::join!(dripping, read.read_to_end(&mut answer)) };
    drop(
        timeout(LONG, both)
            .await
            .expect("the server cuts the client"),
    );
    assert!(!String::from_utf8_lossy(&answer).contains("hello"));
    server.end().await;
}

#[tokio::test]
async fn silent_and_kept_alive_connections_are_closed() {
    let limits = Limits {
        header_read: SHORT,
        ..Limits::default()
    };
    let server = start(limits, hello());
    assert_eq!(rest(&mut server.connect().await).await, "");
    let mut used = server.connect().await;
    send(&mut used, GET).await;
    assert!(rest(&mut used).await.ends_with("\r\n\r\nhello"));
    server.end().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_cut() {
    let limits = Limits {
        idle: SHORT,
        ..Limits::default()
    };
    let router = Router::new().route("/", axum::routing::post(async |body: String| body));
    let server = start(limits, router);
    let mut client = server.connect().await;
    send(
        &mut client,
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
    )
    .await;
    assert_eq!(rest(&mut client).await, "");
    server.end().await;
}

#[tokio::test]
async fn a_client_over_the_limit_waits_for_a_place() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = start(limits, hello());
    let mut first = server.connect().await;
    send(&mut first, GET).await;
    read_until(&mut first, "hello").await;

    let mut second = server.connect().await;
    send(&mut second, GET).await;
    let early = timeout(SHORT, second.read_u8()).await;
    assert!(
        early.is_err(),
        "not served while the place is taken: {early:?}"
    );

    drop(first);
    read_until(&mut second, "hello").await;
    server.end().await;
}

fn echo(stop: CancellationToken) -> Router {
    let upgrade = async move |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |mut socket| {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    message = socket.recv() => match message {
                        Some(Ok(Message::Text(text))) => {
                            socket.send(Message::Text(text)).await.unwrap();
                        }
                        _ => return,
                    },
                }
            }
            socket.send(Message::Close(None)).await.unwrap();
        })
    };
    Router::new().route("/ws", get(upgrade))
}

#[tokio::test]
async fn upgraded_sockets_outlive_the_idle_limit_and_end_with_a_close_frame() {
    let limits = Limits {
        idle: SHORT / 10,
        connections: 1,
        ..Limits::default()
    };
    let server = Server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let (addr, stop) = (server.local_addr(), CancellationToken::new());
    let serving = server
        .limits(limits)
        .serve(echo(stop.clone()), stop.clone());
    let task = tokio::spawn(serving);

    let stream = TcpStream::connect(addr).await.unwrap();
    let connecting = tokio_tungstenite::client_async(format!("ws://{addr}/ws"), stream);
    let (mut socket, _) = timeout(LONG, connecting).await.unwrap().unwrap();
    let silence = timeout(SHORT, socket.next()).await;
    assert!(silence.is_err(), "still open, nothing said: {silence:?}");
    socket.send("ping".into()).await.unwrap();
    let answer = timeout(LONG, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(answer.into_text().unwrap().as_str(), "ping");

    let mut other = TcpStream::connect(addr).await.unwrap();
    send(&mut other, GET).await;
    let early = timeout(SHORT, other.read_u8()).await;
    assert!(
        early.is_err(),
        "the upgraded socket keeps its place: {early:?}"
    );

    stop.cancel();
    let last = timeout(LONG, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(last.is_close(), "{last:?}");
    drop(socket);
    timeout(LONG, task).await.unwrap().unwrap();
}

/// A route that says when it was entered and answers when it is allowed to.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&entered), Arc::clone(&go));
    let handler = async move || {
        tell.notify_one();
        wait.notified().await;
        "late"
    };
    (Router::new().route("/", get(handler)), entered, go)
}

#[tokio::test]
async fn a_request_in_flight_is_finished_after_shutdown_and_new_clients_are_refused() {
    let (router, entered, go) = held();
    let server = start(
        Limits {
            drain: LONG,
            ..Limits::default()
        },
        router,
    );
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    timeout(LONG, entered.notified()).await.unwrap();

    server.stop.cancel();
    let refused = async { while TcpStream::connect(server.addr).await.is_ok() {} };
    timeout(LONG, refused)
        .await
        .expect("the listener closes at once");
    go.notify_one();
    assert!(rest(&mut client).await.ends_with("\r\n\r\nlate"));
    server.end().await;
}

#[tokio::test]
async fn the_drain_is_bounded() {
    let (router, entered, _go) = held();
    let limits = Limits {
        drain: SHORT,
        ..Limits::default()
    };
    let server = start(limits, router);
    let mut client = server.connect().await;
    send(&mut client, GET).await;
    timeout(LONG, entered.notified()).await.unwrap();
    server.end().await;
    assert_eq!(rest(&mut client).await, "", "cut without an answer");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let server = Server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = Server::bind(server.local_addr()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {}: name another address with --listen",
            server.local_addr()
        )
    );
}

#[tokio::test]
async fn a_peer_that_holds_connections_open_does_not_keep_others_out() {
    let limits = Limits {
        connections: 4,
        per_peer: 3,
        header_read: 10 * LONG,
        ..Limits::default()
    };
    let (router, entered, go) = held();
    let server = start(limits, router.route("/hello", get(async || "hello")));
    let mut held = Vec::new();
    for _ in 0..limits.per_peer {
        let mut stream = server.connect().await;
        send(&mut stream, GET).await;
        timeout(LONG, entered.notified()).await.unwrap();
        held.push(stream);
    }
    assert_eq!(rest(&mut server.connect().await).await, "", "one too many");
    // Another address of this machine is another peer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = socket.connect(server.addr).await.unwrap();
    send(&mut other, &GET.replace("/ ", "/hello ")).await;
    read_until(&mut other, "hello").await;
    drop(other);
    // What is not in use gives way to the next of its peer.
    go.notify_one();
    let mut answered = None;
    while answered.is_none() {
        let mut next = server.connect().await;
        send(&mut next, &GET.replace("/ ", "/hello ")).await;
        answered = rest_or_hello(&mut next).await.then_some(next);
    }
    drop((held, answered));
    server.end().await;
}

/// Whether it is answered; `false` if it is closed instead.
async fn rest_or_hello(stream: &mut TcpStream) -> bool {
    let mut text = String::new();
    while !text.ends_with("hello") {
        match timeout(LONG, stream.read_u8()).await.expect("an answer") {
            Ok(byte) => text.push(char::from(byte)),
            Err(_closed) => return false,
        }
    }
    true
}

#[tokio::test]
async fn connections_that_are_not_used_do_not_keep_their_own_peer_out() {
    let limits = Limits {
        per_peer: 3,
        header_read: 10 * LONG,
        ..Limits::default()
    };
    let server = start(limits, hello());
    let mut silent = server.connect().await;
    let mut held = Vec::new();
    for _ in 0..limits.per_peer {
        let mut stream = server.connect().await;
        send(&mut stream, GET).await;
        read_until(&mut stream, "hello").await;
        held.push(stream);
    }
    assert_eq!(rest(&mut silent).await, "", "the oldest gave way");
    drop(held);
    server.end().await;
}
