//! The service that knows the users.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Router, routing::get};

#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("the store did not answer")]
    Unreachable(#[source] std::io::Error),
    #[error("there is no user {0}")]
    Unknown(u32),
}

#[derive(Clone, Copy)]
struct Users;

#[mmf::service(name = "users")]
impl Users {
    #[operation(name = "users.find", fields(user_id = id))]
    pub async fn find(&self, id: u32) -> Result<&'static str, StoreError> {
        match id {
            0 => Ok("Ada"),
            1 => Err(StoreError::Unreachable(std::io::ErrorKind::ConnectionRefused.into())),
            2 => {
                // A task of the request goes on under its id.
                let task = mmf::spawn(async { tracing::info!("looked into the archive") });
                task.await.map(|()| "Grace").map_err(|_| StoreError::Unknown(id))
            }
            _ => Err(StoreError::Unknown(id)),
        }
    }
}

async fn user(Path(id): Path<u32>) -> Result<&'static str, StatusCode> {
    Users.find(id).await.map_err(|error| match error {
        StoreError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::Unknown(_) => StatusCode::NOT_FOUND,
    })
}

#[mmf::service(name = "users", flavor = "current_thread")]
pub(crate) async fn main(service: mmf::Service) -> std::io::Result<()> {
    crate::process::end_with_parent();
    crate::http::serve(service, Router::new().route("/users/{id}", get(user))).await
}
