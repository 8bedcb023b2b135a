//! Which requests may be sent again behind one's back.

use http::{HeaderMap, HeaderName, Method, Request};

use super::once::said_once;

/// The header by which a server knows a request that it has had before.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a request may be repeated, by retry or by hedge: GET, HEAD, PUT, DELETE, OPTIONS and TRACE, whose effect is
/// that of one (RFC 9110, 9.2.2), and whatever else has one `Idempotency-Key`.
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
    let key = || said_once(headers, &IDEMPOTENCY_KEY).is_some_and(|key| !key.trim().is_empty());
    method.is_idempotent() || key()
}

/// A copy of a request that [may be repeated](may_repeat), for
#[cfg_attr(
    feature = "tower",
    doc = "[`ResilienceLayer::replay`](crate::tower::ResilienceLayer::replay);"
)]
#[cfg_attr(not(feature = "tower"), doc = "`ResilienceLayer::replay`;")]
/// none of another.
///
/// ```
/// use http::Request;
/// use mmf::http::replay;
///
/// assert!(replay(&Request::get("/users").body(()).unwrap()).is_some());
/// assert!(replay(&Request::post("/charge").body(()).unwrap()).is_none());
/// ```
pub fn replay<B: Clone>(request: &Request<B>) -> Option<Request<B>> {
    may_repeat(request.method(), request.headers()).then(|| request.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn methods_with_the_effect_of_one_may() {
        let headers = HeaderMap::new();
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert!(may_repeat(&method.parse().unwrap(), &headers), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "LOCK"] {
            assert!(!may_repeat(&method.parse().unwrap(), &headers), "{method}");
        }
        let keyed = |keys: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(key));
            }
            may_repeat(&Method::POST, &headers)
        };
        assert!(keyed(&["7c1d"]));
        assert!(
            !keyed(&[""]) && !keyed(&[" "]) && !keyed(&["7c1d", "8d2e"]),
            "none says which it is"
        );
    }
}
