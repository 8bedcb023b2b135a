use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

struct Client(u32);

#[resilient(all, retry, keep(self))]
impl Client {
    pub async fn call(&self) -> Result<u32, Error> {
        Ok(self.0)
    }
}

#[resilient(timeout = "1s", fallback(cached(id: u32, error: Error)))]
async fn signature(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[async_trait::async_trait]
trait Source {
    async fn read(&self, pair: (Vec<u8>, u8)) -> Result<usize, Error>;
}

#[async_trait::async_trait]
impl Source for Client {
    #[resilient(retry)]
    async fn read(&self, (mut a, b): (Vec<u8>, u8)) -> Result<usize, Error> {
        a.push(b);
        Ok(a.len())
    }
}

fn main() {}
