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

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[resilient(retry)]
fn opaque() -> impl Future<Output = Result<u32, Error>> {
    async { Ok(1) }
}

#[resilient(retry)]
fn boxed() -> BoxFuture<'static, Result<u32, Error>> {
    Box::pin(async { Ok(1) })
}

struct Client;

#[resilient(retry, all)]
impl Client {
    pub async fn listen(&self) -> u32 {
        1
    }

    pub async fn wait(&self) {}

    pub fn later(&self) -> impl Future<Output = Result<u32, Error>> {
        async { Ok(1) }
    }
}

fn main() {}
