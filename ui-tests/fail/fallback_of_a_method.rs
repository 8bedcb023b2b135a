use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Busy,
    Status(u16),
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

struct Client;

impl Client {
    #[resilient(timeout = "1s", fallback(cached))]
    async fn call(&self, id: u64) -> Result<u32, Error> {
        if id == 0 { Err(Error::Busy) } else { Ok(1) }
    }

    async fn cached(&self, _: u64, _: Error) -> Result<u32, Error> {
        Ok(0)
    }

    #[resilient(timeout = "1s", fallback(self.cached))]
    async fn by_field(&self, id: u64) -> Result<u32, Error> {
        Ok(id as u32)
    }
}

fn main() {}
