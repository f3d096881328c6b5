//! RESP2, the protocol of Redis: replies in.
//!
//! Owns reading them as far as the link needs it. Reading is incremental and total: any bytes,
//! cut anywhere, give replies, "more is needed" or an error, and never a panic.

/// No reply to a command of the link has a longer line or bulk string.
const LARGEST_REPLY: usize = 64 * 1024;

/// No reply to a command of the link has lists in lists deeper than this.
const DEEPEST: u8 = 4;

/// One reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `+text`.
    Simple(&'a [u8]),
    /// `-CODE text`.
    Error(&'a [u8]),
    /// `:number`.
    Integer(i64),
    /// `$` and that many bytes; `None` is null.
    Bulk(Option<&'a [u8]>),
    /// `*` and that many replies.
    List(ReplyList<'a>),
}

/// The replies of a list, all of them received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyList<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// Bytes that are not a reply to a command of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not RESP: check the address, and whether the port uses TLS")]
pub struct InvalidReply;

/// Reads replies from a stream.
#[derive(Debug, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    read: usize,
}

impl Replies {
    /// Adds bytes from the socket.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete reply, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`InvalidReply`]; nothing after it can be read.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, InvalidReply> {
        let rest = &self.bytes[self.read..];
        let Some((reply, len)) = parse(rest, 0)? else {
            return Ok(None);
        };
        self.read += len;
        Ok(Some(reply))
    }
}

impl<'a> ReplyList<'a> {
    /// Its members.
    pub fn members(self) -> impl Iterator<Item = Reply<'a>> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| {
            let (reply, len) = parse(rest, 1).ok()??;
            rest = &rest[len..];
            Some(reply)
        })
    }

    /// Its members as texts: numbers in digits, and an empty text for null and for a list.
    #[must_use]
    pub fn texts(self) -> Vec<String> {
        let texts = self.members().map(|member| match member {
            Reply::Simple(text) | Reply::Error(text) | Reply::Bulk(Some(text)) => {
                String::from_utf8_lossy(text).into_owned()
            }
            Reply::Integer(number) => number.to_string(),
            Reply::Bulk(None) | Reply::List(_) => String::new(),
        });
        texts.collect()
    }
}

/// The first reply of `bytes` and its length; `None` until it is complete. `depth`: how many lists
/// it is in.
fn parse(bytes: &[u8], depth: u8) -> Result<Option<(Reply<'_>, usize)>, InvalidReply> {
    let Some((kind, line, behind)) = split_line(bytes)? else {
        return Ok(None);
    };
    let mut len = behind;
    let reply = match kind {
        b'+' => Reply::Simple(line),
        b'-' => Reply::Error(line),
        b':' => Reply::Integer(number(line)?),
        b'$' if line == b"-1" => Reply::Bulk(None),
        b'$' => {
            let Some(text) = bulk(number(line)?, &bytes[behind..])? else {
                return Ok(None);
            };
            len += text.len() + 2;
            Reply::Bulk(Some(text))
        }
        b'*' if depth < DEEPEST => {
            let Some(list) = list(number(line)?, &bytes[behind..], depth)? else {
                return Ok(None);
            };
            len += list.bytes.len();
            Reply::List(list)
        }
        _ => return Err(InvalidReply),
    };
    Ok(Some((reply, len)))
}

/// The list of `count` replies in `rest`; null counts as empty.
fn list(count: i64, rest: &[u8], depth: u8) -> Result<Option<ReplyList<'_>>, InvalidReply> {
    let count = usize::try_from(count.max(0)).map_err(|_| InvalidReply)?;
    let mut len = 0;
    for _ in 0..count {
        let Some((_, more)) = parse(&rest[len..], depth + 1)? else {
            let is_too_long = rest.len() > LARGEST_REPLY;
            return if is_too_long {
                Err(InvalidReply)
            } else {
                Ok(None)
            };
        };
        len += more;
    }
    let bytes = &rest[..len];
    Ok(Some(ReplyList { count, bytes }))
}

/// The first line: kind, text, and length including its end.
type Line<'a> = (u8, &'a [u8], usize);

#[inline]
fn split_line(bytes: &[u8]) -> Result<Option<Line<'_>>, InvalidReply> {
    let Some((kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    match rest
        .iter()
        .take(LARGEST_REPLY)
        .position(|byte| *byte == b'\r')
    {
        Some(end) => match rest.get(end + 1) {
            Some(b'\n') => Ok(Some((*kind, &rest[..end], end + 3))),
            Some(_) => Err(InvalidReply),
            None => Ok(None),
        },
        None if rest.len() >= LARGEST_REPLY => Err(InvalidReply),
        None => Ok(None),
    }
}

fn number(text: &[u8]) -> Result<i64, InvalidReply> {
    if let [digit @ b'0'..=b'9'] = text {
        return Ok(i64::from(digit - b'0'));
    }
    let text = std::str::from_utf8(text).map_err(|_| InvalidReply)?;
    text.parse().map_err(|_| InvalidReply)
}

/// The first `len` bytes of `rest`; `None` until they and their line end arrive.
fn bulk(len: i64, rest: &[u8]) -> Result<Option<&[u8]>, InvalidReply> {
    let len = usize::try_from(len).map_err(|_| InvalidReply)?;
    if len > LARGEST_REPLY {
        return Err(InvalidReply);
    }
    match rest.get(len..len + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some(&rest[..len])),
        Some(_) => Err(InvalidReply),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `bytes` in pieces and writes down what comes out.
    fn read(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut replies = Replies::default();
        let mut seen = Vec::new();
        for piece in pieces {
            replies.extend(piece);
            loop {
                match replies.next_reply() {
                    Ok(Some(reply)) => seen.push(format!("{reply:?}")),
                    Ok(None) => break,
                    Err(InvalidReply) => return (seen, true),
                }
            }
        }
        (seen, false)
    }

    #[test]
    fn each_kind_is_read() {
        let mut replies = Replies::default();
        replies.extend(b"+PONG\r\n-ERR no\r\n:42\r\n$2\r\nhi\r\n$-1\r\n:1");
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Simple(b"PONG"))));
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Error(b"ERR no"))));
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Integer(42))));
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Bulk(Some(b"hi")))));
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Bulk(None))));
        assert_eq!(replies.next_reply(), Ok(None));
        replies.extend(b"0\r\n");
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Integer(10))));
    }

    #[test]
    fn lists_are_read_whole_with_what_is_in_them() {
        fn list(replies: &mut Replies) -> Option<Vec<String>> {
            match replies.next_reply().unwrap()? {
                Reply::List(list) => Some(list.texts()),
                other => panic!("{other:?}"),
            }
        }
        let mut replies = Replies::default();
        replies.extend(b"*2\r\n$1\r\na\r\n$2\r\nb");
        assert_eq!(replies.next_reply(), Ok(None), "the second is cut");
        replies.extend(b"c\r\n*-1\r\n*3\r\n*2\r\n:1\r\n$-1\r\n:7\r\n$1\r\nz\r\n+OK\r\n");
        assert_eq!(list(&mut replies).unwrap(), ["a", "bc"]);
        assert!(list(&mut replies).unwrap().is_empty());
        assert_eq!(list(&mut replies).unwrap(), ["", "7", "z"]);
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Simple(b"OK"))));
    }

    #[test]
    fn what_is_no_reply_is_garbage() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
            b":x\r\n",
            b"$-2\r\n",
            b"$99999999\r\n",
            b"$1\r\nabc",
            b"+a\rb",
            b"\x15\x03\x03\x00\x02\x02\x28\r\n",
        ] {
            assert!(read(&[bytes]).1, "{}", bytes.escape_ascii());
        }
        assert!(read(&[&vec![b'+'; LARGEST_REPLY + 1]]).1);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_read_alike(
            kinds in proptest::collection::vec(
                prop::sample::select(vec![&b"+OK\r\n"[..], b":0\r\n", b":-17\r\n", b"-ERR x\r\n", b"$3\r\nabc\r\n", b"$-1\r\n", b"*2\r\n:1\r\n*1\r\n+x\r\n"]),
                0..20,
            ),
            noise in proptest::collection::vec(any::<u8>(), 0..10),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = kinds.concat();
            bytes.extend_from_slice(&noise);
            let whole = read(&[&bytes]);
            prop_assert!(whole.0.len() >= kinds.len());
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(&read(&[&bytes[..cut], &bytes[cut..]]), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&read(&single), &whole);
        }
    }
}
