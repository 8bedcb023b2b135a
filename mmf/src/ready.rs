//! Services of which one is ready.

use std::mem;

/// The one that is ready, to serve a request; its clone waits for the next in its place.
pub(crate) fn take<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    mem::replace(service, clone)
}
