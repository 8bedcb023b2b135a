//! gRPC services: health and reflection.

use std::time::Duration;

use mmf::contract_test;
use mmf::testing::{ContractReport, ContractTest};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;

const SERVICE: &str = "grpc.reflection.v1.ServerReflection";
const METHOD: &str = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// A server whose only service is reflection itself, with the health service that says how it is.
async fn spawn(serving: bool, reflection: bool) -> String {
    let (health, health_service) = tonic_health::server::health_reporter();
    let status = match serving {
        true => tonic_health::ServingStatus::Serving,
        false => tonic_health::ServingStatus::NotServing,
    };
    health.set_service_status(SERVICE, status).await;
    let reflection = reflection.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .build_v1()
            .unwrap()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(health_service).add_optional_service(reflection);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    url
}

#[contract_test(
    service = "reflection",
    base_url(spawn(true, true).await),
    grpc_services(
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    ),
    wait_ready = "10s",
    sla = "10s"
)]
async fn serves() {}

#[contract_test(
    service = "reflection",
    base_url(spawn(false, false).await),
    grpc_services("grpc.reflection.v1.ServerReflection")
)]
#[should_panic(expected = "serving grpc.reflection.v1.ServerReflection: reflection: \
                           grpc.reflection.v1.ServerReflection is down: NOT_SERVING")]
fn is_down() {}

async fn asked(url: String, services: &[&str]) -> ContractReport {
    let test = ContractTest::new("contracts::grpc::asked", "reflection-in-code", "gRPC");
    let test =
        services.iter().fold(test.base_url(url), |test, service| test.grpc_service(*service));
    test.run_grpc(|| async {}).await
}

#[tokio::test]
async fn methods_are_looked_up_where_the_server_tells() {
    let names = |report: &ContractReport| {
        report.contract.checks.iter().map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    let report = asked(spawn(true, true).await, &[SERVICE, METHOD]).await;
    assert!(report.passed, "{report}");
    assert_eq!(
        names(&report)[1..4],
        [format!("serving {SERVICE}"), format!("reflection {SERVICE}"), format!("method {METHOD}"),]
    );
    let missing = format!("{SERVICE}/Get");
    let report = asked(spawn(true, true).await, &[&missing]).await;
    assert_eq!(report.reasons, [format!("method {missing}: it has ServerReflectionInfo")]);
    let report = asked(spawn(true, false).await, &[SERVICE]).await;
    assert!(report.passed && names(&report).len() == 3, "{report}");
    let report = asked(spawn(true, false).await, &[METHOD]).await;
    assert!(report.reasons[0].contains("the server has no reflection"), "{report}");
}

#[tokio::test]
async fn services_that_are_not_known_and_servers_that_are_not_there_are_told() {
    let report = asked(spawn(true, true).await, &["users.v1.Users"]).await;
    assert!(
        report.reasons[0].contains("users.v1.Users is not known to the health service"),
        "{report}"
    );
    let report = asked("http://127.0.0.1:1".into(), &[SERVICE]).await;
    assert!(report.reasons[0].contains("nothing answers at http://127.0.0.1:1: "), "{report}");
    assert!(report.reasons[0].contains("refused"), "{report}");
    // A server that is not gRPC.
    let http = ContractTest::new("contracts::grpc::http", "http-only", "gRPC")
        .base_url(super::app::spawn().await)
        .wait_ready(Duration::ZERO)
        .grpc_service(SERVICE)
        .run_grpc(|| async {})
        .await;
    assert!(!http.passed);
}

#[tokio::test]
async fn a_service_that_is_down_is_named_before_its_endpoints_are_asked() {
    let report = ContractTest::new("contracts::grpc::first", "users-by-grpc", "/health")
        .base_url(super::app::spawn().await)
        .grpc_service(SERVICE)
        .run(|_| async {})
        .await;
    assert!(report.reasons[0].starts_with("serving "), "{report}");
    assert!(report.contract.checks.iter().all(|check| check.name != "status"), "{report}");
}
