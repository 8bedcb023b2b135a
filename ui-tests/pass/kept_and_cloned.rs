//! What attempts change is handed on as it was left, or is each attempt's own.
#![deny(unused_variables, unused_mut, unused_assignments)]
#![allow(dead_code)]

use std::pin::Pin;
use std::sync::Arc;

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[derive(Clone, Default)]
struct Client {
    count: u32,
    list: Vec<u8>,
}

impl Client {
    #[resilient(retry, keep(self))]
    async fn kept(&mut self) -> Result<u32, Error> {
        self.count += 1;
        Ok(self.count)
    }

    #[resilient(retry, clone(self))]
    async fn cloned(&mut self, by: u32) -> Result<u32, Error> {
        self.count += by;
        let this = self;
        Ok(this.count)
    }

    #[resilient(retry, keep(self))]
    async fn kept_value(mut self) -> Result<u32, Error> {
        self.count += 1;
        Ok(self.count)
    }

    #[resilient(retry, keep(self))]
    async fn read_value(self) -> Result<u32, Error> {
        Ok(self.count)
    }

    #[resilient(retry, clone(self))]
    async fn consumed(self) -> Result<Vec<u8>, Error> {
        Ok(self.list)
    }

    #[resilient(retry, clone(self))]
    async fn consumed_mutably(mut self) -> Result<Vec<u8>, Error> {
        self.list.push(1);
        Ok(self.list)
    }

    #[resilient(retry, keep(self))]
    async fn kept_pinned(self: Pin<&mut Self>) -> Result<u32, Error> {
        let this = self.get_mut();
        this.count += 1;
        Ok(this.count)
    }

    #[resilient(retry, clone(self))]
    async fn cloned_pinned(mut self: Pin<&mut Self>) -> Result<u32, Error> {
        self.as_mut().count += 1;
        Ok(self.get_mut().count)
    }

    #[resilient(retry, clone(self))]
    async fn shared(self: Arc<Self>) -> Result<Arc<Self>, Error> {
        Ok(self)
    }

    #[resilient(hedge = "1s", clone(self, conn))]
    async fn hedged(&mut self, conn: &mut Client) -> Result<u32, Error> {
        self.count += 1;
        conn.count += 1;
        struct Inner(u32);
        impl Inner {
            fn get(&self) -> u32 {
                self.0
            }
        }
        Ok(Inner(self.count).get())
    }

    #[resilient(hedge = "1s", clone(self))]
    async fn hedged_value(self) -> Result<Vec<u8>, Error> {
        Ok(self.list)
    }

    #[resilient(hedge = "1s", retry, clone(self))]
    async fn hedged_pinned(self: Pin<&mut Self>) -> Result<u32, Error> {
        Ok(self.get_mut().count)
    }

    #[resilient(retry, keep(self))]
    fn blocking(&mut self) -> Result<u32, Error> {
        self.count += 1;
        Ok(self.count)
    }

    #[resilient(retry, clone(self))]
    fn blocking_clone(self) -> Result<Vec<u8>, Error> {
        Ok(self.list)
    }

    #[resilient(retry, keep(self), fallback(Self::other))]
    async fn with_fallback(&mut self, id: u32) -> Result<u32, Error> {
        self.count += id;
        Ok(self.count)
    }

    async fn other(&mut self, id: u32, _: Error) -> Result<u32, Error> {
        Ok(self.count + id)
    }
}

fn take(conn: &mut Client) -> &mut u32 {
    &mut conn.count
}

#[resilient(retry, keep(conn, list, stream, maybe, first))]
async fn arguments(
    conn: &mut Client,
    mut list: Vec<u8>,
    stream: Pin<&mut Client>,
    mut maybe: Option<&mut Client>,
    (first, second): (&mut Client, &Client),
) -> Result<u32, Error> {
    list.push(1);
    let conn = take(conn);
    *conn += 1;
    let stream = stream.get_mut();
    stream.count += second.count;
    if let Some(client) = maybe.as_mut() {
        client.count += 1;
    }
    first.count += 1;
    Ok(*conn)
}

#[resilient(retry, clone(conn, list, stream))]
async fn cloned(
    conn: &mut Client,
    mut list: Vec<u8>,
    mut stream: Pin<&mut Client>,
) -> Result<Vec<u8>, Error> {
    list.push(1);
    conn.count += 1;
    stream.as_mut().count += 1;
    Ok(list)
}

#[async_trait::async_trait]
trait Sink {
    async fn put(&mut self, conn: &mut Client, mut list: Vec<u8>) -> Result<u32, Error>;
    async fn copy(&mut self, list: Vec<u8>) -> Result<Vec<u8>, Error>;
    async fn end(self) -> Result<Vec<u8>, Error>;
    async fn pinned(self: Pin<&mut Self>) -> Result<u32, Error>;
}

#[async_trait::async_trait]
impl Sink for Client {
    #[resilient(retry, keep(self, conn, list))]
    async fn put(&mut self, conn: &mut Client, mut list: Vec<u8>) -> Result<u32, Error> {
        self.count += 1;
        conn.count += 1;
        list.push(1);
        Ok(self.count)
    }

    #[resilient(retry, clone(self, list))]
    async fn copy(&mut self, list: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.count += 1;
        Ok(list)
    }

    #[resilient(retry, clone(self))]
    async fn end(self) -> Result<Vec<u8>, Error> {
        Ok(self.list)
    }

    #[resilient(retry, keep(self))]
    async fn pinned(self: Pin<&mut Self>) -> Result<u32, Error> {
        let this = self.get_mut();
        this.count += 1;
        Ok(this.count)
    }
}

fn send<T: Send>(_: T) {}

fn stays_send(client: &mut Client, other: &mut Client) {
    send(client.kept());
    send(client.cloned(1));
    send(client.hedged(other));
    send(Pin::new(&mut *client).kept_pinned());
    send(client.clone().consumed());
}

fn main() {}
