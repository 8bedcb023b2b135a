//! Under retry, an argument that is `Send` and not `Sync` keeps the future `Send`, as it does without.
#![deny(unused)]

use std::cell::Cell;

use mmf::resilient;

#[derive(Debug)]
pub struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

pub struct Body(Cell<u32>);

async fn wait() {}

#[resilient(retry, timeout = "1s", breaker)]
pub async fn by_value(body: Body, (first, second): (Cell<u8>, u8)) -> Result<u32, Error> {
    body.0.set(u32::from(first.get()) + u32::from(second));
    wait().await;
    Ok(body.0.get())
}

#[resilient(retry)]
pub async fn formatted(text: Cell<u8>) -> Result<String, Error> {
    let text = format!("{:?}", text);
    wait().await;
    Ok(text)
}

#[resilient(retry, keep(list))]
pub async fn kept(mut list: Vec<Cell<u8>>) -> Result<usize, Error> {
    list.push(Cell::new(1));
    wait().await;
    Ok(list.len())
}

impl Body {
    #[resilient(retry, keep(self))]
    pub async fn take(self, name: &str) -> Result<usize, Error> {
        self.0.set(1);
        wait().await;
        Ok(name.len())
    }
}

#[async_trait::async_trait]
pub trait Client {
    async fn send(&self, body: Body) -> Result<u32, Error>;
}

#[async_trait::async_trait]
impl Client for u8 {
    #[resilient(retry)]
    async fn send(&self, body: Body) -> Result<u32, Error> {
        body.0.set(1);
        wait().await;
        Ok(body.0.get())
    }
}

fn send<T: Send>(_: T) {}

pub fn main() {
    let body = || Body(Cell::new(1));
    send(by_value(body(), (Cell::new(1), 1)));
    send(formatted(Cell::new(1)));
    send(kept(Vec::new()));
    send(body().take("name"));
    let _ = Error;
}
