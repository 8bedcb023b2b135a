use mmf::service;

#[service("users")]
struct Users;

fn main() {}
