//! What the service of users depends on: accounts, a process of its own.

use axum::extract::Path;
use axum::{Json, Router, routing::get};
use mmf::axum::ServiceLayer;
use serde_json::{Value, json};
use tokio::net::TcpListener;

async fn account(Path(id): Path<u64>) -> Json<Value> {
    tracing::info!(account = id, "account read");
    Json(json!({ "id": id, "name": format!("user {id}"), "plan": "basic" }))
}

#[mmf::service(name = "accounts")]
pub(crate) async fn main(service: mmf::Service) -> std::io::Result<()> {
    crate::process::end_with_parent();
    let app = Router::new()
        .route("/accounts/{id}", get(account))
        .layer(ServiceLayer::new("accounts"))
        .route("/health", get(async || "well"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    service.ready(listener.local_addr()?.port());
    axum::serve(listener, app).with_graceful_shutdown(service.shutdown_requested()).await
}
