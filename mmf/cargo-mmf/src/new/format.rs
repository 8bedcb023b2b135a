//! rustfmt, over its standard input: files of a name would be followed into those that they declare.

use std::io::Write as _;
use std::process::{Command, Stdio};

pub(super) struct Rustfmt(());

impl Rustfmt {
    /// The one that there is.
    pub(super) fn find() -> Option<Self> {
        let asked = Command::new("rustfmt")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success()).then_some(Self(()))
    }

    /// A text, formatted.
    pub(super) fn format(&self, text: &str) -> Option<String> {
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", "2024"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut rustfmt = rustfmt.stderr(Stdio::null()).spawn().ok()?;
        // It reads all of it before it writes.
        rustfmt.stdin.take()?.write_all(text.as_bytes()).ok()?;
        let output = rustfmt.wait_with_output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).ok())?
    }
}
