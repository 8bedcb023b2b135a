//! A call whose end is counted apart from the policies, whatever it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::subject::{Call, Error, Subject};
use crate::traps;

/// A call that counts as its caller sees it. Dropped before its end it counts as cancelled, unless it had
/// not begun.
pub(crate) struct Watched {
    subject: &'static Subject,
    /// Until it has ended.
    call: Option<Call>,
    has_begun: bool,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Failed,
    Refused,
    Panicked,
}

impl Subject {
    /// A call of it.
    pub(crate) fn watch(&'static self, job: u64) -> Watched {
        Watched { subject: self, call: Some((self.call)(job)), has_begun: false }
    }
}

impl Future for Watched {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let Self { subject, call, has_begun } = self.get_mut();
        let running = call.as_mut().expect("not polled after its end");
        *has_begun = true;
        // Caught here and not by the task, so that what else the task holds is dropped by no panic.
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        let seen = &subject.seen;
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(_))) => {
                seen.ok.add();
                Ended::Well
            }
            Ok(Poll::Ready(Err(error))) => {
                seen.failed.add();
                match error {
                    Error::Failed | Error::Busy => Ended::Failed,
                    Error::Refused(refusal) => {
                        if let Some(count) = seen.refused(refusal.refusal()) {
                            count.add();
                        }
                        Ended::Refused
                    }
                }
            }
            Err(payload) => {
                traps::caught(&*payload);
                seen.panicked.add();
                Ended::Panicked
            }
        };
        *call = None;
        Poll::Ready(ended)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.call.take().is_some() && self.has_begun {
            self.subject.seen.cancelled.add();
        }
    }
}
