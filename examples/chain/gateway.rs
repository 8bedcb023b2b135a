//! The first service: HTTP for the world, which asks the second by gRPC.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use mmf::axum::{Problem, ServiceLayer};
use mmf::resilience::{CircuitBreaker, Pipeline, RetryPolicy};
use mmf::tonic::{Client, ClientLayer};
use tonic::transport::Channel;
use tower::Layer;

use crate::hops::left_here;
use crate::orders::{Order, OrdersClient};

type Orders = OrdersClient<Client<Channel>>;

async fn order(
    State(mut orders): State<Orders>,
    Path(key): Path<String>,
) -> Result<Json<Vec<u64>>, Problem> {
    let mut left = vec![left_here()];
    left.extend(orders.place(Order { key }).await?.into_inner().left_ms);
    Ok(Json(left))
}

pub(crate) fn app(channel: Channel) -> Router {
    let pipeline = Pipeline::builder("gateway.orders")
        .timeout(Duration::from_millis(900))
        .retry(
            RetryPolicy::builder()
                .max_attempts(2)
                .base_delay(Duration::from_millis(20))
                .budget(0.05)
                .build(),
        )
        .breaker(
            CircuitBreaker::builder("gateway.orders")
                .failure_threshold(20)
                .recovery_timeout(Duration::from_millis(500))
                .build(),
        )
        .build();
    let orders = OrdersClient::new(ClientLayer::new(pipeline).layer(channel));
    let layer = ServiceLayer::new("gateway")
        .timeout_header("x-request-timeout-ms")
        .max_deadline(Duration::from_secs(5));
    Router::new().route("/orders/{key}", post(order)).layer(layer).with_state(orders)
}
