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

#[resilient(hedge = "80ms")]
async fn call(host: &mut String) -> Result<u32, Error> {
    host.push('!');
    Ok(1)
}

#[resilient(hedge = "80ms")]
async fn by_value(mut host: String) -> Result<u32, Error> {
    host.push('!');
    Ok(1)
}

struct Client(u32);

impl Client {
    #[resilient(hedge = "80ms")]
    async fn call(&mut self) -> Result<u32, Error> {
        self.0 += 1;
        Ok(self.0)
    }
}

fn main() {}
