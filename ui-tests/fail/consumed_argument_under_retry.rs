use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Busy,
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

#[resilient(retry)]
async fn take(name: String) -> Result<String, Error> {
    Ok(name)
}

async fn still_callable() {
    let _ = take(String::new()).await;
}

fn main() {}
