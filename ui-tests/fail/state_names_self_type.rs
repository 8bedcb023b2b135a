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

struct Client {
    limit: u32,
}

impl Client {
    #[resilient(bulkhead(max_concurrent = Self::LIMIT))]
    async fn call(&self) -> Result<u32, Error> {
        Ok(self.limit)
    }
}

async fn still_callable(client: Client) {
    let _ = client.call().await;
}

fn main() {}
