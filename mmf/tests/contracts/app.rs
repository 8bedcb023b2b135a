//! The service under test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Users = Arc<Mutex<BTreeMap<u32, Value>>>;

/// Starts the service with one user on a free port of loopback.
pub(crate) async fn spawn() -> String {
    let users = Users::default();
    users.lock().unwrap().insert(1, json!({ "id": 1, "name": "Ada", "nick": null }));
    let app = Router::new()
        .route("/health", get(|| async { "well" }))
        .route("/v1/users", get(list).post(create))
        .route("/v1/users/{id}", get(one).delete(|| async { StatusCode::NO_CONTENT }))
        .route("/v1/users/{id}/photo", get(|| async {}))
        .route("/v1/moved", get(|| async { (StatusCode::FOUND, [("location", "/health")]) }))
        .route("/v1/photos", get(|| async { "a photo" }))
        .route("/echo", put(echo))
        .with_state(users);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

async fn list(State(users): State<Users>) -> Response {
    let users: Vec<_> = users.lock().unwrap().values().cloned().collect();
    ([("x-total", users.len().to_string())], Json(users)).into_response()
}

async fn create(State(users): State<Users>, Json(mut user): Json<Value>) -> Response {
    let mut users = users.lock().unwrap();
    let id = users.keys().max().unwrap_or(&0) + 1;
    user["id"] = id.into();
    users.insert(id, user.clone());
    (StatusCode::CREATED, Json(user)).into_response()
}

async fn one(State(users): State<Users>, Path(id): Path<u32>) -> Response {
    match users.lock().unwrap().get(&id) {
        Some(user) => Json(user.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What came, as JSON.
async fn echo(headers: axum::http::HeaderMap, body: String) -> Json<Value> {
    let token = headers.get("authorization").and_then(|token| token.to_str().ok());
    Json(json!({ "token": token, "body": body }))
}
