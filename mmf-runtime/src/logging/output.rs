//! Where lines go: standard output, by a descriptor of our own.

use std::io;

/// What takes bytes, on whichever thread writes.
pub(super) trait Sink: Send + Sync {
    /// Writes some of the bytes, waiting for as long as it takes.
    ///
    /// # Errors
    ///
    /// Where nothing can be written.
    fn write_some(&self, bytes: &[u8]) -> io::Result<usize>;

    /// So many bytes are written at once, without another's between them.
    fn at_once(&self) -> usize {
        usize::MAX
    }
}

/// A duplicate of standard output. The stream itself is not used: whoever holds its lock, as `println!` does
/// while it prints a value that panics, would wait for us and we for them.
#[cfg(unix)]
pub(super) struct Stdout {
    file: std::fs::File,
    at_once: usize,
}

#[cfg(unix)]
impl Stdout {
    pub(super) fn new() -> io::Result<Self> {
        use std::os::fd::AsFd;
        use std::os::unix::fs::FileTypeExt;

        /// `PIPE_BUF` of Linux and more than that of others: a pipe takes so much in one piece, whoever else
        /// writes to it, such as a `println!` of the same process.
        const PIPE_BUF: usize = 4096;
        let file = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let at_once = if kind.is_fifo() || kind.is_socket() { PIPE_BUF } else { usize::MAX };
        Ok(Self { file, at_once })
    }
}

#[cfg(unix)]
impl Sink for Stdout {
    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        use std::io::{ErrorKind, Write};
        loop {
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process that has the same stream made it one that does not block.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    crate::writable::wait(&self.file, std::time::Duration::from_secs(1));
                }
                written => return written,
            }
        }
    }

    fn at_once(&self) -> usize {
        self.at_once
    }
}

#[cfg(not(unix))]
pub(super) struct Stdout;

#[cfg(not(unix))]
impl Stdout {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(not(unix))]
impl Sink for Stdout {
    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        use std::io::Write;
        let mut stdout = io::stdout();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(bytes.len())
    }
}

/// What became of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Lines that did not arrive whole.
    pub(super) lost: u64,
    /// The last bytes that arrived are not the end of a line.
    pub(super) torn: bool,
}

/// Writes whole lines; where that breaks off, the rest of them is lost. A line that was torn before is ended
/// first.
pub(super) fn write_lines(sink: &dyn Sink, lines: &[u8], torn: bool) -> (Written, io::Result<()>) {
    if torn && let Err(error) = sink.write_some(b"\n") {
        return (Written { lost: count(lines), torn }, Err(error));
    }
    let mut rest = lines;
    while !rest.is_empty() {
        let piece = &rest[..whole_lines(rest, sink.at_once())];
        match sink.write_some(piece) {
            Ok(0) => {
                let error = io::Error::from(io::ErrorKind::WriteZero);
                return (broken(lines, rest), Err(error));
            }
            Ok(bytes) => rest = &rest[bytes.min(piece.len())..],
            Err(error) => return (broken(lines, rest), Err(error)),
        }
    }
    (Written::default(), Ok(()))
}

/// So many bytes up to `most` that end with a line; a longer line is one piece.
fn whole_lines(bytes: &[u8], most: usize) -> usize {
    if bytes.len() <= most {
        return bytes.len();
    }
    let end = |byte: &u8| *byte == b'\n';
    let within = bytes[..most].iter().rposition(end);
    let beyond = || bytes[most..].iter().position(end).map(|place| most + place);
    within.or_else(beyond).map_or(bytes.len(), |place| place + 1)
}

fn broken(lines: &[u8], rest: &[u8]) -> Written {
    let arrived = &lines[..lines.len() - rest.len()];
    Written { lost: count(rest), torn: arrived.last().is_some_and(|byte| *byte != b'\n') }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes so many bytes at once, so many in all, and keeps them.
    struct Narrow(usize, usize, Mutex<Vec<u8>>);

    impl Sink for Narrow {
        fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.2.lock().unwrap();
            let room = self.1.saturating_sub(taken.len()).min(self.0);
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let bytes = &bytes[..room.min(bytes.len())];
            taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn at_once(&self) -> usize {
            4
        }
    }

    #[test]
    fn a_partial_write_goes_on_where_it_broke() {
        let sink = Narrow(3, 100, Mutex::default());
        let (written, result) = write_lines(&sink, b"a\nlong line\nb\n", false);
        assert!(result.is_ok() && written == Written::default());
        assert_eq!(*sink.2.lock().unwrap(), b"a\nlong line\nb\n");
    }

    #[test]
    fn what_is_lost_is_counted_in_lines_and_a_torn_line_ends_before_the_next() {
        let sink = Narrow(3, 4, Mutex::default());
        let (written, result) = write_lines(&sink, b"a\nbcdef\ng\n", false);
        assert!(result.is_err());
        assert_eq!(written, Written { lost: 2, torn: true });
        let sink = Narrow(9, 100, sink.2);
        let (written, _) = write_lines(&sink, b"h\n", true);
        assert_eq!(written, Written::default());
        assert_eq!(*sink.2.lock().unwrap(), b"a\nbc\nh\n");
        let full = Narrow(9, 0, Mutex::default());
        assert_eq!(write_lines(&full, b"h\n", true).0, Written { lost: 1, torn: true });
        assert_eq!(write_lines(&full, b"h\n", false).0, Written { lost: 1, torn: false });
    }

    #[test]
    fn pieces_end_with_a_line() {
        assert_eq!(whole_lines(b"ab\ncd\n", 6), 6);
        assert_eq!(whole_lines(b"ab\ncd\n", 5), 3);
        assert_eq!(whole_lines(b"ab\ncd\n", 3), 3);
        assert_eq!(whole_lines(b"abcdefg\nh\n", 3), 8);
        assert_eq!(whole_lines(b"no end", 3), 6);
    }
}
