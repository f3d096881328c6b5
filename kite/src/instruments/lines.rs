//! Lines of a list, each complete in itself.
//!
//! Owns three rules: a line without an end does not fill the memory, and a quote that is not closed in its
//! line is a character, as is a carriage return inside of it, so that no row takes over the next one. Must not know the content of the lines.

use std::io::{self, BufRead, BufReader, Read};

/// Kite's are about a hundred bytes.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// Reads from `inner`, and fails in a line longer than [`LONGEST_LINE`].
#[derive(Debug)]
pub(super) struct CompleteLines<R> {
    inner: BufReader<R>,
    line: Vec<u8>,
    /// How much of the line was given out.
    read: usize,
}

impl<R: Read> CompleteLines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner: BufReader::new(inner),
            line: Vec::new(),
            read: 0,
        }
    }

    fn next_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.read = 0;
        let mut limited = self.inner.by_ref().take(LONGEST_LINE as u64 + 1);
        limited.read_until(b'\n', &mut self.line)?;
        if self.line.len() > LONGEST_LINE {
            let error = format!("a line is longer than {LONGEST_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let end = self.line.trim_ascii_end().len();
        // To a CSV reader it ends a row.
        for byte in self.line[..end].iter_mut().filter(|byte| **byte == b'\r') {
            *byte = b' ';
        }
        if ends_within_quotes(&self.line) {
            self.line = quote_cells(&self.line);
        }
        Ok(())
    }
}

impl<R: Read> Read for CompleteLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.line.len() {
            self.next_line()?;
        }
        let rest = &self.line[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

/// Whether a CSV reader would look for the end of a cell in the next line.
fn ends_within_quotes(line: &[u8]) -> bool {
    #[derive(PartialEq)]
    enum At {
        StartOfCell,
        Plain,
        Quoted,
        /// Behind a quote in a quoted cell, which closes it unless another one follows.
        Closed,
    }
    let mut at = At::StartOfCell;
    for byte in line {
        at = match (at, byte) {
            (At::StartOfCell, b'"') | (At::Closed, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (_, b',') => At::StartOfCell,
            (_, _) => At::Plain,
        };
    }
    at == At::Quoted
}

/// The same line with each cell in quotes, so that its own quotes are characters.
fn quote_cells(line: &[u8]) -> Vec<u8> {
    let text = line.trim_ascii_end();
    let mut quoted = Vec::with_capacity(2 * line.len() + 2);
    for (at, cell) in text.split(|byte| *byte == b',').enumerate() {
        if at > 0 {
            quoted.push(b',');
        }
        quoted.push(b'"');
        for byte in cell {
            quoted.extend(std::iter::repeat_n(*byte, 1 + usize::from(*byte == b'"')));
        }
        quoted.push(b'"');
    }
    quoted.push(b'\n');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of any size.
    fn read(text: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut lines = CompleteLines::new(text);
        let (mut buffer, mut all) = (vec![0; piece], Vec::new());
        loop {
            match lines.read(&mut buffer)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&buffer[..count]),
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
            assert_eq!(read(&twice, piece).unwrap(), twice);
            assert!(read(&text, piece).is_err());
        }
    }

    #[test]
    fn only_a_quote_that_is_not_closed_is_changed() {
        for whole in [
            "a,\"b,c\",d\n",
            "a,\"\"\"b\"\"\",\"\"\n",
            "5\" pipe,c\n",
            "\"\"A\"\",b\r\n",
            "\n",
        ] {
            assert_eq!(read(whole.as_bytes(), 5).unwrap(), whole.as_bytes());
        }
        let open = read(b"a,\"b,c\r\n1,2,3", 5).unwrap();
        assert_eq!(open, b"\"a\",\"\"\"b\",\"c\"\n1,2,3");
    }

    #[test]
    fn a_carriage_return_within_a_line_ends_no_row() {
        let read = |text: &[u8]| read(text, 5).unwrap();
        assert_eq!(read(b"a,\r\"b,c\r\r\n1,2,3"), b"a, \"b,c\r\r\n1,2,3");
        let inside = read(b"a,b\rc,d\n1,2,3");
        assert_eq!(inside, b"a,b c,d\n1,2,3");
    }
}
