use mmf::resilient;

#[resilient(timeout = "1s")]
async fn call(id: u32) -> Option<u32> {
    Some(id)
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
