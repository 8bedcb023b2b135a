//! The service that the world calls, and that calls the other.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Router, routing::get};
use mmf::correlation;
use reqwest::header::HeaderMap;

#[derive(Clone)]
struct Gateway {
    client: reqwest::Client,
    users: String,
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the users service answered {0}")]
    Status(StatusCode),
    #[error("the users service could not be called")]
    Call(#[from] reqwest::Error),
}

#[mmf::service(name = "gateway")]
impl Gateway {
    #[operation(name = "gateway.user", fields(user_id = id))]
    pub async fn user(&self, id: u32) -> Result<String, CallError> {
        let mut headers = HeaderMap::new();
        correlation::inject(&mut headers);
        let request = self.client.get(format!("{}/users/{id}", self.users)).headers(headers);
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => Ok(response.text().await?),
            status => Err(CallError::Status(status)),
        }
    }
}

async fn user(State(gateway): State<Gateway>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    gateway.user(id).await.map_err(|error| match error {
        CallError::Status(status) => status,
        CallError::Call(_) => StatusCode::BAD_GATEWAY,
    })
}

#[mmf::service(name = "gateway", flavor = "current_thread")]
pub(crate) async fn main(service: mmf::Service) -> Result<(), std::io::Error> {
    crate::process::end_with_parent();
    let port = std::env::var("USERS_PORT").map_err(std::io::Error::other)?;
    let gateway =
        Gateway { client: reqwest::Client::new(), users: format!("http://127.0.0.1:{port}") };
    let app = Router::new().route("/users/{id}", get(user)).with_state(gateway);
    crate::http::serve(service, app).await
}
