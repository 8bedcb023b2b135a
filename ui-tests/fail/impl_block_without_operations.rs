struct Users;

#[mmf::service(name = "users")]
impl Users {}

fn main() {}
