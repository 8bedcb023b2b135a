//! Waiting until a descriptor takes bytes.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until a write would not block, at most so long; whether it would not. One that is broken does not: the
/// write says what is wrong.
pub(crate) fn wait(descriptor: impl AsFd, at_most: Duration) -> bool {
    let mut descriptors = [PollFd::new(&descriptor, PollFlags::OUT)];
    let at_most = Timespec::try_from(at_most).ok();
    !matches!(poll(&mut descriptors, at_most.as_ref()), Ok(0))
}
