use mmf::resilient;

#[resilient(retry)]
struct Client;

fn main() {
    let _ = Client;
}
