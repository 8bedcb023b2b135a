//! What has to be told where the log cannot.

use std::fmt::Arguments;

/// The longest message: what a pipe that has room at all takes without waiting.
const LONGEST: usize = 4000;

/// Writes a line to standard error. It never panics, whatever that is by now, and hardly waits: a reader that
/// does not read loses the message. The duplicate of the descriptor is ours alone, so that no lock which
/// somebody holds on the stream can keep us.
pub(crate) fn tell(message: Arguments<'_>) {
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
fn write(text: &[u8]) {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::sync::LazyLock;

    static STDERR: LazyLock<Option<File>> =
        LazyLock::new(|| std::io::stderr().as_fd().try_clone_to_owned().ok().map(File::from));
    if let Some(file) = &*STDERR
        && crate::writable::wait(file, std::time::Duration::from_millis(100))
    {
        let mut file: &File = file;
        // Nobody is left to tell that it failed.
        let _ = file.write(text);
    }
}

#[cfg(not(unix))]
fn write(text: &[u8]) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text);
}
