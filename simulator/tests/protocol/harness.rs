//! One simulator process per test, and clients for it.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use kite::{Command, Packet, Packets};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command as Process};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What any single wait may take; far more than it ever should.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What users type: any will do.
pub(crate) const PASSWORD: &str = "fake-password";
/// What users type: any will do.
pub(crate) const TOTP: &str = "fake-totp";

pub(crate) struct Simulator {
    pub(crate) process: Child,
    pub(crate) addr: String,
    http: reqwest::Client,
    _folder: TempDir,
}

impl Simulator {
    /// Starts one on a free port, with more arguments of `serve`.
    pub(crate) async fn start(args: &[&str]) -> Self {
        service::tls::install();
        let folder = tempfile::tempdir().unwrap();
        let port_file = folder.path().join("port");
        let process = Process::new(env!("CARGO_BIN_EXE_kite-simulator"))
            .args(["serve", "--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .args(args)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut polls = tokio::time::interval(Duration::from_millis(20));
        let addr = within(async {
            loop {
                polls.tick().await;
                if let Some(addr) = service::http::read_port_file(&port_file).unwrap() {
                    return addr.to_string();
                }
            }
        })
        .await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            process,
            addr,
            http,
            _folder: folder,
        }
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("http://{}{path}", self.addr))
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("http://{}{path}", self.addr))
    }

    pub(crate) fn delete(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.delete(format!("http://{}{path}", self.addr))
    }

    /// A control request that has to succeed.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Posts the login page of `key` as its button Login does. Returns the parameters that the browser comes back with.
    pub(crate) async fn log_in(&self, user_id: &str) -> HashMap<String, String> {
        let form = [
            ("v", "3"),
            ("api_key", "key"),
            ("redirect_params", "state=of.it"),
            ("user_id", user_id),
            ("password", PASSWORD),
            ("totp", TOTP),
        ];
        let answer = self.post("/connect/login").form(&form).send().await;
        callback(&answer.unwrap()).1
    }

    /// Exchanges a request token of `key`, whose secret is `secret`.
    pub(crate) async fn open_session(&self, request_token: &str) -> (u16, Value) {
        let checksum = kite::rest::checksum("key", request_token, "secret");
        let form = [
            ("api_key", "key"),
            ("request_token", request_token),
            ("checksum", &checksum),
        ];
        let answer = self.post(kite::rest::SESSION_PATH).form(&form).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Logs a user of `key` in. Returns the session.
    pub(crate) async fn session(&self, user_id: &str) -> Value {
        let login = self.log_in(user_id).await;
        let (status, mut answer) = self.open_session(&login["request_token"]).await;
        assert_eq!(status, 200, "{answer}");
        answer["data"].take()
    }

    /// The status and body of the profile that a token of `key` belongs to.
    pub(crate) async fn profile(&self, access_token: &str) -> (u16, Value) {
        let authorization = kite::rest::authorization("key", access_token);
        let request = self.get(kite::rest::PROFILE_PATH);
        let answer = request.header("Authorization", authorization).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn connect(&self, query: &str) -> Client {
        Client(self.try_connect(query).await.unwrap())
    }

    pub(crate) async fn try_connect(&self, query: &str) -> Result<Socket, tungstenite::Error> {
        let url = format!("ws://{}/?{query}", self.addr);
        within(connect_async(url)).await.map(|(socket, _)| socket)
    }

    /// The status that answers a handshake which is not upgraded.
    pub(crate) async fn refusal(&self, query: &str) -> u16 {
        match self.try_connect(query).await {
            Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// The URL that a browser is sent to, without and with its parameters.
pub(crate) fn callback(answer: &reqwest::Response) -> (String, HashMap<String, String>) {
    assert_eq!(answer.status(), 302);
    let mut url: reqwest::Url = answer.headers()["location"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let parameters = url.query_pairs().into_owned().collect();
    url.set_query(None);
    (url.to_string(), parameters)
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct Client(pub(crate) Socket);

impl Client {
    pub(crate) async fn command(&mut self, command: &Command) {
        self.0.send(Message::text(command.to_json())).await.unwrap();
    }

    /// The next message of any kind.
    pub(crate) async fn next(&mut self) -> Result<Message, tungstenite::Error> {
        within(self.0.next())
            .await
            .expect("the stream ended without an error")
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next().await.unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The next binary frame that is no heartbeat.
    pub(crate) async fn binary(&mut self) -> Vec<u8> {
        loop {
            if let Message::Binary(frame) = self.next().await.unwrap()
                && frame.len() != 1
            {
                return frame.to_vec();
            }
        }
    }

    /// The next `count` packets or more, up to the end of a frame.
    pub(crate) async fn packets(&mut self, count: usize) -> Vec<Packet> {
        let mut packets = Vec::new();
        while packets.len() < count {
            let frame = self.binary().await;
            packets.extend(Packets::new(&frame).map(|packet| packet.unwrap()));
        }
        packets
    }

    /// Binary frames until the simulator has answered a question that was asked after everything
    /// before: whatever was queued has come by then.
    pub(crate) async fn drain(&mut self, simulator: &Simulator) -> Vec<Vec<u8>> {
        simulator
            .control("/sim/text", json!({"text": "{\"type\": \"mark\"}"}))
            .await;
        let mut frames = Vec::new();
        loop {
            match self.next().await.unwrap() {
                Message::Binary(frame) => frames.push(frame.to_vec()),
                Message::Text(text) if text.contains("mark") => return frames,
                _ => {}
            }
        }
    }
}

/// Ends a wait that never should take long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future)
        .await
        .expect("waited too long")
}
