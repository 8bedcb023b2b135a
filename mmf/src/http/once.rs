//! Headers that may stand once.

use http::{HeaderMap, HeaderName};

/// The text of such a header, where it does.
pub(crate) fn said_once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}
