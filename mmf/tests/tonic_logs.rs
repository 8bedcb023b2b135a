//! The log of calls to a gRPC service. A process of its own, whose subscriber is there before the first call.

#[expect(dead_code, reason = "shared with the tests of the layers, which ask for more")]
#[path = "tonic/echo.rs"]
mod echo;
mod log_lines;

use std::time::Duration;

use mmf::tonic::{Served, ServerLayer};
use serde_json::Value;
use tonic::Request;
use tower::Layer;

use echo::{Caller, Echo, all};
use log_lines::lines_of;

fn caller() -> Caller<Served<Echo>> {
    Caller(ServerLayer::new("echo").layer(Echo::default()))
}

fn request(id: &str, message: &str) -> Request<String> {
    let mut request = Request::new(message.to_owned());
    request.metadata_mut().insert("x-correlation-id", id.parse().unwrap());
    request
}

async fn unary(id: &str, message: &str) -> Vec<Value> {
    lines_of(id, caller().request(request(id, message))).await
}

#[tokio::test]
async fn begin_and_end_are_told_with_the_method() {
    let lines = unary("grpc-1", "hello").await;
    let [begin, end] = &lines[..] else { panic!("{lines:?}") };
    for line in [begin, end] {
        assert_eq!(
            (&line["operation"], &line["level"]),
            (&"test.Echo/Unary".into(), &"INFO".into())
        );
        assert_eq!(line["component"], "echo");
    }
    assert_eq!((&begin["phase"], &end["phase"]), (&"start".into(), &"end".into()));
    assert_eq!((&end["grpc_status"], &end["success"]), (&"OK".into(), &true.into()));
    assert_eq!((&begin["grpc_status"], &end["status"]), (&Value::Null, &Value::Null));
    assert!(end["duration_ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(end["message"], "test.Echo/Unary succeeded");
}

#[tokio::test]
async fn faults_of_the_service_are_warnings_and_those_of_callers_are_not() {
    for (id, code, level, success, message) in [
        ("grpc-2", "INTERNAL", "WARN", false, "test.Echo/Unary failed"),
        ("grpc-3", "NOT_FOUND", "INFO", true, "test.Echo/Unary was answered NOT_FOUND"),
    ] {
        let lines = unary(id, code).await;
        let end = lines.last().unwrap();
        assert_eq!((&end["level"], &end["success"]), (&level.into(), &success.into()));
        assert_eq!((&end["grpc_status"], &end["message"]), (&code.into(), &message.into()));
        assert_eq!(end["error"], "as told");
    }
}

#[tokio::test]
async fn a_stream_is_one_call_until_its_last_message() {
    let mut stream = None;
    let begun = async {
        stream = Some(caller().down_by(request("grpc-4", "2 DATA_LOSS")).await.unwrap());
    };
    assert_eq!(lines_of("grpc-4", begun).await.len(), 1);
    let lines = lines_of("grpc-4", all(stream.unwrap().into_inner())).await;
    let [_, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        (&end["grpc_status"], &end["operation"]),
        (&"DATA_LOSS".into(), &"test.Echo/Down".into())
    );
    assert_eq!((&end["phase"], &end["error"]), (&"end".into(), &"as told".into()));

    let given_up = caller().down_by(request("grpc-5", "2 hang")).await.unwrap();
    let lines = lines_of("grpc-5", async { drop(given_up) }).await;
    let [_, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(end["message"], "test.Echo/Down was cancelled");
    assert_eq!((&end["grpc_status"], &end["success"]), (&Value::Null, &false.into()));

    let mut late = request("grpc-6", "1 hang");
    late.set_timeout(Duration::from_millis(20));
    let stream = caller().down_by(late).await.unwrap().into_inner();
    let lines = lines_of("grpc-6", all(stream)).await;
    let end = lines.last().unwrap();
    assert_eq!((&end["grpc_status"], &end["level"]), (&"DEADLINE_EXCEEDED".into(), &"WARN".into()));
    let error = end["error"].as_str().unwrap();
    assert!(error.starts_with("echo") && error.ends_with(": deadline of 20ms exceeded"), "{end}");
}

#[tokio::test]
async fn why_a_call_was_refused_is_in_the_log_and_not_in_the_answer() {
    let status = caller().request(request("grpc-7", "refused")).await.unwrap_err();
    assert!(!status.message().contains("inner"), "{status:?}");
    let lines = unary("grpc-8", "refused").await;
    let error = lines.last().unwrap()["error"].as_str().unwrap();
    assert!(error.starts_with("inner: bulkhead full"), "{error}");
}

#[tokio::test]
async fn methods_that_nobody_has_are_no_names() {
    let caller = caller();
    let of = |id: &'static str, path: &'static str| {
        let mut call = http::Request::builder().uri(path).header("x-correlation-id", id);
        call = call.method("POST");
        let call = call.body(tonic::body::Body::empty()).unwrap();
        let caller = caller.clone();
        async move { tower::ServiceExt::oneshot(caller.0, call).await.unwrap() }
    };
    let lines = lines_of("grpc-9", of("grpc-9", "/test.Echo/None")).await;
    let end = lines.last().unwrap();
    assert_eq!(
        (&end["operation"], &end["grpc_status"]),
        (&"test.Echo/None".into(), &"UNIMPLEMENTED".into())
    );
    let lines = lines_of("grpc-10", of("grpc-10", "/a/b/c?secret")).await;
    assert_eq!(lines[0]["operation"], "unmatched");
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_told_once_a_minute_with_how_often_it_came() {
    let caller = caller();
    let told = || async {
        let lines = lines_of("grpc-11", async {
            for _ in 0..3 {
                let mut nonsense = request("grpc-11", "hello");
                nonsense.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
                caller.request(nonsense).await.unwrap();
            }
        });
        let lines = lines.await;
        lines.into_iter().filter(|line| line["metadata"] == "grpc-timeout").collect::<Vec<_>>()
    };
    assert_eq!(told().await.len(), 1);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(told().await.len(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    let lines = told().await;
    let [first, second] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&first["since_last"], &first["total"]), (&1.into(), &1.into()));
    assert_eq!((&second["since_last"], &second["total"]), (&6.into(), &7.into()));
    assert_eq!(second["message"], "malformed grpc-timeout was left aside");
    assert_eq!(second["level"], "WARN");
}

#[tokio::test(start_paused = true)]
async fn events_of_a_client_tell_the_status_and_its_message() {
    use mmf::correlation::{CorrelationId, scope};
    use mmf::resilience::{Pipeline, RetryPolicy};

    let retry = RetryPolicy::builder().max_attempts(2).build();
    let pipeline = Pipeline::builder("logged.client").retry(retry).build();
    let client = Caller(mmf::tonic::ClientLayer::new(pipeline).layer(Echo::default()));
    let calls = async {
        client.unary("UNAVAILABLE").await.unwrap_err();
    };
    let id = CorrelationId::parse("grpc-12").unwrap();
    let lines = lines_of("grpc-12", scope(id, calls)).await;
    let told = lines.iter().find(|line| line["policy"] == "logged.client");
    assert_eq!(told.unwrap()["error"], "UNAVAILABLE: as told", "{lines:?}");
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn names_that_strangers_think_of_reach_no_label() {
    mmf::metrics::enable();
    let caller = caller();
    for path in ["/stranger.Evil/One", "/stranger.Evil/Two"] {
        let call = http::Request::post(path).body(tonic::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(caller.0.clone(), call).await.unwrap();
    }
    for _ in 0..2 {
        caller.unary("hello").await.unwrap();
    }
    caller.unary("NOT_FOUND").await.unwrap_err();
    let text = mmf::metrics::prometheus();
    assert!(!text.contains("stranger"), "{text}");
    let of = |method: &str, status: &str| {
        let labels = format!(r#"method="{method}",route="test.Echo",status="{status}""#);
        text.lines().any(|line| line.starts_with("mmf_requests_total") && line.contains(&labels))
    };
    assert!(of("test.Echo/Unary", "OK") && of("test.Echo/Unary", "NOT_FOUND"), "{text}");
    assert!(
        text.contains(r#"method="unmatched",route="unmatched",status="UNIMPLEMENTED""#),
        "{text}"
    );
}
