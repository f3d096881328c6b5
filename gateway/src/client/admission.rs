//! Lets clients in: where from, who, and whether there is a place.
//!
//! Owns `/ws/ticks` until the conversation begins. A browser sees the reason of a close, but not that of a
//! refused upgrade: so the socket is opened first, and closed with the reason.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream::SplitStream;
use secrecy::SecretString;
use serde::Deserialize;

use super::Gateway;
use super::conversation::Conversation;
use super::frames::{self, End, Sink};
use super::quota::Connection;
use crate::auth::AuthError;
use crate::protocol::command::{self, Command};
use crate::rights::Rights;

/// The buffers of one socket: thousands of clients have one each.
pub(super) const BUFFER: usize = 4 * 1024;

/// How long a client may take to say who it is.
const AUTH_WAIT: Duration = Duration::from_secs(10);

/// The longest name of a user in a log line.
const LONGEST_USER: usize = 64;

/// What the address of `/ws/ticks` may hold.
#[derive(Deserialize)]
pub(crate) struct TicksQuery {
    token: Option<String>,
}

/// What a request says of its client.
struct Visitor {
    token: Option<SecretString>,
    is_of_allowed_origin: bool,
}

/// Opens the socket of a client.
pub(crate) async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<TicksQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let visitor = Visitor {
        token: bearer(&headers).or(query.token.map(SecretString::from)),
        is_of_allowed_origin: is_allowed(&headers, &gateway.origins),
    };
    let frame = gateway.limits.frame;
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(frame)
        .max_frame_size(frame)
        .on_upgrade(move |socket| serve(gateway, visitor, socket))
}

/// The token of the header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| SecretString::from(token.trim()))
}

/// Whether the page is of this host or of an allowed one. Programs that are no browsers name no page.
pub(crate) fn is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let page = origin.split_once("://").map(|(_, page)| page);
    let same = page.is_some() && page == host;
    same || origins
        .iter()
        .any(|it| it == "*" || it.trim_end_matches('/') == origin)
}

async fn serve(gateway: Arc<Gateway>, visitor: Visitor, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let end = match admit(&gateway, visitor, &mut stream).await {
        Ok((rights, token)) => converse(&gateway, rights, token, &mut sink, &mut stream).await,
        Err(end) => {
            tracing::info!(why = end.word(), reason = reason(&end), "client refused");
            end
        }
    };
    frames::close(sink, &end).await;
}

fn reason(end: &End) -> &str {
    match end {
        End::Policy(text) | End::Later(text) => text,
        _ => "",
    }
}

/// Who the client is.
async fn admit(
    gateway: &Gateway,
    visitor: Visitor,
    stream: &mut SplitStream<WebSocket>,
) -> Result<(Rights, SecretString), End> {
    if !visitor.is_of_allowed_origin {
        return Err(End::Policy("Origin not allowed".to_owned()));
    }
    if gateway.shutdown.is_cancelled() {
        return Err(End::Drain);
    }
    if gateway.directory.borrow().is_none() {
        return Err(End::Later("Not ready".to_owned()));
    }
    let token = match visitor.token {
        Some(token) => token,
        None => first_message(stream).await?,
    };
    match gateway.authenticator.check(&token).await {
        Ok(rights) => Ok((rights, token)),
        Err(error) => Err(End::refused(&error)),
    }
}

/// The token of a client that says it in its first message.
async fn first_message(stream: &mut SplitStream<WebSocket>) -> Result<SecretString, End> {
    let missing = || End::Policy(AuthError::Missing.to_string());
    let first = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => match command::parse(&text).command {
                    Ok(Command::Auth(token)) => return Ok(token),
                    _ => return Err(missing()),
                },
                Some(Ok(Message::Binary(_))) => return Err(End::Binary),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(End::Client),
                Some(Err(error)) => return Err(frames::end_of(error)),
            }
        }
    };
    let first = tokio::time::timeout(AUTH_WAIT, first).await;
    first.unwrap_or_else(|_elapsed| Err(missing()))
}

async fn converse(
    gateway: &Arc<Gateway>,
    rights: Rights,
    token: SecretString,
    sink: &mut Sink,
    stream: &mut SplitStream<WebSocket>,
) -> End {
    let client = gateway.new_client();
    let connection = Connection {
        connection_id: format!("{:016x}", fastrand::u64(..)),
        user_id: rights.user.user_id.as_str().into(),
        connected_at: gateway.authenticator.now(),
    };
    let id = connection.connection_id.clone();
    let _place = match gateway.connections.enter(client, connection) {
        Ok(place) => place,
        Err(error) => return End::Later(error.to_string()),
    };
    let user = service::text::printable(&rights.user.user_id, LONGEST_USER);
    tracing::info!(user, connection = id, "client connected");
    let mut conversation = Conversation::begin(Arc::clone(gateway), client, &id, rights, token);
    let end = conversation.run(sink, stream).await;
    drop(conversation);
    tracing::info!(
        user,
        connection = id,
        why = end.word(),
        reason = reason(&end),
        "client left"
    );
    end
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_page_of_this_host_or_of_an_allowed_one_may_connect() {
        let from = |origin| headers(&[(header::ORIGIN, origin), (header::HOST, "ticks.example")]);
        let none: &[String] = &[];
        assert!(is_allowed(&headers(&[]), none), "no browser");
        assert!(is_allowed(&from("https://ticks.example"), none));
        assert!(!is_allowed(&from("https://evil.example"), none));
        assert!(!is_allowed(&from("null"), none));
        let allowed = ["https://desk.example".to_owned()];
        assert!(is_allowed(&from("https://desk.example"), &allowed));
        assert!(!is_allowed(&from("https://desk.example.evil"), &allowed));
    }

    #[test]
    fn the_header_may_hold_the_token() {
        let token = |value| bearer(&headers(&[(header::AUTHORIZATION, value)]));
        assert_eq!(token("Bearer a.b.c").unwrap().expose_secret(), "a.b.c");
        assert_eq!(token("bearer a.b.c").unwrap().expose_secret(), "a.b.c");
        assert!(token("Basic a").is_none() && token("x").is_none());
    }
}
