//! The client that asks: within bounds, and by no way but the one that is meant.

use std::process::Command;
use std::time::Duration;

use mmf::contract_test;
use mmf::testing::{ContractReport, ContractResponse, ContractTest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a server sends after it was asked.
#[derive(Clone, Copy)]
enum Sends {
    /// A whole answer with this body.
    Body(&'static str),
    /// A JSON text of so many bytes.
    Long(usize),
    /// Events without end.
    Endless,
    /// Nothing.
    Nothing,
    /// As a proxy: the answer to what comes through the tunnel.
    Tunnel,
}

async fn server(sends: Sends) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                asked(&mut stream).await;
                let text = match sends {
                    Sends::Body(body) => body.to_owned(),
                    Sends::Long(size) => format!("\"{}\"", "a".repeat(size - 2)),
                    Sends::Endless => {
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                        let _ = stream.write_all(head.as_bytes()).await;
                        while stream.write_all(b"data: tick\n\n").await.is_ok() {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        return;
                    }
                    Sends::Nothing => return std::future::pending().await,
                    Sends::Tunnel => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                        asked(&mut stream).await;
                        String::new()
                    }
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\nx-a: 1\r\nx-a: 2\r\n\r\n",
                    text.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                // What is not read when a connection is closed would tear it down.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            });
        }
    });
    url
}

/// Reads the head of a request.
async fn asked(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
}

fn test(url: String) -> ContractTest {
    ContractTest::new("contracts::client", "stream", "/events").base_url(url)
}

async fn told(test: ContractTest) -> String {
    // It ends by itself, long before this.
    let run = test.run(|_: ContractResponse| async {});
    let report: ContractReport =
        tokio::time::timeout(Duration::from_secs(20), run).await.expect("it has to end");
    report.reasons.join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_taken_up_to_a_bound() {
    let url = server(Sends::Long(11 << 20)).await;
    assert_eq!(told(test(url.clone())).await, "");
    let large = told(test(url).max_body(10 << 20)).await;
    assert!(large.ends_with("`max_body`: the body is larger than 10485760 bytes"), "{large}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_end_is_told_of() {
    let url = server(Sends::Endless).await;
    let endless = told(test(url.clone()).timeout(Duration::from_millis(300))).await;
    assert!(
        endless.contains("/events: `timeout`: the answer did not end within 300ms, after "),
        "{endless}"
    );
    let endless = told(test(url).max_body(100)).await;
    assert!(endless.contains("`max_body`"), "{endless}");
    let silent = server(Sends::Nothing).await;
    let silent = told(test(silent).timeout(Duration::from_millis(300))).await;
    assert!(silent.contains("`timeout`: no answer within 300ms"), "{silent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_service_does_not_outlast_itself() {
    let silent = server(Sends::Nothing).await;
    let silent = told(test(silent).wait_ready(Duration::from_millis(300))).await;
    assert!(silent.contains("`timeout`: no answer within "), "{silent}");
    let endless = server(Sends::Endless).await;
    let endless = test(endless).wait_ready(Duration::from_secs(5)).timeout(Duration::from_secs(1));
    let endless = told(endless.health_check("/health")).await;
    assert!(endless.contains("/events: `timeout`"), "the health is a status: {endless}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_header_is_looked_at() {
    let url = server(Sends::Body("")).await;
    assert_eq!(told(test(url.clone()).header("x-a", "1, 2")).await, "");
    let first = told(test(url).header("x-a", "1")).await;
    assert_eq!(first, "header x-a: 1, 2, expected 1");
}

#[contract_test(
    service = "stream",
    base_url(server(Sends::Endless).await),
    endpoint = "/",
    timeout = "200ms"
)]
#[should_panic(expected = "the answer did not end within 200ms")]
async fn a_test_has_its_timeout(_: ContractResponse) {}

#[contract_test(
    service = "stream",
    base_url(server(Sends::Long(2000)).await),
    endpoint = "/",
    max_body = "1KiB"
)]
#[should_panic(expected = "the body is larger than 1024 bytes")]
async fn a_test_has_its_largest_body(_: ContractResponse) {}

/// Runs one of the tests below in a process of its own, with these variables; what it says.
fn run(name: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn no_proxy_is_on_the_way_to_loopback() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "MMF_HTTP_PROXY"] {
        let (passed, text) = run(
            "client::asks_loopback",
            &[(variable, "http://127.0.0.1:1"), ("MMF_BASE_URL_STREAM", "")],
        );
        assert!(passed && text.contains("1 passed"), "{variable}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_on_the_way_elsewhere_and_is_named_where_it_fails() {
    let proxy = server(Sends::Tunnel).await;
    for variable in ["HTTP_PROXY", "MMF_HTTP_PROXY"] {
        let variables = [(variable, proxy.clone())];
        let asked = tokio::task::spawn_blocking(move || {
            let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
            run("client::asks_elsewhere", &variables)
        });
        let (passed, text) = asked.await.unwrap();
        assert!(passed && text.contains("1 passed"), "{variable}: {text}");
    }
    let closed = "http://user:secret@127.0.0.1:1";
    let variables = [("MMF_HTTP_PROXY", closed), ("HTTP_PROXY", &proxy)];
    let (passed, text) = run("client::asks_elsewhere", &variables);
    assert!(!passed && text.contains("(asked by the proxy 127.0.0.1:1)"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let (passed, text) = run("client::asks_elsewhere", &[("MMF_HTTP_PROXY", "::")]);
    assert!(!passed && text.contains("MMF_HTTP_PROXY: "), "{text}");
}

#[contract_test(service = "stream", base_url(server(Sends::Body("")).await), endpoint = "/")]
#[ignore = "another test runs it"]
async fn asks_loopback(_: ContractResponse) {}

#[contract_test(service = "stream", base_url("http://service.invalid"), endpoint = "/")]
#[ignore = "another test runs it"]
async fn asks_elsewhere(_: ContractResponse) {}
