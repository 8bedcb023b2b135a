//! The second service: gRPC, which asks the third by HTTP.

use std::time::Duration;

use mmf::ResilienceError;
use mmf::http::{IDEMPOTENCY_KEY, retry_after_of};
use mmf::reqwest::Resilience;
use mmf::resilience::{CircuitBreaker, Pipeline, RetryPolicy};
use mmf::tonic::status;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tonic::{Request, Response, Status};

use crate::hops::left_here;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Order {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Placed {
    /// How long each service had, from this one on.
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) left_ms: Vec<u64>,
}

#[expect(unreachable_pub, clippy::doc_markdown, reason = "what tonic writes")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/orders.v1.Orders.rs"));
}
pub(crate) use generated::orders_client::OrdersClient;
pub(crate) use generated::orders_server::{Orders, OrdersServer};

pub(crate) struct OrderService {
    stock: ClientWithMiddleware,
    base: String,
}

impl OrderService {
    pub(crate) fn new(base: String) -> Self {
        let pipeline = Pipeline::builder("orders.stock")
            .timeout(Duration::from_millis(600))
            .retry(
                RetryPolicy::builder()
                    .max_attempts(2)
                    .base_delay(Duration::from_millis(20))
                    .budget(0.05)
                    .build(),
            )
            .breaker(
                CircuitBreaker::builder("orders.stock")
                    .failure_threshold(20)
                    .recovery_timeout(Duration::from_millis(500))
                    .build(),
            )
            .build();
        let stock = ClientBuilder::new(reqwest::Client::new()).with(Resilience::new(pipeline));
        Self { stock: stock.build(), base }
    }
}

#[tonic::async_trait]
impl Orders for OrderService {
    async fn place(&self, order: Request<Order>) -> Result<Response<Placed>, Status> {
        let left = left_here();
        let key = order.into_inner().key;
        let url = format!("{}/reservations/{key}", self.base);
        // The key of the order is what makes it safe to repeat.
        let answer = self.stock.post(url).header(IDEMPOTENCY_KEY, key).send().await;
        let answer = answer.map_err(|error| match mmf::reqwest::refusal(&error) {
            Some(refusal) => status(refusal.clone()),
            None => Status::unavailable("the stock does not answer"),
        })?;
        match answer.status().as_u16() {
            200 => {
                let mut left_ms = vec![left];
                let further: Vec<u64> =
                    answer.json().await.map_err(|_| Status::internal("no answer of the stock"))?;
                left_ms.extend(further);
                Ok(Response::new(Placed { left_ms }))
            }
            503 => Err(match retry_after_of(answer.headers()) {
                // Its own word when to come back goes on to the caller.
                Some(after) => status(ResilienceError::circuit_open("stock", after)),
                None => Status::unavailable("the stock is unavailable"),
            }),
            504 => Err(Status::deadline_exceeded("the stock took too long")),
            other => Err(Status::internal(format!("the stock answered {other}"))),
        }
    }
}
