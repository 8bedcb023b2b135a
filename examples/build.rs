//! The client and the server of the gRPC service of `chain`, from its methods: messages are written by hand, so that no
//! compiler of protobuf is needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let place = Method::builder()
        .name("place")
        .route_name("Place")
        .input_type("crate::orders::Order")
        .output_type("crate::orders::Placed")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let orders = Service::builder().name("Orders").package("orders.v1").method(place).build();
    Builder::new().compile(&[orders]);
    println!("cargo::rerun-if-changed=build.rs");
}
