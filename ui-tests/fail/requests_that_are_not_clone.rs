use mmf::resilience::Pipeline;
use mmf::tower::ResilienceLayer;
use tower::{Layer, ServiceExt, service_fn};

struct Upload(Vec<u8>);

async fn send(upload: Upload) -> Result<usize, std::io::Error> {
    Ok(upload.0.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let pipeline = Pipeline::builder("uploads").build();
    let service = ResilienceLayer::new(pipeline).layer(service_fn(send));
    let _ = service.oneshot(Upload(Vec::new())).await;
}
