//! What has to be told where the log cannot.

use std::fmt::Arguments;
use std::time::Duration;

/// The longest message: what a pipe that has room at all takes without waiting.
const LONGEST: usize = 4000;

/// Writes a line to standard error. It never panics, whatever that is by now, and hardly waits: a reader that
/// does not read loses the message. The duplicate of the descriptor is ours alone, so that no lock which
/// somebody holds on the stream can keep us.
pub fn tell(message: Arguments<'_>) {
    let mut text = message.to_string();
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('\n');
    write(text.as_bytes());
}

#[cfg(unix)]
static STDERR: std::sync::LazyLock<Option<std::fs::File>> = std::sync::LazyLock::new(|| {
    use std::os::fd::AsFd;
    std::io::stderr().as_fd().try_clone_to_owned().ok().map(std::fs::File::from)
});

/// Whether standard error takes bytes, now or within that time.
#[cfg(unix)]
pub(crate) fn takes_bytes_within(at_most: Duration) -> bool {
    STDERR.as_ref().is_some_and(|file| crate::writable::wait(file, at_most))
}

#[cfg(not(unix))]
pub(crate) fn takes_bytes_within(_: Duration) -> bool {
    true
}

#[cfg(unix)]
fn write(text: &[u8]) {
    use std::io::Write;
    if let Some(mut file) = STDERR.as_ref()
        && takes_bytes_within(Duration::from_millis(100))
    {
        // Nobody is left to tell that it failed.
        let _ = file.write(text);
    }
}

#[cfg(not(unix))]
fn write(text: &[u8]) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text);
}
