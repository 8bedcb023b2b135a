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

#[resilient(retry, keep(id))]
async fn read(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[resilient(timeout = "1s", keep(list))]
async fn once(mut list: Vec<u8>) -> Result<usize, Error> {
    list.push(1);
    Ok(list.len())
}

#[resilient(retry, keep(list), clone(list))]
async fn both(mut list: Vec<u8>) -> Result<usize, Error> {
    list.push(1);
    Ok(list.len())
}

#[derive(Debug)]
struct Client(u32);

impl Client {
    #[resilient(retry, keep(self))]
    async fn shared(&self) -> Result<u32, Error> {
        Ok(self.0)
    }

    #[resilient(retry, clone(self))]
    async fn not_clone(&mut self) -> Result<u32, Error> {
        self.0 += 1;
        Ok(self.0)
    }

    #[resilient(retry, clone(self))]
    async fn formatted(self) -> Result<String, Error> {
        Ok(format!("{self:?}"))
    }
}

fn main() {}
