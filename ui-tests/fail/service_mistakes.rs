#[mmf::service(nme = "users", flavor = "many")]
fn main(service: mmf::Service, port: u16) {}
