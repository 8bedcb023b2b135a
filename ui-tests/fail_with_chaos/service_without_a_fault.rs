use mmf::tower::ChaosLayer;
use tower::{Layer, Service, service_fn};

#[derive(Debug)]
struct Broken;

async fn find(id: u64) -> Result<u64, Broken> {
    if id == 0 { Err(Broken) } else { Ok(id) }
}

fn serve(_: impl Service<u64>) {}

fn main() {
    serve(ChaosLayer::new("users").layer(service_fn(find)));
}
