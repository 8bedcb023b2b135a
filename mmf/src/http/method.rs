//! Which requests may be sent again behind one's back.

use http::{HeaderMap, HeaderName, Method};

/// The header by which a server knows a request that it has had before.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a request may be repeated, by retry or by hedge: GET, HEAD, PUT, DELETE, OPTIONS and TRACE, whose effect is
/// that of one (RFC 9110, 9.2.2), and whatever else has an `Idempotency-Key`.
///
/// ```
/// use http::{HeaderMap, HeaderValue, Method};
/// use mmf::http::{IDEMPOTENCY_KEY, may_repeat};
///
/// let mut headers = HeaderMap::new();
/// assert!(may_repeat(&Method::PUT, &headers) && !may_repeat(&Method::POST, &headers));
/// headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("7c1d"));
/// assert!(may_repeat(&Method::POST, &headers));
/// ```
pub fn may_repeat(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent() || headers.contains_key(IDEMPOTENCY_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_with_the_effect_of_one_may() {
        let headers = HeaderMap::new();
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert!(may_repeat(&method.parse().unwrap(), &headers), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "LOCK"] {
            assert!(!may_repeat(&method.parse().unwrap(), &headers), "{method}");
        }
    }
}
