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

#[resilient(retry)]
async fn call(conn: &mut String, stream: std::pin::Pin<&mut String>) -> Result<u32, Error> {
    conn.push('!');
    let _ = stream;
    Ok(1)
}

struct Client(u32);

impl Client {
    #[resilient(retry)]
    async fn pinned(self: std::pin::Pin<&mut Self>) -> Result<u32, Error> {
        Ok(self.0)
    }
}

fn main() {}
