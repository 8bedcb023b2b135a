//! The middleware of reqwest, against a server that counts what it was sent. In real time, with short limits: real
//! connections under a paused clock run into their timeouts at once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::StreamBody;
use mmf::reqwest::{Resilience, refusal};
use mmf::resilience::{
    BreakerState, CircuitBreaker, Class, HedgePolicy, Key, KeyedBreakers, Pipeline,
    PipelineBuilder, Refusal, RetryPolicy,
};
use reqwest::{Body, Method};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the server was sent: the head of a request in lower case, and its body.
#[derive(Clone, Debug)]
struct Sent {
    head: String,
    body: String,
}

struct Server {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Server {
    /// Answers with the responses in turn, the last one for ever: a status, headers and milliseconds until it comes.
    async fn start(responses: &[(u16, &'static str, u64)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let (responses, known) = (responses.to_vec(), Arc::clone(&sent));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (responses, known) = (responses.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    let number = {
                        let mut known = known.lock().unwrap();
                        known.push(request);
                        known.len() - 1
                    };
                    let (status, headers, millis) = responses[number.min(responses.len() - 1)];
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    let text = format!(
                        "HTTP/1.1 {status} X\r\n{headers}content-length: 1\r\nconnection: close\r\n\r\n{number}"
                    );
                    drop(stream.write_all(text.as_bytes()).await);
                });
            }
        });
        Self { url, sent }
    }

    fn bodies(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|sent| sent.body.clone()).collect()
    }

    fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

/// A request with its body, by length or in chunks.
async fn read(stream: &mut tokio::net::TcpStream) -> Option<Sent> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let is_whole = |body: &[u8]| match length {
        Some(length) => body.len() >= length.parse().unwrap(),
        None if head.contains("transfer-encoding: chunked") => body.ends_with(b"0\r\n\r\n"),
        None => true,
    };
    while !is_whole(&bytes[end..]) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    let body = if length.is_some() { body } else { of_chunks(&body) };
    Some(Sent { head, body })
}

/// The text of chunks.
fn of_chunks(body: &str) -> String {
    body.split("\r\n").skip(1).step_by(2).collect()
}

fn retry(attempts: u32) -> RetryPolicy {
    let builder = RetryPolicy::builder().max_attempts(attempts);
    builder.base_delay(Duration::from_millis(5)).max_delay(Duration::from_secs(5)).build()
}

fn client(pipeline: PipelineBuilder) -> ClientWithMiddleware {
    with(Resilience::new(pipeline.build()))
}

fn with(resilience: Resilience) -> ClientWithMiddleware {
    // With all features another crate has turned on TLS for every client, without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientBuilder::new(reqwest::Client::builder().no_proxy().build().unwrap())
        .with(resilience)
        .build()
}

fn stream(chunks: &[&'static str]) -> Body {
    let frames: Vec<_> = chunks
        .iter()
        .map(|chunk| {
            Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(chunk.as_bytes())))
        })
        .collect();
    Body::wrap(StreamBody::new(tokio_stream::iter(frames)))
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated_and_nothing_else() {
    for (method, key, attempts) in [
        (Method::GET, false, 3),
        (Method::HEAD, false, 3),
        (Method::PUT, false, 3),
        (Method::DELETE, false, 3),
        (Method::OPTIONS, false, 3),
        (Method::POST, false, 1),
        (Method::PATCH, false, 1),
        (Method::POST, true, 3),
    ] {
        let server = Server::start(&[(503, "", 0)]).await;
        let client = client(Pipeline::builder("reqwest.methods").retry(retry(3)));
        let mut request = client.request(method.clone(), &server.url);
        if key {
            request = request.header("idempotency-key", "7c1d");
        }
        assert_eq!(request.send().await.unwrap().status(), 503, "as it is");
        assert_eq!(server.count(), attempts, "{method} {key}");
    }
}

#[tokio::test]
async fn statuses_are_retried_and_counted_by_their_class() {
    for (status, attempts, failures) in [
        (200, 1, 0),
        (404, 1, 0),
        (408, 2, 2),
        (425, 2, 2),
        (429, 2, 2),
        (500, 2, 2),
        (501, 1, 1),
        (502, 2, 2),
        (503, 2, 2),
        (504, 2, 2),
        (505, 1, 1),
        (599, 1, 1),
        (999, 1, 1),
    ] {
        let server = Server::start(&[(status, "", 0)]).await;
        let breaker = Arc::new(CircuitBreaker::builder("reqwest.statuses").build());
        let pipeline = Pipeline::builder("reqwest.statuses").retry(retry(2));
        let client = client(pipeline.breaker(Arc::clone(&breaker)));
        let response = client.get(&server.url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(server.count(), attempts, "{status}");
        assert_eq!(breaker.snapshot().failures, failures, "{status}");
    }
}

#[tokio::test]
async fn a_hint_of_the_server_is_waited_for_and_what_is_none_is_not() {
    for (headers, least, most) in [
        ("retry-after: 1\r\n", 1000, 1700),
        ("retry-after: -1\r\n", 0, 500),
        ("retry-after: NaN\r\n", 0, 500),
        ("retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 500),
        ("", 0, 500),
    ] {
        let server = Server::start(&[(503, headers, 0), (200, "", 0)]).await;
        let client = client(Pipeline::builder("reqwest.hints").retry(retry(2)));
        let begun = Instant::now();
        assert_eq!(client.get(&server.url).send().await.unwrap().status(), 200);
        let taken = begun.elapsed().as_millis();
        assert!(taken >= least, "{headers:?}: {taken}");
        assert!(taken < most + 5000, "{headers:?}: {taken}");
    }
    let server = Server::start(&[(503, "retry-after: 3600\r\n", 0)]).await;
    let client = client(Pipeline::builder("reqwest.long_hint").retry(retry(2)));
    assert_eq!(client.get(&server.url).send().await.unwrap().status(), 503);
    assert_eq!(server.count(), 1, "too long a hint ends the call");
}

#[tokio::test]
async fn bodies_are_sent_again_where_they_can_be() {
    let server = Server::start(&[(503, "", 0), (503, "", 0), (200, "", 0)]).await;
    let client = client(Pipeline::builder("reqwest.bytes").retry(retry(3)));
    client.put(&server.url).body("whole").send().await.unwrap();
    assert_eq!(server.bodies(), ["whole"; 3]);

    let server = Server::start(&[(503, "", 0), (200, "", 0)]).await;
    client.put(&server.url).body(stream(&["in ", "parts"])).send().await.unwrap();
    assert_eq!(server.bodies(), ["in parts"; 2]);

    let server = Server::start(&[(503, "", 0), (200, "", 0)]).await;
    let small = Pipeline::builder("reqwest.small").retry(retry(3)).build();
    let limited = with(Resilience::new(small).replay_limit(8));
    let response =
        limited.put(&server.url).body(stream(&["longer ", "than ", "that"])).send().await;
    assert_eq!(response.unwrap().status(), 503);
    assert_eq!(server.bodies(), ["longer than that"], "once, and whole");
    let server = Server::start(&[(503, "", 0), (200, "", 0)]).await;
    limited.put(&server.url).body(stream(&["just ", "fit"])).send().await.unwrap();
    assert_eq!(server.bodies(), ["just fit"; 2]);
}

#[tokio::test]
async fn a_body_that_fails_is_an_error_and_is_not_repeated() {
    let server = Server::start(&[(200, "", 0)]).await;
    let client = client(Pipeline::builder("reqwest.broken_body").retry(retry(3)));
    let frames = [
        Ok(http_body::Frame::data(Bytes::from_static(b"begun"))),
        Err(std::io::Error::other("the disk is gone")),
    ];
    let body = Body::wrap(StreamBody::new(tokio_stream::iter(frames)));
    assert!(client.put(&server.url).body(body).send().await.is_err());
    assert!(server.count() <= 1);
}

#[tokio::test]
async fn each_host_and_port_has_a_breaker_of_its_own() {
    let (broken, well) =
        (Server::start(&[(500, "", 0)]).await, Server::start(&[(200, "", 0)]).await);
    let breakers = KeyedBreakers::builder("reqwest.hosts").failure_threshold(2).build();
    let pipeline = Pipeline::builder("reqwest.hosts").breakers(breakers).build();
    let client = with(Resilience::new(pipeline.clone()));
    for _ in 0..2 {
        assert_eq!(client.get(&broken.url).send().await.unwrap().status(), 500);
    }
    let error = client.get(&broken.url).send().await.unwrap_err();
    let refused = refusal(&error).unwrap();
    assert_eq!(refused.refusal(), Refusal::Breaker);
    assert_eq!(refused.key(), broken.url.strip_prefix("http://"));
    assert_eq!(client.get(&well.url).send().await.unwrap().status(), 200);
    assert_eq!(pipeline.policy().keys()[0].breaker.unwrap().state, BreakerState::Open);
    assert_eq!(broken.count(), 2);
}

#[tokio::test]
async fn what_the_user_says_goes_before_the_defaults() {
    let server = Server::start(&[(404, "", 0)]).await;
    let breakers = KeyedBreakers::builder("reqwest.user").build();
    let pipeline = Pipeline::builder("reqwest.user").retry(retry(2)).breakers(breakers).build();
    let client = with(
        Resilience::new(pipeline.clone())
            .classify(|_| Class::TRANSIENT)
            .repeat_if(|request| request.method() == Method::POST)
            .key_by(|_| Some(Key::of("one"))),
    );
    assert_eq!(client.post(&server.url).send().await.unwrap().status(), 404);
    assert_eq!(client.get(&server.url).send().await.unwrap().status(), 404);
    assert_eq!(server.count(), 3);
    assert_eq!(pipeline.policy().keys()[0].key, "one");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let pipeline = Pipeline::builder("reqwest.nobody").retry(retry(3)).build();
    let error = with(Resilience::new(pipeline.clone())).get(&url).send().await.unwrap_err();
    assert!(error.is_connect() && refusal(&error).is_none());
    assert_eq!(pipeline.policy().snapshot().attempts, 3);
}

#[tokio::test]
async fn a_slow_server_is_cut_and_the_deadline_is_told() {
    let server = Server::start(&[(200, "", 60_000)]).await;
    let pipeline = Pipeline::builder("reqwest.slow").deadline(Duration::from_secs(5));
    let client = client(pipeline.timeout(Duration::from_secs(2)));
    let error = client.get(&server.url).send().await.unwrap_err();
    assert_eq!(refusal(&error).unwrap().refusal(), Refusal::Timeout);
    let head = server.sent.lock().unwrap()[0].head.clone();
    let told = head.lines().find_map(|line| line.strip_prefix("x-request-timeout-ms: ")).unwrap();
    assert!((1..=5000).contains(&told.parse::<u64>().unwrap()), "{told}");
}

#[tokio::test]
async fn a_hedge_takes_the_faster_of_two_and_its_extensions() {
    let server = Server::start(&[(200, "", 60_000), (200, "", 0)]).await;
    let hedge = HedgePolicy::builder().delay(Duration::from_millis(50)).build();
    let client = client(Pipeline::builder("reqwest.hedge").hedge(hedge));
    assert_eq!(client.get(&server.url).send().await.unwrap().text().await.unwrap(), "1");
    assert_eq!(server.count(), 2);
    let server = Server::start(&[(200, "", 200)]).await;
    assert_eq!(client.post(&server.url).send().await.unwrap().status(), 200);
    assert_eq!(server.count(), 1, "what must not be done twice is not hedged");
}

#[cfg(feature = "logging")]
#[tokio::test]
async fn a_body_that_never_comes_is_waited_for_within_the_limits() {
    let server = Server::start(&[(200, "", 0)]).await;
    let stuck = || {
        Body::wrap(StreamBody::new(tokio_stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >()))
    };
    for (limited, refusal_of) in [
        (Pipeline::builder("reqwest.stuck").deadline(Duration::from_millis(50)), Refusal::Deadline),
        (Pipeline::builder("reqwest.stuck").timeout(Duration::from_millis(50)), Refusal::Timeout),
    ] {
        let client = client(limited.retry(retry(2)));
        let begun = Instant::now();
        let error = client.put(&server.url).body(stuck()).send().await.unwrap_err();
        assert_eq!(refusal(&error).unwrap().refusal(), refusal_of);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_length_that_is_known_is_told() {
    for attempts in [1, 2] {
        let server = Server::start(&[(200, "", 0)]).await;
        let client = client(Pipeline::builder("reqwest.length").retry(retry(attempts)));
        let known = Body::wrap(http_body_util::Full::new(Bytes::from_static(b"seven b")));
        client.get(&server.url).body(known).send().await.unwrap();
        let sent = server.sent.lock().unwrap()[0].clone();
        assert!(sent.head.contains("content-length: 7"), "{}", sent.head);
        assert_eq!(sent.body, "seven b");
    }
}

#[tokio::test]
async fn the_key_of_a_host_is_its_text() {
    let server = Server::start(&[(200, "", 0)]).await;
    let hosts = Arc::new(KeyedBreakers::builder("reqwest.text").build());
    let client = client(Pipeline::builder("reqwest.text").breakers(Arc::clone(&hosts)));
    client.get(&server.url).send().await.unwrap();
    let host = server.url.strip_prefix("http://").unwrap();
    hosts.get_key(&Key::of(host)).force_open();
    assert_eq!(hosts.len(), 1, "the one that its requests have");
    let refused = client.get(&server.url).send().await.unwrap_err();
    assert_eq!(refusal(&refused).unwrap().key(), Some(host));
}

#[tokio::test]
async fn a_body_of_the_callers_that_fails_says_nothing_of_the_server() {
    let broken = || {
        let frames = [
            Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
            Err(std::io::Error::other("gone")),
        ];
        Body::wrap(StreamBody::new(tokio_stream::iter(frames)))
    };
    for attempts in [1, 2] {
        let server = Server::start(&[(200, "", 0)]).await;
        let breaker =
            Arc::new(CircuitBreaker::builder("reqwest.upload").failure_threshold(1).build());
        let pipeline = Pipeline::builder("reqwest.upload").breaker(Arc::clone(&breaker));
        let client = client(pipeline.retry(retry(attempts)));
        let error = client.put(&server.url).body(broken()).send().await.unwrap_err();
        assert!(refusal(&error).is_none());
        assert_eq!(breaker.state(), BreakerState::Closed, "attempts: {attempts}");
        assert_eq!(client.get(&server.url).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn what_is_refused_is_not_read_ahead() {
    let breaker = Arc::new(CircuitBreaker::builder("reqwest.ahead").build());
    breaker.force_open();
    let client = client(Pipeline::builder("reqwest.ahead").breaker(breaker).retry(retry(2)));
    let stuck =
        StreamBody::new(tokio_stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>());
    let asked = client.put("http://127.0.0.1:9").body(Body::wrap(stuck)).send();
    let refused = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("at once");
    assert_eq!(refusal(&refused.unwrap_err()).unwrap().refusal(), Refusal::Breaker);
}

#[tokio::test]
async fn frames_without_bytes_have_an_end_too() {
    let server = Server::start(&[(200, "", 0)]).await;
    let empty =
        std::iter::repeat_with(|| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::new())));
    let body = Body::wrap(StreamBody::new(tokio_stream::iter(empty.take(200_000))));
    let pipeline =
        Pipeline::builder("reqwest.frames").retry(retry(2)).deadline(Duration::from_secs(20));
    let client = client(pipeline);
    assert_eq!(client.put(&server.url).body(body).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn ids_go_out_as_headers() {
    use mmf::correlation::{self, CorrelationId};
    let server = Server::start(&[(200, "", 0)]).await;
    let client = client(Pipeline::builder("reqwest.ids"));
    let id = CorrelationId::parse("req-123").unwrap();
    correlation::scope(id, client.get(&server.url).send()).await.unwrap();
    let head = server.sent.lock().unwrap()[0].head.clone();
    assert!(
        head.contains("x-correlation-id: req-123") && head.contains("traceparent: 00-"),
        "{head}"
    );
}
