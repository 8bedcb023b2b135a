//! The service under test: users, in memory, and the client that another service has of it.

use std::net::SocketAddr;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use mmf::{ResilienceError, resilient};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Starts the service on a free port of loopback.
pub(crate) async fn spawn() -> SocketAddr {
    let app = Router::new()
        .route("/health", get(|| async { "well" }))
        .route("/users", get(|| async { Json(json!([user(1), user(2)])) }))
        .route("/users/{id}", get(one));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// Its address as contracts want it.
pub(crate) async fn url() -> String {
    format!("http://{}", spawn().await)
}

pub(crate) fn user(id: u32) -> Value {
    json!({ "id": id, "name": if id == 1 { "Ada" } else { "Grace" } })
}

async fn one(Path(id): Path<u32>) -> Result<Json<Value>, StatusCode> {
    match id {
        1 | 2 => Ok(Json(user(id))),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
    /// What an experiment injects.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        Self { http: reqwest::Client::new(), base }
    }

    #[resilient(
        name = "users.client.fetch",
        timeout = "2s",
        retry(max_attempts = 8, base_delay = "5ms", max_delay = "50ms")
    )]
    pub(crate) async fn fetch(&self, id: u32) -> Result<Value, ClientError> {
        let response = self.http.get(format!("{}/users/{id}", self.base)).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }
}
