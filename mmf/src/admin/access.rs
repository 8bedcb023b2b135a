//! Who may look, and who may change something.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use subtle::{Choice, ConstantTimeEq};

use crate::axum::Problem;

/// What changes something takes this token.
pub(super) const CHANGE: &str = "MMF_ADMIN_TOKEN";
/// From elsewhere than this machine reading takes this one, or the other.
const READ: &str = "MMF_ADMIN_READ_TOKEN";

/// Who asks, as far as it is known: an address.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) String);

/// Lets a request through that may come through.
pub(super) async fn guard(mut request: Request, next: Next) -> Response {
    // Apart from the request, whose body is not `Sync`.
    let headers = request.headers().clone();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let is_here = peer.is_some_and(is_this_machine) && is_called_so(request.uri(), &headers);
    let is_reading = request.method() == Method::GET || request.method() == Method::HEAD;
    let refused = if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        Err(strange())
    } else if is_reading {
        may_read(is_here, &headers).await
    } else {
        may_change(request.uri(), &headers).await
    };
    let who = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    request.extensions_mut().insert(Who(who));
    match refused {
        Ok(()) => served(next.run(request)).await,
        Err(problem) => refuse(problem),
    }
}

/// An answer in its time, whatever the user's own code does that is asked for it.
async fn served(answer: impl Future<Output = Response>) -> Response {
    const LONGEST: Duration = Duration::from_secs(30);
    let mut answer = pin!(answer);
    let caught =
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err("a value of the program's own panicked")),
        });
    match tokio::time::timeout(LONGEST, caught).await {
        Ok(Ok(response)) => response,
        Ok(Err(why)) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR).detail(why).into_response(),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT).into_response(),
    }
}

/// The problem of another page's request.
fn strange() -> Problem {
    Problem::new(StatusCode::FORBIDDEN).detail("asked for by the page itself, not by another one")
}

fn refuse(problem: Problem) -> Response {
    let is_unknown = problem.status() == StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if is_unknown {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

async fn may_read(is_here: bool, headers: &HeaderMap) -> Result<(), Problem> {
    if is_here {
        return Ok(());
    }
    let tokens: Vec<_> = [READ, CHANGE].into_iter().filter_map(token).collect();
    if tokens.is_empty() {
        let detail = format!(
            "from elsewhere than this machine, or by another name than `localhost` or its address, reading takes a token: set \
             {READ} or {CHANGE}"
        );
        return Err(Problem::new(StatusCode::FORBIDDEN).detail(detail));
    }
    bears(headers, &tokens).await
}

async fn may_change(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = token(CHANGE) else {
        let detail = format!("changing is off: set {CHANGE} to turn it on");
        return Err(Problem::new(StatusCode::FORBIDDEN).detail(detail));
    };
    if !is_own_origin(uri, headers) {
        return Err(strange());
    }
    bears(headers, &[token]).await
}

fn is_this_machine(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// Whether it is asked for as this machine: a browser here can be led to it by a name of somebody else's, whose pages could then
/// read it (DNS rebinding).
fn is_called_so(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_own = |host: &str| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_this_machine)
    };
    let named = |host: &HeaderValue| {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| is_own(host.host()))
    };
    headers.get_all(HOST).iter().all(named) && uri.host().is_none_or(is_own)
}

/// One that is empty is none.
fn token(variable: &str) -> Option<Vec<u8>> {
    let token = std::env::var_os(variable)?.into_encoded_bytes();
    (!token.is_empty()).then_some(token)
}

/// Whether changes can be made at all.
pub(super) fn can_change() -> bool {
    token(CHANGE).is_some()
}

/// A browser says where a request comes from; who is none need not. Over HTTP/2 the address has the host.
fn is_own_origin(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(Authority::as_str));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Wrong tokens are answered more and more slowly; a right one never is.
async fn bears(headers: &HeaderMap, tokens: &[Vec<u8>]) -> Result<(), Problem> {
    const BEARER: &str = "Bearer ";
    static WRONG: AtomicU32 = AtomicU32::new(0);
    const SLOWEST: Duration = Duration::from_secs(5);
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let given = all.next().and_then(|value| value.as_bytes().split_at_checked(BEARER.len()));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER.as_bytes()));
    // Each is compared, so that the time says nothing of which it was.
    let is_right = given.is_some_and(|(_, given)| {
        let same = |token: &Vec<u8>| given.ct_eq(token);
        tokens.iter().fold(Choice::from(0), |right, token| right | same(token)).into()
    });
    if is_right && all.next().is_none() {
        return Ok(());
    }
    if given.is_some() {
        // Relaxed: how slow it is need not be exact.
        let wrong = WRONG.fetch_add(1, Ordering::Relaxed).min(10);
        tokio::time::sleep(Duration::from_millis(10 << wrong).min(SLOWEST)).await;
    }
    let detail = match given {
        Some(_) => "the token is not the one that this takes",
        None => "this takes a token: `Authorization: Bearer` and the token",
    };
    Err(Problem::new(StatusCode::UNAUTHORIZED).detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_elsewhere_is_known_by_its_origin() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:9100"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        let uri = Uri::from_static("/");
        let is_own_origin = |headers: &HeaderMap| super::is_own_origin(&uri, headers);
        assert!(is_own_origin(&headers(None)));
        assert!(is_own_origin(&headers(Some("http://127.0.0.1:9100"))));
        for other in [
            "http://evil.example",
            "http://127.0.0.1",
            "null",
            "http://127.0.0.1:9100.evil.example",
        ] {
            assert!(!is_own_origin(&headers(Some(other))), "{other}");
        }
        let mut named_by_address = headers(Some("https://127.0.0.1:9100"));
        named_by_address.remove(HOST);
        assert!(!is_own_origin(&named_by_address));
        let uri = Uri::from_static("https://127.0.0.1:9100/api/level");
        assert!(super::is_own_origin(&uri, &named_by_address), "as HTTP/2 has it");
    }

    #[test]
    fn a_name_of_somebody_elses_is_not_this_machine() {
        let asked = |host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            is_called_so(&Uri::from_static("/api/health"), &headers)
        };
        for own in ["localhost", "LOCALHOST:9100", "127.0.0.1:9100", "[::1]:9100", "[::1]"] {
            assert!(asked(own), "{own}");
        }
        for other in ["evil.example:9100", "localhost.evil.example", "10.0.0.1", "", "a b"] {
            assert!(!asked(other), "{other}");
        }
        let none = HeaderMap::new();
        assert!(is_called_so(&Uri::from_static("/"), &none));
        assert!(!is_called_so(&Uri::from_static("http://evil.example/"), &none));
    }

    #[test]
    fn this_machine_has_several_addresses() {
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(is_this_machine(own.parse().unwrap()), "{own}");
        }
        for other in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
            assert!(!is_this_machine(other.parse().unwrap()), "{other}");
        }
    }
}
