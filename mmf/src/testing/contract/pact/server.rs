//! The provider that a consumer's test talks to: a server on loopback that answers by interactions.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::RefUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pact_matching::{Mismatch, RequestMatchResult};
use pact_models::bodies::OptionalBody;
use pact_models::content_types::ContentType;
use pact_models::generators::GeneratorTestMode;
use pact_models::headers::parse_header;
use pact_models::interaction::Interaction;
use pact_models::pact::Pact;
use pact_models::query_strings::parse_query_string;
use pact_models::v4::http_parts::HttpRequest;
use pact_models::v4::pact::V4Pact;
use pact_models::v4::synch_http::SynchronousHttp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// More of a body is not read.
const MOST_BYTES: usize = 64 << 20;

/// What is expected, and what was asked.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// With how often each was asked.
    pub(super) expected: Vec<(SynchronousHttp, u64)>,
    /// Requests that no interaction is about, and how far the nearest is.
    pub(super) unexpected: Vec<String>,
}

/// Shared between the server and the test.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Exchange>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that stops when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts it on a free port of loopback.
    pub(super) async fn start(shared: Shared) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, shared.clone()));
                    let http = hyper::server::conn::http1::Builder::new();
                    // A consumer that hangs up has nothing to be told.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { url, task })
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let request = match read(request).await {
        Ok(request) => request,
        Err(why) => return Ok(refused(&shared, why)),
    };
    let expected: Vec<_> =
        shared.lock().expected.iter().map(|(interaction, _)| interaction.clone()).collect();
    let pact: Box<dyn Pact + Send + Sync + RefUnwindSafe> = V4Pact::default().boxed();
    let mut nearest: Option<(RequestMatchResult, &SynchronousHttp)> = None;
    for (number, interaction) in expected.iter().enumerate() {
        let compared = pact_matching::match_request(
            interaction.request.clone(),
            request.clone(),
            &pact,
            &interaction.boxed(),
        )
        .await;
        let Ok(result) = compared else { continue };
        if result.all_matched() {
            shared.lock().expected[number].1 += 1;
            return Ok(respond(interaction).await);
        }
        if nearest.as_ref().is_none_or(|(best, _)| best.score() < result.score()) {
            nearest = Some((result, interaction));
        }
    }
    let mut what = format!("{} {}", request.method, request.path);
    if let Some((result, interaction)) = nearest {
        let why: Vec<_> = result.mismatches().iter().map(Mismatch::description).collect();
        what = format!("{what}; nearest is {:?}: {}", interaction.description, why.join("; "));
    }
    Ok(refused(&shared, what))
}

/// Notes a request that nothing is about, and answers it.
fn refused(shared: &Shared, what: String) -> Response<Full<Bytes>> {
    let body =
        json!({ "error": "no interaction of the pact is about this request", "request": what });
    shared.lock().unexpected.push(what);
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// A request as it came, of a body within bounds.
async fn read(request: Request<Incoming>) -> Result<HttpRequest, String> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let (method, path, most) = (parts.method, parts.uri.path(), MOST_BYTES >> 20);
            return Err(format!("{method} {path}; its body is larger than {most} MiB"));
        }
        // A body that breaks off is compared as far as it came.
        Err(_) => Bytes::new(),
    };
    let mut headers = HashMap::<String, Vec<String>>::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers.entry(name.to_string()).or_default().extend(parse_header(name.as_str(), &value));
    }
    let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| ContentType::parse(kind).ok());
    Ok(HttpRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parse_query_string(parts.uri.query().unwrap_or_default()),
        headers: Some(headers),
        body: if body.is_empty() {
            OptionalBody::Empty
        } else {
            OptionalBody::Present(body, kind, None)
        },
        ..HttpRequest::default()
    })
}

async fn respond(interaction: &SynchronousHttp) -> Response<Full<Bytes>> {
    let mode = GeneratorTestMode::Consumer;
    let made =
        pact_matching::generate_response(&interaction.response, &mode, &HashMap::new()).await;
    let mut response = Response::builder().status(made.status);
    for (name, values) in made.headers.iter().flatten() {
        for value in values {
            response = response.header(name, value);
        }
    }
    let body = made.body.value().unwrap_or_default();
    response.body(Full::from(body)).unwrap_or_else(|error| {
        let mut response = Response::new(Full::from(format!("the answer cannot be sent: {error}")));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
