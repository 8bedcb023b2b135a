use mmf::resilience::Pipeline;
use mmf::tower::ResilienceLayer;
use tower::{Layer, Service, service_fn};

struct Upload(Vec<u8>);

async fn send(upload: Upload) -> Result<usize, std::io::Error> {
    Ok(upload.0.len())
}

fn serve(_: impl Service<Upload>) {}

fn main() {
    let pipeline = Pipeline::builder("uploads").build();
    serve(ResilienceLayer::new(pipeline).layer(service_fn(send)));
}
