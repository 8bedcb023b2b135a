use mmf::tower::ChaosLayer;
use tower::{Layer, ServiceExt, service_fn};

#[derive(Debug)]
struct Broken;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let service = service_fn(|id: u64| async move { if id == 0 { Err(Broken) } else { Ok(id) } });
    let service = ChaosLayer::new("users").layer(service);
    let _ = service.oneshot(7).await;
}
