//! RESP2, the protocol of Redis: commands out.
//!
//! Owns how commands are written, as far as the link needs it. Replies are read in [`super::replies`].

/// Appends how many arguments follow.
#[inline]
pub fn write_head(out: &mut Vec<u8>, arguments: usize) {
    out.push(b'*');
    write_integer(out, arguments);
    out.extend_from_slice(b"\r\n");
}

/// Appends a command of plain arguments.
pub fn write_command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    write_head(out, arguments.len());
    write_bulks(out, arguments);
}

/// Appends several arguments, each with its length.
#[inline]
pub fn write_bulks(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    for argument in arguments {
        write_bulk(out, argument);
    }
}

/// The constant part of `PUBLISH channel message`, or of `SPUBLISH`: everything in front of the
/// message.
#[must_use]
pub fn publish_head(channel: &str, sharded: bool) -> Vec<u8> {
    let mut head = b"*3\r\n".to_vec();
    let command: &[u8] = if sharded { b"SPUBLISH" } else { b"PUBLISH" };
    write_bulks(&mut head, &[command, channel.as_bytes()]);
    head
}

/// Appends one argument with its length.
#[inline]
pub fn write_bulk(out: &mut Vec<u8>, argument: &[u8]) {
    out.push(b'$');
    write_integer(out, argument.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(argument);
    out.extend_from_slice(b"\r\n");
}

/// Appends an integer as text.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_spelled_as_the_protocol_says() {
        let mut out = Vec::new();
        write_command(&mut out, &[b"CLIENT", b"ID"]);
        assert_eq!(out, b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n");
        let mut publish = publish_head("a:b", false);
        write_bulk(&mut publish, b"{}");
        assert_eq!(publish, b"*3\r\n$7\r\nPUBLISH\r\n$3\r\na:b\r\n$2\r\n{}\r\n");
        assert_eq!(
            publish_head("a:b", true),
            b"*3\r\n$8\r\nSPUBLISH\r\n$3\r\na:b\r\n"
        );
    }
}
