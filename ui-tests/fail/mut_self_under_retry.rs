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
    #[resilient(retry)]
    async fn call(&mut self) -> Result<u32, Error> {
        self.limit += 1;
        Ok(self.limit)
    }
}

async fn still_callable(mut client: Client) {
    let _ = client.call().await;
}

fn main() {}
