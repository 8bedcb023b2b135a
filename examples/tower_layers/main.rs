//! Layers of tower around a service that anybody could have written: ids, a deadline, policies and faults, each in one
//! line, and what they do to its requests. Exits with 1 where one of them did not.

use std::process::ExitCode;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use mmf::chaos::{ChaosConfig, ChaosKind, Fault, scope};
use mmf::correlation;
use mmf::resilience::{CircuitBreaker, Pipeline, RetryPolicy, policy, time_left};
use mmf::tower::{ChaosLayer, CorrelationLayer, DeadlineLayer, Error, ResilienceLayer};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// What the service answers: what it knows of the request.
async fn greet(_: Request<()>) -> Result<Response<String>, std::io::Error> {
    let id = correlation::current().map(|id| id.to_string()).unwrap_or_default();
    let left = time_left().unwrap_or_default().as_millis();
    Ok(Response::new(format!("request {id}, {left} ms left")))
}

fn request(id: &str) -> Request<()> {
    let request = Request::builder().header("x-correlation-id", id);
    request.header("x-request-timeout-ms", "2000").body(()).expect("valid")
}

#[tokio::main]
async fn main() -> ExitCode {
    let pipeline = Pipeline::builder("greetings")
        .timeout(Duration::from_millis(200))
        .retry(RetryPolicy::builder().max_attempts(6).base_delay(Duration::from_millis(10)).build())
        .breaker(
            CircuitBreaker::builder("greetings")
                .failure_threshold(20)
                .failure_rate_threshold(0.0)
                .build(),
        )
        .build();
    // From outside to inside: each request passes them in this order.
    let mut greetings = ServiceBuilder::new()
        .layer(CorrelationLayer::incoming())
        .layer(DeadlineLayer::new(Duration::from_secs(30)).timeout_header("x-request-timeout-ms"))
        .layer(ResilienceLayer::new(pipeline).classify(mmf::http::classify))
        .layer(ChaosLayer::new("greetings.server"))
        .service(service_fn(greet));
    let mut well = true;
    let mut expect = |what: &str, holds: bool| {
        println!("{} {what}", if holds { "ok:    " } else { "FAILED:" });
        well &= holds;
    };

    let answer = greetings.ready().await.expect("ready").call(request("req-1")).await;
    let text = answer.as_ref().map(|response| response.body().as_str()).unwrap_or_default();
    println!("{text}");
    expect(
        "the service knows whom it serves, and how long",
        text.starts_with("request req-1, ") && !text.ends_with(", 0 ms left"),
    );
    let named = answer.is_ok_and(|response| response.headers()["x-correlation-id"] == "req-1");
    expect("the response names the request", named);

    let broken = Fault::new(ChaosKind::NetworkFailure).probability(0.5);
    let under_fire = async {
        let mut arrived = 0;
        for number in 0..20 {
            let id = format!("req-{number}");
            let answer = greetings.clone().oneshot(request(&id)).await;
            arrived += u32::from(answer.is_ok_and(|response| response.status() == StatusCode::OK));
        }
        arrived
    };
    let arrived = scope(ChaosConfig::new().fault(broken)).seed(42).run(under_fire).await;
    let retries = policy("greetings").expect("built above").snapshot().retries;
    expect(
        &format!(
            "half of the attempts fail, {arrived} of 20 requests do not, by {retries} retries"
        ),
        arrived == 20 && retries > 5,
    );

    let hanging = ChaosConfig::new().fault(Fault::new(ChaosKind::Hang).probability(1.0));
    let mut hurried = request("req-late");
    hurried.headers_mut().insert("x-request-timeout-ms", "50".parse().expect("valid"));
    let late = scope(hanging).seed(42).run(greetings.oneshot(hurried)).await;
    let refusal = match &late {
        Err(Error::Refused(refusal)) => refusal.to_string(),
        _ => String::new(),
    };
    expect(
        &format!("a caller in a hurry is not kept waiting: {refusal}"),
        refusal.contains("deadline"),
    );
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
