//! A service that does what its messages say, and a client of it: messages are texts.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};
use mmf::correlation;
use mmf::resilience::{PolicySnapshot, policy, time_left};
use tokio::sync::oneshot;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;
use tower_service::Service;

#[derive(Clone, Default)]
pub(crate) struct Echo(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    calls: Vec<HeaderMap>,
    /// Told when a call that hangs is dropped.
    dropped: Option<oneshot::Sender<()>>,
}

impl Echo {
    /// The metadata of this name in each attempt.
    pub(crate) fn metadata(&self, name: &str) -> Vec<Option<String>> {
        let text = |headers: &HeaderMap| Some(headers.get(name)?.to_str().unwrap().to_owned());
        self.0.lock().unwrap().calls.iter().map(text).collect()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.0.lock().unwrap().calls.len()
    }

    /// Resolves once a call that hangs was dropped.
    pub(crate) fn until_dropped(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().dropped = Some(sender);
        receiver
    }

    fn guard(&self) -> Guard {
        Guard(self.0.lock().unwrap().dropped.take())
    }

    /// The answer to a message: it, an error such as `UNAVAILABLE` or `UNAVAILABLE 100`, of which the number is the pushback;
    /// `flaky 2` fails twice.
    async fn answer(&self, message: &str) -> Result<String, Status> {
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        match word {
            "hang" => {
                let _guard = self.guard();
                pending().await
            }
            "late" => {
                tokio::time::sleep(Duration::from_millis(rest.parse().unwrap())).await;
                Ok(message.into())
            }
            "flaky" if self.attempts() <= rest.parse().unwrap() => {
                Err(Status::unavailable("flaky"))
            }
            "left" => Ok(format!("{:?}", time_left())),
            "id" => Ok(correlation::current().unwrap().to_string()),
            "panic" => panic!("as told"),
            "refused" => Err(mmf::tonic::status(mmf::ResilienceError::bulkhead_full("inner", 7))),
            _ => match code(word) {
                Some(code) => Err(failure(code, rest)),
                None => Ok(message.into()),
            },
        }
    }
}

fn failure(code: Code, pushback: &str) -> Status {
    let mut status = Status::new(code, "as told");
    if !pushback.is_empty() {
        let name = HeaderName::from_static("grpc-retry-pushback-ms");
        status.metadata_mut().as_mut().insert(name, pushback.parse().unwrap());
    }
    status
}

/// A code by the name that it has in the protocol.
pub(crate) fn code(word: &str) -> Option<Code> {
    (1..=16).map(Code::from_i32).find(|code| {
        let name = format!("{code:?}").to_lowercase();
        word == word.to_uppercase() && name == word.replace('_', "").to_lowercase()
    })
}

struct Guard(Option<oneshot::Sender<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

/// `3 OK` says three messages, and then ends so; `3 hang` and `3 panic` do that then.
struct Script {
    left: u32,
    then: String,
    _guard: Guard,
}

impl Stream for Script {
    type Item = Result<String, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left > 0 {
            self.left -= 1;
            let id = correlation::current().map_or_else(|| "none".into(), |id| id.to_string());
            return Poll::Ready(Some(Ok(format!("{id} {:?}", time_left()))));
        }
        match self.then.as_str() {
            "OK" => Poll::Ready(None),
            "hang" => Poll::Pending,
            "panic" => panic!("as told"),
            word => Poll::Ready(Some(Err(failure(code(word).unwrap(), "")))),
        }
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

type Future =
    Pin<Box<dyn std::future::Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Future {
        self.0.lock().unwrap().calls.push(request.headers().clone());
        let (echo, path) = (self.clone(), request.uri().path().to_owned());
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
        Box::pin(async move {
            Ok(match path.as_str() {
                "/test.Echo/Unary" => {
                    let answer = service_fn(|request: Request<String>| {
                        let echo = echo.clone();
                        async move { echo.answer(request.get_ref()).await.map(Response::new) }
                    });
                    grpc.unary(answer, request).await
                }
                "/test.Echo/Down" => {
                    let answer = service_fn(|request: Request<String>| {
                        let (left, then) = request.get_ref().split_once(' ').unwrap();
                        let (left, then) = (left.parse().unwrap(), then.to_owned());
                        let script = Script { left, then, _guard: echo.guard() };
                        async move { Ok(Response::new(script)) }
                    });
                    grpc.server_streaming(answer, request).await
                }
                "/test.Echo/Up" => {
                    let answer = service_fn(|request: Request<Streaming<String>>| {
                        let echo = echo.clone();
                        async move {
                            let _guard = echo.guard();
                            let (mut messages, mut all) = (request.into_inner(), Vec::new());
                            while let Some(message) = messages.message().await? {
                                all.push(echo.answer(&message).await?);
                            }
                            Ok(Response::new(all.join("+")))
                        }
                    });
                    grpc.client_streaming(answer, request).await
                }
                "/test.Echo/Both" => {
                    let answer = service_fn(|request: Request<Streaming<String>>| {
                        let echo = echo.clone();
                        let guard = echo.guard();
                        let answers = request.into_inner().then(move |message| {
                            let _ = &guard;
                            let echo = echo.clone();
                            async move { echo.answer(&message?).await }
                        });
                        async move { Ok(Response::new(answers)) }
                    });
                    grpc.streaming(answer, request).await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// Calls of it, over whatever stands between.
#[derive(Clone)]
pub(crate) struct Caller<S>(pub(crate) S);

impl<S> Caller<S>
where
    S: GrpcService<Body> + Clone,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Error: Debug,
{
    async fn grpc(&self) -> tonic::client::Grpc<S> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await.unwrap();
        grpc
    }

    pub(crate) async fn unary(&self, message: &str) -> Result<String, Status> {
        self.request(Request::new(message.to_owned())).await.map(Response::into_inner)
    }

    pub(crate) async fn request(
        &self,
        request: Request<String>,
    ) -> Result<Response<String>, Status> {
        let path = PathAndQuery::from_static("/test.Echo/Unary");
        self.grpc().await.unary(request, path, ProstCodec::default()).await
    }

    pub(crate) async fn down(&self, message: &str) -> Result<Streaming<String>, Status> {
        self.down_by(Request::new(message.to_owned())).await.map(Response::into_inner)
    }

    pub(crate) async fn down_by(
        &self,
        request: Request<String>,
    ) -> Result<Response<Streaming<String>>, Status> {
        let path = PathAndQuery::from_static("/test.Echo/Down");
        self.grpc().await.server_streaming(request, path, ProstCodec::default()).await
    }

    pub(crate) async fn up<M>(&self, messages: M) -> Result<String, Status>
    where
        M: Stream<Item = String> + Send + 'static,
    {
        let path = PathAndQuery::from_static("/test.Echo/Up");
        let request = Request::new(messages);
        let mut grpc = self.grpc().await;
        let answer = grpc.client_streaming(request, path, ProstCodec::default()).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn both<M>(&self, messages: M) -> Result<Streaming<String>, Status>
    where
        M: Stream<Item = String> + Send + 'static,
    {
        let path = PathAndQuery::from_static("/test.Echo/Both");
        let request = Request::new(messages);
        let mut grpc = self.grpc().await;
        let answer = grpc.streaming(request, path, ProstCodec::default()).await;
        answer.map(Response::into_inner)
    }

    pub(crate) async fn unknown(&self, path: &str) -> Result<String, Status> {
        let (request, path) = (Request::new(String::new()), path.parse().unwrap());
        let codec = ProstCodec::<String, String>::default();
        self.grpc().await.unary(request, path, codec).await.map(Response::into_inner)
    }
}

/// All that a stream says, and how it ends.
pub(crate) async fn all(mut stream: Streaming<String>) -> (Vec<String>, Result<(), Status>) {
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(status) => return (messages, Err(status)),
        }
    }
}

pub(crate) fn snapshot(name: &str) -> PolicySnapshot {
    policy(name).unwrap().snapshot()
}
