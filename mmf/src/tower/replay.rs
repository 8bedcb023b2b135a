//! How a request is sent more than once.

use super::settings::{ByClone, ByReplay, Once};

/// Another copy of a request, where there can be one.
#[diagnostic::on_unimplemented(
    message = "`{Request}` cannot be sent more than once: it is not `Clone`",
    label = "a retry or a hedge needs another copy of the request",
    note = "say how to make one: `ResilienceLayer::new(pipeline).replay(|request: &{Request}| …)`, which may be `None` for those that cannot be repeated",
    note = "or use `ResilienceLayer::once(pipeline)?`, of a pipeline without retry and hedge"
)]
pub trait Replay<Request> {
    /// The copy.
    fn copy(&self, request: &Request) -> Option<Request>;
}

#[diagnostic::do_not_recommend]
impl<Request: Clone> Replay<Request> for ByClone {
    fn copy(&self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<Request, F: Fn(&Request) -> Option<Request>> Replay<Request> for ByReplay<F> {
    fn copy(&self, request: &Request) -> Option<Request> {
        (self.0)(request)
    }
}

impl<Request> Replay<Request> for Once {
    fn copy(&self, _: &Request) -> Option<Request> {
        None
    }
}
