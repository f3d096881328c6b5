//! Limits the length of lines, so that a line without an end does not fill the memory.
//!
//! Owns the limit. Must not know the content of the lines.

use std::io::{self, Read};

/// Kite's are about a hundred bytes.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// Reads from `inner`, and fails in a line longer than [`LONGEST_LINE`].
#[derive(Debug)]
pub(super) struct BoundedLines<R> {
    inner: R,
    /// Bytes since the last end of a line.
    length: usize,
}

impl<R> BoundedLines<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner, length: 0 }
    }
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for line in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            self.length += line.len();
            if self.length > LONGEST_LINE {
                let error = format!("a line is longer than {LONGEST_LINE} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if line.ends_with(b"\n") {
                self.length = 0;
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of any size.
    fn read(text: &[u8], piece: usize) -> io::Result<usize> {
        let mut lines = BoundedLines::new(text);
        let (mut buffer, mut all) = (vec![0; piece], 0);
        loop {
            match lines.read(&mut buffer)? {
                0 => return Ok(all),
                count => all += count,
            }
        }
    }

    #[test]
    fn the_longest_line_passes_and_a_longer_one_fails_however_it_is_read() {
        let mut text = vec![b'x'; LONGEST_LINE - 1];
        text.push(b'\n');
        let twice = text.repeat(2);
        text.insert(0, b'x');
        for piece in [7, 4_096, 100_000] {
            assert_eq!(read(&twice, piece).unwrap(), twice.len());
            assert!(read(&text, piece).is_err());
        }
    }
}
