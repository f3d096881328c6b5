//! A client of the gateway's JSON protocol.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A message comes within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open socket.
#[derive(Debug)]
pub struct TickSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl TickSocket {
    /// Connects with these headers.
    ///
    /// # Errors
    /// When the upgrade is refused.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            let name: HeaderName = name.parse()?;
            request
                .headers_mut()
                .insert(name, HeaderValue::from_str(value)?);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket })
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send(&mut self, command: &Value) -> Result<()> {
        self.send_text(&command.to_string()).await
    }

    /// Sends a text frame.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Sends a binary frame.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send_binary(&mut self, bytes: Bytes) -> Result<()> {
        Ok(self.socket.send(Message::Binary(bytes)).await?)
    }

    /// The next message.
    ///
    /// # Errors
    /// When the socket is closed, or none comes.
    pub async fn next(&mut self) -> Result<Value> {
        match self.frame().await? {
            Message::Text(text) => Ok(serde_json::from_str(&text)?),
            other => bail!("no text: {other:?}"),
        }
    }

    /// The next message of a type; others before it are dropped.
    ///
    /// # Errors
    /// When the socket is closed, or none comes.
    pub async fn next_of(&mut self, kind: &str) -> Result<Value> {
        loop {
            let message = self.next().await?;
            if message["type"] == kind {
                return Ok(message);
            }
        }
    }

    /// The next frame that is no ping.
    ///
    /// # Errors
    /// When the socket breaks, or none comes.
    pub async fn frame(&mut self) -> Result<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let frame = next
                .context("no message")?
                .context("the socket has ended")??;
            if !matches!(frame, Message::Ping(_) | Message::Pong(_)) {
                return Ok(frame);
            }
        }
    }

    /// Code and text with which it is closed; messages before that are dropped.
    ///
    /// # Errors
    /// When it is not closed with a code.
    pub async fn closed(&mut self) -> Result<(u16, String)> {
        loop {
            if let Message::Close(frame) = self.frame().await? {
                let frame = frame.context("closed without a code")?;
                return Ok((frame.code.into(), frame.reason.to_string()));
            }
        }
    }
}
