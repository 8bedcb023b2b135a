//! The service of users: each answer needs an account, and comes with a tip where there is one.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Json, Router, routing::get};
use mmf::axum::{Problem, ServiceLayer, probes};
use mmf::degradation::{FollowHealth, follow_health};
use mmf::health::{self, Check};
use mmf::{ResilienceError, resilient};
use reqwest_middleware::ClientWithMiddleware;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Debug, thiserror::Error)]
enum UsersError {
    #[error("no account: {0}")]
    Account(#[from] reqwest_middleware::Error),
    #[error("no account: {0}")]
    Answer(#[from] reqwest::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

impl From<UsersError> for Problem {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Refused(refusal) => refusal.into(),
            error => Self::new(http::StatusCode::BAD_GATEWAY).told(error),
        }
    }
}

/// The accounts, by a client that hands ids and deadlines on.
#[derive(Clone)]
struct Accounts {
    client: ClientWithMiddleware,
    url: String,
}

impl Accounts {
    #[resilient(
        name = "users.account",
        deadline = "2s",
        timeout = "250ms",
        retry(
            max_attempts = 3,
            base_delay = "10ms",
            max_delay = "100ms",
            backoff = "jittered_exponential"
        ),
        breaker(failure_threshold = 5, recovery_timeout = "400ms"),
        bulkhead(max_concurrent = 64, max_queue = 64),
        fallback(stale(key(id), max_age = "1m", capacity = 1000, aged(is_stale)))
    )]
    async fn get(&self, id: u64) -> Result<Value, UsersError> {
        let answer = self.client.get(format!("{}/accounts/{id}", self.url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    async fn check(self) -> Result<(), UsersError> {
        self.client.get(format!("{}/health", self.url)).send().await?.error_for_status()?;
        Ok(())
    }
}

/// An account that is not of now says so.
fn is_stale(account: &mut Value, _age: Duration) {
    account["stale"] = true.into();
}

#[resilient(name = "users.tip", feature = "tips", disable_at = "minor", fallback(value(None)))]
async fn tip(id: u64) -> Result<Option<String>, ResilienceError> {
    Ok(Some(format!("a tip for {id}")))
}

async fn user(
    State(accounts): State<Accounts>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Problem> {
    let account = accounts.get(id).await?;
    let stale = account["stale"].as_bool().unwrap_or(false);
    Ok(Json(json!({ "name": account["name"], "stale": stale, "tip": tip(id).await? })))
}

#[mmf::service(name = "users")]
pub(crate) async fn main(service: mmf::Service) -> Result<(), std::io::Error> {
    crate::process::end_with_parent();
    // A pipeline without a policy: for the ids and the deadline that go out with each request.
    let plain = mmf::resilience::Pipeline::builder("users.http").build();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(mmf::reqwest::Resilience::new(plain))
        .build();
    let url = std::env::var("ACCOUNTS").map_err(std::io::Error::other)?;
    let accounts = Accounts { client, url };
    let asked = accounts.clone();
    let check = Check::new("accounts", move || asked.clone().check());
    health::register(check.every(Duration::from_millis(100)).timeout(Duration::from_millis(300)));
    follow_health(
        FollowHealth::default().every(Duration::from_millis(50)).hold(Duration::from_millis(500)),
    );
    let app = Router::new()
        .route("/users/{id}", get(user))
        .with_state(accounts)
        .layer(ServiceLayer::new("users"))
        .merge(probes())
        .nest("/admin", mmf::admin::router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    service.ready(listener.local_addr()?.port());
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(service.shutdown_requested()).await
}
