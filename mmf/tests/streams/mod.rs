//! This program once more, with output that goes nowhere.

use std::fs::OpenOptions;
use std::io::PipeReader;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

/// How it starts, and what keeps its pipe open.
pub(crate) struct Streams {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    _unread: Option<PipeReader>,
}

/// Ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both streams closed, without a reader, on a full disk, in a pipe that nobody reads, and in one that does not block.
pub(crate) fn broken() -> Vec<Streams> {
    let this = std::env::current_exe().unwrap();
    let to = |name, output: &dyn Fn() -> Stdio, unread| {
        let mut command = Command::new(&this);
        command.stdout(output()).stderr(output());
        Streams { name, command, _unread: unread }
    };
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" \"$@\" >&- 2>&-"]).arg(&this);
    let (_, gone) = std::io::pipe().unwrap();
    let (unread, stuck) = std::io::pipe().unwrap();
    let (other, at_once) = std::io::pipe().unwrap();
    // SAFETY: sets a flag of a file that is open.
    #[expect(unsafe_code, reason = "there is no other way to set it")]
    let set = unsafe { libc::fcntl(at_once.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
    let mut all = vec![
        Streams { name: "closed", command: closed, _unread: None },
        to("gone", &|| gone.try_clone().unwrap().into(), None),
        to("stuck", &|| stuck.try_clone().unwrap().into(), Some(unread)),
        to("not blocking", &|| at_once.try_clone().unwrap().into(), Some(other)),
    ];
    if cfg!(target_os = "linux") {
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap().into();
        all.push(to("full", &full, None));
    }
    all
}

/// More than a pipe holds.
pub(crate) fn flood() {
    for line in 0..500 {
        tracing::info!(line, filling = "x".repeat(500), "flood");
    }
}
