//! The process that is looked at: it serves the page, and calls its client again and again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mmf::chaos::{ChaosConfig, ChaosKind, Fault};
use mmf::resilience::{CircuitBreaker, Pipeline};
use mmf::{ResilienceError, resilient};
use serde_json::Value;

use crate::streams;

pub(crate) const HOSTILE: &str = "<script>alert(1)</script>/\"\n";

#[resilient(name = "admin.client", timeout = "2s", breaker(failure_threshold = 3))]
async fn client(ok: bool) -> Result<(), Error> {
    if ok { Ok(()) } else { Err(Error) }
}

#[derive(Debug, thiserror::Error)]
#[error("<i>the dependency</i> says no")]
struct Error;

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

/// Serves, and calls its client again and again.
pub(crate) fn child() {
    let _logging = mmf::logging::init(mmf::logging::LoggingConfig::new("admin")).unwrap();
    let struck = ChaosConfig::new()
        .target("nobody.*")
        .fault(Fault::new(ChaosKind::Hang).probability(0.25).duration(Duration::from_secs(600)));
    let _armed = mmf::chaos::arm(struck, Some(42)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let breaker = CircuitBreaker::builder(HOSTILE).build();
        let _hostile = Pipeline::builder(HOSTILE).breaker(breaker).build();
        let _feature = mmf::degradation::feature("tips");
        let check = || async { Err("no route <b>to</b> it".to_owned()) };
        mmf::health::register(mmf::health::Check::new("db", check));
        let many = std::env::var("MANY").map_or(0, |many| many.parse().unwrap());
        let _many: Vec<_> = (0..many)
            .map(|number| Pipeline::builder(format!("many.{number:04}")).build())
            .collect();
        let shared = std::env::var_os("FAILS").map(|_| {
            let breaker = CircuitBreaker::builder("shared").failure_threshold(1).build();
            Pipeline::builder("admin.shared").breaker(breaker).build()
        });
        tokio::spawn(async move {
            loop {
                if let Some(shared) = &shared {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    let call = shared.call().error_text(std::fmt::Display::fmt);
                    let _ = call.run(|| async { Err::<(), _>(Error) }).await;
                    for _ in 0..3 {
                        let _ = client(false).await;
                    }
                } else {
                    let _ = client(true).await;
                    tracing::debug!("a call");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        let listener = {
            // After another process its port is not free at once.
            let port = std::env::var("PORT").map_or(0, |port| port.parse().unwrap());
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            loop {
                match tokio::net::TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let port = listener.local_addr().unwrap().port();
        match std::env::var_os("PORT_FILE") {
            None => println!("port {port}"),
            Some(file) => {
                streams::flood();
                std::fs::write(file, port.to_string()).unwrap();
            }
        }
        let app = mmf::admin::router();
        let app = match std::env::var_os("NESTED") {
            None => app,
            Some(_) => axum::Router::new().nest("/admin", app),
        };
        if std::env::var_os("STRANGER").is_some() {
            axum::serve(listener, app).await.unwrap();
        } else {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.unwrap();
        }
    });
}

pub(crate) struct Process {
    child: Child,
    pub(crate) base: String,
    pub(crate) log: Arc<Mutex<String>>,
    pub(crate) client: reqwest::Client,
}

impl Process {
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MMF_TEST_CHILD", "1").env_remove("RUST_LOG").stdout(Stdio::piped());
        command.env_remove("MMF_ADMIN_TOKEN").env_remove("MMF_ADMIN_READ_TOKEN");
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("it tells its port").unwrap();
            if let Some(port) = line.strip_prefix("port ") {
                break port.to_owned();
            }
        };
        let log = Arc::new(Mutex::new(String::new()));
        let lines_read = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *lines_read.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            log,
            client: reqwest::Client::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        self.post_from(path, token, None, body.to_string()).await
    }

    pub(crate) async fn post_from(
        &self,
        path: &str,
        token: Option<&str>,
        origin: Option<&str>,
        body: String,
    ) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.base));
        request = request.header("content-type", "application/json").body(body);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status >= 400 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
        (status, answer.json().await.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
