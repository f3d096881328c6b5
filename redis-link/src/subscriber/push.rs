//! What a server says on a connection that subscribes.
//!
//! Owns telling messages, confirmations and refusals apart. Pure.

use crate::replies::Reply;

/// One thing that the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push<'a> {
    Message {
        channel: &'a str,
        payload: &'a [u8],
    },
    Subscribed(&'a str),
    /// Asked for, or because the slot of a sharded channel went to another master.
    Unsubscribed(&'a str),
    Pong,
    Refused(&'a [u8]),
    /// Nothing that was asked for.
    Other,
}

/// Reads one reply.
pub(super) fn read(reply: Reply<'_>) -> Push<'_> {
    let list = match reply {
        Reply::List(list) => list,
        Reply::Simple(b"PONG") => return Push::Pong,
        Reply::Error(text) => return Push::Refused(text),
        Reply::Simple(_) | Reply::Integer(_) | Reply::Bulk(_) => return Push::Other,
    };
    let mut members = list.members();
    let kind = members.next().and_then(bytes);
    let name = members.next().and_then(bytes);
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    match (kind, name) {
        (Some(b"message" | b"smessage"), Some(channel)) => match members.next().and_then(bytes) {
            Some(payload) => Push::Message { channel, payload },
            None => Push::Other,
        },
        (Some(b"subscribe" | b"ssubscribe"), Some(channel)) => Push::Subscribed(channel),
        (Some(b"unsubscribe" | b"sunsubscribe"), Some(channel)) => Push::Unsubscribed(channel),
        (Some(b"pong"), _) => Push::Pong,
        _ => Push::Other,
    }
}

const fn bytes(reply: Reply<'_>) -> Option<&[u8]> {
    match reply {
        Reply::Bulk(text) => text,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::Replies;

    #[test]
    fn what_a_server_says_is_told_apart() {
        // As Redis 7 sends it.
        let bytes = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n\
            *3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n+PONG\r\n\
            *3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n-MOVED 3 h:1\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n:7\r\n";
        let mut replies = Replies::default();
        replies.extend(bytes);
        for expected in [
            Push::Subscribed("a"),
            Push::Message {
                channel: "a",
                payload: b"hi",
            },
            Push::Message {
                channel: "b",
                payload: b"",
            },
            Push::Pong,
            Push::Pong,
            Push::Unsubscribed("b"),
            Push::Refused(b"MOVED 3 h:1"),
            Push::Other,
            Push::Other,
        ] {
            assert_eq!(read(replies.next_reply().unwrap().unwrap()), expected);
        }
    }
}
