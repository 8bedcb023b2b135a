use mmf::resilient;

struct Plain;

#[resilient(timeout = "1s")]
async fn call(id: u32) -> Result<u32, Plain> {
    if id == 0 { Err(Plain) } else { Ok(id) }
}

async fn still_callable() {
    let _ = call(1).await;
}

fn main() {}
