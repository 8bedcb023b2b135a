//! Peers that do not keep to the protocol, or do not read, and code of the user's that panics.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use mmf::ResilienceError;
use mmf::resilience::{Bulkhead, CircuitBreaker, HedgePolicy, Pipeline, RetryPolicy};
use mmf::tonic::{ClientLayer, ServerLayer, refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Status};
use tower::Layer;
use tower_service::Service;

use crate::echo::{Caller, Echo, all, snapshot};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn breaker(name: &'static str) -> CircuitBreaker {
    CircuitBreaker::builder(name).failure_threshold(100).build()
}

fn retry() -> RetryPolicy {
    RetryPolicy::builder().max_attempts(3).base_delay(ms(1)).build()
}

fn head(status: u16, headers: &[(&str, &str)]) -> http::Response<()> {
    let head = http::Response::builder().status(status).header("content-type", "application/grpc");
    headers.iter().fold(head, |head, (name, value)| head.header(*name, *value)).body(()).unwrap()
}

/// A server of HTTP/2 that answers each stream with this head, and never says more.
async fn silent(head: http::Response<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let head = head.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                let mut streams = Vec::new();
                while let Some(Ok((request, mut answer))) = connection.accept().await {
                    streams.push((request, answer.send_response(head.clone(), false).unwrap()));
                }
            });
        }
    });
    address
}

/// A service that is a function.
#[derive(Clone)]
struct Fixed<F>(F);

impl<F, Fut> Service<http::Request<Body>> for Fixed<F>
where
    F: Fn() -> Fut + Clone,
    Fut: Future<Output = http::Response<Body>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let answer = (self.0)();
        Box::pin(async move { Ok(answer.await) })
    }
}

/// Frames, each after so many milliseconds; where there are no more, it tells who looks how many run.
struct Frames {
    frames: VecDeque<(u64, Frame<Bytes>)>,
    sleep: Option<Pin<Box<Sleep>>>,
    then: Option<Running>,
}

/// How many run by this name when it is dropped.
struct Running(&'static str, Arc<Mutex<Vec<usize>>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(snapshot(self.0).bulkhead.unwrap().running);
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some((after, _)) = this.frames.front() else {
            return if this.then.is_some() { Poll::Pending } else { Poll::Ready(None) };
        };
        if *after > 0 {
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(ms(*after))));
            ready!(sleep.as_mut().poll(context));
        }
        this.sleep = None;
        Poll::Ready(this.frames.pop_front().map(|(_, frame)| Ok(frame)))
    }
}

fn message(text: &str) -> Frame<Bytes> {
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0, 0, 0, 0, length + 2, 0x0a, length];
    frame.extend_from_slice(text.as_bytes());
    Frame::data(frame.into())
}

fn trailers(headers: &[(&str, &str)]) -> Frame<Bytes> {
    Frame::trailers(head(200, headers).headers().clone())
}

fn answer(headers: &[(&str, &str)], frames: Vec<(u64, Frame<Bytes>)>) -> http::Response<Body> {
    head(200, headers)
        .map(|()| Body::new(Frames { frames: frames.into(), sleep: None, then: None }))
}

#[tokio::test]
async fn a_head_that_says_more_is_to_come_does_not_outlast_the_deadline() {
    for (name, status, headers, code) in [
        ("hostile.ok", 200, &[("grpc-status", "0")][..], Code::DeadlineExceeded),
        ("hostile.nothing", 200, &[], Code::DeadlineExceeded),
        ("hostile.14", 200, &[("grpc-status", "14")], Code::Unavailable),
        ("hostile.503", 503, &[], Code::Unavailable),
        ("hostile.404", 404, &[], Code::Unimplemented),
    ] {
        let address = silent(head(status, headers)).await;
        let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
        let pipeline = Pipeline::builder(name).timeout(ms(200)).bulkhead(bulkhead).build();
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let caller = Caller(ClientLayer::new(pipeline).layer(channel));
        let answered = timeout(Duration::from_secs(10), caller.unary("hello")).await.expect(name);
        assert_eq!(answered.unwrap_err().code(), code, "{name}");
        let counts = snapshot(name);
        assert_eq!((counts.successes, counts.failures), (0, 1), "{name}");
        assert_eq!(counts.bulkhead.unwrap().running, 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn details_that_are_no_base64_are_left_aside() {
    let bad =
        [("grpc-status", "14"), ("grpc-message", "100%25%ff"), ("grpc-status-details-bin", "*")];
    for is_head in [true, false] {
        let service = Fixed(move || async move {
            match is_head {
                true => answer(&bad, vec![]),
                false => answer(&[], vec![(0, message("a")), (0, trailers(&bad))]),
            }
        });
        let before = mmf::tonic::malformed("grpc-status-details-bin");
        let layer = ClientLayer::new(Pipeline::builder("hostile.details").build());
        let status = Caller(layer.layer(service)).unary("hello").await.unwrap_err();
        assert_eq!(mmf::tonic::malformed("grpc-status-details-bin"), before + 1);
        assert_eq!(status.details(), b"");
    }
    let good = [("grpc-status", "14"), ("grpc-status-details-bin", "aGVsbG8")];
    let service = Fixed(move || async move { answer(&good, vec![]) });
    let layer = ClientLayer::new(Pipeline::builder("hostile.details").build());
    let status = Caller(layer.layer(service)).unary("hello").await.unwrap_err();
    assert_eq!(status.details(), b"hello");
}

#[tokio::test(start_paused = true)]
async fn a_status_in_a_head_that_goes_on_is_no_answer_of_trailers_alone() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let service = Fixed(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            let frames = vec![(0, message("a")), (0, trailers(&[("grpc-status", "0")]))];
            answer(&[("grpc-status", "14")], frames)
        }
    });
    let pipeline = Pipeline::builder("hostile.more").retry(retry()).build();
    let caller = Caller(ClientLayer::new(pipeline).layer(service));
    assert_eq!(caller.unary("hello").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

async fn serve(layer: ServerLayer) -> (SocketAddr, Echo) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, echo) = (listener.local_addr().unwrap(), Echo::default());
    let server = Server::builder().layer(layer).add_service(echo.clone());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, echo)
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_no_place_past_its_deadline() {
    let name = "hostile.unread";
    let shed = Bulkhead::builder(name).max_concurrent(5).build();
    let (address, _) = serve(ServerLayer::new(name).max_deadline(ms(200)).shed(shed)).await;
    let socket = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let (client, connection) = builder.handshake::<_, Bytes>(socket).await.unwrap();
    tokio::spawn(connection);
    let mut unread = Vec::new();
    for _ in 0..5 {
        let request = http::Request::post(format!("http://{address}/test.Echo/Unary"));
        let request = request.header("content-type", "application/grpc").body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data(message("hello").into_data().unwrap(), true).unwrap();
        unread.push(answer.await.unwrap());
    }
    assert_eq!(snapshot(name).bulkhead.unwrap().running, 5);
    let all_back = async {
        while snapshot(name).bulkhead.unwrap().running > 0 {
            sleep(ms(10)).await;
        }
    };
    timeout(Duration::from_secs(10), all_back).await.expect("all places are back");
    let counts = snapshot(name);
    assert_eq!((counts.failures, counts.successes, counts.cancelled), (5, 0, 0));
    drop(unread);
}

#[tokio::test]
async fn a_handler_that_panics_is_not_asked_again_and_opens_the_breaker() {
    let (address, echo) = serve(ServerLayer::new("hostile.panics")).await;
    let call = |name: &'static str| {
        let pipeline = Pipeline::builder(name).retry(retry()).breaker(breaker(name)).build();
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Caller(ClientLayer::new(pipeline).layer(channel))
    };
    let caller = call("hostile.panic");
    caller.unary("panic").await.unwrap_err();
    assert_eq!(echo.attempts(), 1, "a query of death is not multiplied");
    let (_, end) = all(caller.down("1 panic").await.unwrap()).await;
    assert!(end.is_err());
    assert_eq!(snapshot("hostile.panic").breaker.unwrap().failures, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_always_more_to_say_ends_in_time() {
    for (name, is_server) in [("hostile.more.server", true), ("hostile.more.client", false)] {
        let service = Fixed(|| async {
            answer(&[], (0..20).map(|number| (0, message(&number.to_string()))).collect())
        });
        let pipeline = Pipeline::builder(name).deadline(ms(3000)).build();
        let (server, client) =
            (ServerLayer::new(name).max_deadline(ms(3000)), ClientLayer::new(pipeline));
        let mut stream = if is_server {
            Caller(server.layer(service)).down("x").await.unwrap()
        } else {
            Caller(client.layer(service)).down("x").await.unwrap()
        };
        let mut messages = 0;
        let status = loop {
            match stream.message().await {
                Ok(message) => assert!(message.is_some(), "{name} ends well"),
                Err(status) => break status,
            }
            messages += 1;
            sleep(ms(1000)).await;
        };
        assert_eq!((messages, status.code()), (3, Code::DeadlineExceeded), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_its_own_time() {
    let calls = Arc::new(AtomicU32::new(0));
    let service = Fixed(move || {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            if number == 0 {
                std::future::pending::<()>().await;
            }
            sleep(ms(300)).await;
            answer(&[], vec![(50, message("a")), (0, trailers(&[("grpc-status", "0")]))])
        }
    });
    let hedge = HedgePolicy::builder().delay(ms(900)).build();
    let pipeline = Pipeline::builder("hostile.copy").timeout(ms(1000)).hedge(hedge).build();
    let caller = Caller(ClientLayer::new(pipeline).layer(service));
    assert_eq!(caller.unary("hello").await.unwrap(), "a", "it took 350 ms of its 1000");
}

#[tokio::test(start_paused = true)]
async fn who_is_ahead_with_our_own_deadline_does_not_count_against_the_other_side() {
    let name = "hostile.ahead";
    let pipeline = Pipeline::builder(name).deadline(ms(1000)).breaker(breaker(name)).build();
    let served = ServerLayer::new("hostile.ahead.server").layer(Echo::default());
    let caller = Caller(ClientLayer::new(pipeline).layer(served));
    let unary = caller.unary("hang").await.unwrap_err();
    let stream = all(caller.down("1 hang").await.unwrap()).await.1.unwrap_err();
    for status in [unary, stream] {
        assert!(matches!(refusal(&status), Some(ResilienceError::DeadlineExceeded { .. })));
    }
    let counts = snapshot(name);
    assert_eq!((counts.deadline_exceeded, counts.failures), (2, 2));
    assert_eq!(counts.breaker.unwrap().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn time_that_was_waited_for_room_is_not_told_as_left() {
    let name = "hostile.queue";
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).max_queue(5).max_wait(ms(10_000));
    let pipeline = Pipeline::builder(name).timeout(ms(1000)).bulkhead(bulkhead.build()).build();
    let echo = Echo::default();
    let caller = Caller(ClientLayer::new(pipeline).layer(echo.clone()));
    let own = caller.clone();
    let first = tokio::spawn(async move { own.unary("late 900").await });
    tokio::task::yield_now().await;
    let began = Instant::now();
    caller.unary("hang").await.unwrap_err();
    first.await.unwrap().unwrap();
    let told = echo.metadata("grpc-timeout")[1].clone().unwrap();
    let micros: u64 = told.strip_suffix('u').map_or(0, |micros| micros.parse().unwrap());
    assert!(micros <= 100_000, "of 1000 ms, 900 were over: {told}");
    assert_eq!(began.elapsed(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn a_place_goes_back_when_the_stream_is_gone() {
    for (name, is_server, is_cut) in [
        ("hostile.server.cut", true, true),
        ("hostile.server.drop", true, false),
        ("hostile.client.cut", false, true),
        ("hostile.client.drop", false, false),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = Arc::clone(&seen);
        let service = Fixed(move || {
            let then = Some(Running(name, Arc::clone(&sees)));
            let frames = VecDeque::from([(0, message("a"))]);
            async move { head(200, &[]).map(|()| Body::new(Frames { frames, sleep: None, then })) }
        });
        let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
        let server = ServerLayer::new(name).max_deadline(ms(500));
        let pipeline = Pipeline::builder(name).timeout(ms(500));
        // Kept, so that it is on the list to the end.
        let (_server, _client);
        let mut stream = if is_server {
            _server = server.shed(bulkhead);
            Caller(_server.layer(service)).down("x").await.unwrap()
        } else {
            _client = ClientLayer::new(pipeline.bulkhead(bulkhead).build());
            Caller(_client.layer(service)).down("x").await.unwrap()
        };
        stream.message().await.unwrap();
        if is_cut {
            stream.message().await.unwrap_err();
        }
        drop(stream);
        assert_eq!(*seen.lock().unwrap(), [1], "{name}");
        assert_eq!(snapshot(name).bulkhead.unwrap().running, 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_counts_as_a_failure_wherever_it_is_asked() {
    for (name, is_head) in [("hostile.class.head", true), ("hostile.class.end", false)] {
        let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
        let pipeline = Pipeline::builder(name).breaker(breaker(name)).bulkhead(bulkhead).build();
        let layer = ClientLayer::new(pipeline).classify(|_| panic!("as told"));
        let caller = Caller(layer.layer(Echo::default()));
        let panicked = tokio::spawn(async move {
            match is_head {
                true => drop(caller.unary("INTERNAL").await),
                false => drop(all(caller.down("1 INTERNAL").await.unwrap()).await),
            }
        });
        assert!(panicked.await.is_err());
        let counts = snapshot(name);
        assert_eq!((counts.failures, counts.breaker.unwrap().failures), (1, 1), "{name}");
        assert_eq!(counts.bulkhead.unwrap().running, 0, "{name}");
    }
}
