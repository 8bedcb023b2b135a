//! The end of a service as Kubernetes sees it: this program starts itself again as one, asks its probes under load, and sends
//! SIGTERM. Without a harness, since it is about `main`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use mmf::axum::{ServiceLayer, probes};
use mmf::health::{Check, register, set_drain_delay};

#[mmf::service(name = "health", shutdown_timeout = "5s")]
async fn child(service: mmf::Service) -> Result<(), std::io::Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    if std::env::var_os("DELAY").is_some() {
        set_drain_delay(Duration::from_millis(800));
    }
    register(Check::new("well", || async { Ok::<_, String>(()) }).critical());
    register(Check::new("hangs for an hour", || async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok::<_, String>(())
    }));
    let work = get(|| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        "done"
    });
    let app = Router::new().route("/work", work).layer(ServiceLayer::new("health"));
    service.ready(port);
    if std::env::var_os("LOUD").is_some() {
        mmf::health::readyz();
        loop {
            tracing::info!(filling = "x".repeat(1000));
            tokio::task::yield_now().await;
        }
    }
    axum::serve(listener, app.merge(probes()))
        .with_graceful_shutdown(service.shutdown_requested())
        .await
}

struct Service {
    process: Child,
    base: String,
}

impl Service {
    fn start(delay: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MMF_TEST_CHILD", "1").env_remove("RUST_LOG").stdout(Stdio::piped());
        if delay {
            command.env("DELAY", "1");
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("it becomes ready").unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(port) = line["port"].as_u64() {
                break port;
            }
        };
        // Read on, so that it can write.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, base: format!("http://127.0.0.1:{port}") }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: a signal to a child that has not been waited for.
        #[expect(unsafe_code, reason = "there is no other way to send a signal")]
        let sent = unsafe { libc::kill(self.process.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0);
    }
}

async fn status(client: &reqwest::Client, url: &str) -> Option<u16> {
    client.get(url).send().await.ok().map(|response| response.status().as_u16())
}

fn main() -> ExitCode {
    if std::env::var_os("MMF_TEST_CHILD").is_some() {
        return child();
    }
    // With all features on, crates of Pact's turn on TLS without a provider for every client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        readiness_goes_first_and_no_request_is_lost().await;
        a_second_signal_ends_it_though_nobody_reads_its_log().await;
        who_presses_ctrl_c_does_not_wait().await;
    });
    println!("readiness goes first: ok");
    ExitCode::SUCCESS
}

async fn readiness_goes_first_and_no_request_is_lost() {
    let mut service = Service::start(true);
    let client = reqwest::Client::new();
    let ready = format!("{}/readyz", service.base);
    while status(&client, &ready).await != Some(200) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status(&client, &format!("{}/livez", service.base)).await, Some(200));
    // A load that sends for as long as the service says that it is ready.
    let (stop, sent, lost) = (Arc::default(), Arc::default(), Arc::default());
    let load: Vec<_> = (0..8)
        .map(|_| {
            let url = format!("{}/work", service.base);
            let (stop, sent, lost): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) =
                (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&lost));
            let client = client.clone();
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    sent.fetch_add(1, Ordering::SeqCst);
                    if status(&client, &url).await != Some(200) {
                        lost.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let told = Instant::now();
    service.signal(libc::SIGTERM);
    while status(&client, &ready).await != Some(503) {
        assert!(told.elapsed() < Duration::from_secs(5), "it stays ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(status(&client, &format!("{}/livez", service.base)).await, Some(200));
    let work = format!("{}/work", service.base);
    assert_eq!(status(&client, &work).await, Some(200), "it serves on while it drains");
    // Kubernetes has seen it, and sends no more.
    stop.store(true, Ordering::SeqCst);
    for load in load {
        load.await.unwrap();
    }
    let code = tokio::task::spawn_blocking(move || service.process.wait().unwrap().code());
    assert_eq!(code.await.unwrap(), Some(0));
    assert!(told.elapsed() >= Duration::from_millis(800), "after the delay: {:?}", told.elapsed());
    let (sent, lost) = (sent.load(Ordering::SeqCst), lost.load(Ordering::SeqCst));
    assert!(sent > 20 && lost == 0, "{lost} of {sent} lost");
}

async fn a_second_signal_ends_it_though_nobody_reads_its_log() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("MMF_TEST_CHILD", "1").env("LOUD", "1").stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // It fills its pipe and its queue, and stands still.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = Instant::now();
    let service = Service { base: String::new(), process };
    service.signal(libc::SIGTERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.signal(libc::SIGTERM);
    process = service.process;
    while process.try_wait().unwrap().is_none() {
        assert!(told.elapsed() < Duration::from_millis(2800), "the second signal ends it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn who_presses_ctrl_c_does_not_wait() {
    let mut service = Service::start(false);
    let client = reqwest::Client::new();
    let ready = format!("{}/readyz", service.base);
    while status(&client, &ready).await != Some(200) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(client);
    let told = Instant::now();
    service.signal(libc::SIGINT);
    let code = tokio::task::spawn_blocking(move || service.process.wait().unwrap().code());
    assert_eq!(code.await.unwrap(), Some(0));
    assert!(told.elapsed() < Duration::from_millis(2900), "not the three seconds of a drain");
}
