//! What an attempt is given: kept, cloned or lent receivers and arguments.

use std::pin::Pin;

use mmf::resilient;

use crate::support::*;

#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    seen: Vec<u32>,
}

impl Client {
    fn see(&mut self) -> Result<u32, Error> {
        let next = self.seen.len() as u32;
        self.seen.push(next);
        if next < 2 { Err(Error::Busy) } else { Ok(next) }
    }

    #[resilient(retry(max_attempts = 3), keep(self))]
    async fn kept(&mut self) -> Result<u32, Error> {
        self.see()
    }

    #[resilient(retry(max_attempts = 3), clone(self))]
    async fn cloned(&mut self) -> Result<u32, Error> {
        self.see()
    }

    #[resilient(retry(max_attempts = 3), keep(self))]
    async fn pinned(self: Pin<&mut Self>) -> Result<u32, Error> {
        self.get_mut().see()
    }

    #[resilient(retry(max_attempts = 3), clone(self))]
    async fn cloned_pinned(self: Pin<&mut Self>) -> Result<u32, Error> {
        self.get_mut().see()
    }

    #[resilient(retry(max_attempts = 3), keep(self))]
    async fn by_value(mut self) -> Result<u32, Error> {
        self.see()
    }

    #[resilient(retry(max_attempts = 3, base_delay = "1ms"), clone(self))]
    fn blocking_clone(mut self) -> Result<u32, Error> {
        self.see()
    }

    #[resilient(retry(max_attempts = 3, base_delay = "1ms"), keep(self))]
    fn blocking(&mut self) -> Result<u32, Error> {
        self.see()
    }

    #[resilient(hedge = "1s", clone(self))]
    async fn hedged(&mut self, hangs: bool) -> Result<u32, Error> {
        self.seen.push(7);
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(self.seen.len() as u32)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_handed_on_and_what_is_cloned_is_not() {
    let mut client = Client::default();
    assert_eq!(client.kept().await, Ok(2));
    assert_eq!(client.seen, [0, 1, 2]);

    let mut client = Client::default();
    assert_eq!(client.cloned().await, Err(Error::Busy), "each begins anew");
    assert_eq!(client, Client::default(), "and the caller's is as it was");

    let mut client = Client::default();
    assert_eq!(Pin::new(&mut client).pinned().await, Ok(2));
    assert_eq!(client.seen, [0, 1, 2]);

    let mut client = Client::default();
    assert_eq!(Pin::new(&mut client).cloned_pinned().await, Err(Error::Busy));
    assert_eq!(client, Client::default());

    assert_eq!(Client::default().by_value().await, Ok(2));
}

#[test]
fn so_it_is_on_the_thread() {
    let mut client = Client::default();
    assert_eq!(client.blocking(), Ok(2));
    assert_eq!(client.seen, [0, 1, 2]);
    assert_eq!(Client::default().blocking_clone(), Err(Error::Busy));
}

#[tokio::test(start_paused = true)]
async fn each_copy_of_a_hedge_has_its_own() {
    let mut client = Client::default();
    assert_eq!(client.hedged(false).await, Ok(1));
    let hung = tokio::time::timeout(std::time::Duration::from_secs(5), client.hedged(true));
    assert!(hung.await.is_err());
    assert_eq!(client, Client::default());
}

#[tokio::test(start_paused = true)]
async fn arguments_are_kept_and_cloned_alike() {
    #[resilient(retry(max_attempts = 3), keep(first, second, third), clone(fourth))]
    async fn call(
        first: &mut Client,
        second: Pin<&mut Client>,
        mut third: Client,
        fourth: &mut Client,
    ) -> Result<[u32; 3], Error> {
        assert_eq!(fourth.see(), Err(Error::Busy), "always its first");
        let results = [first.see(), second.get_mut().see(), third.see()];
        let [first, second, third] = results;
        Ok([first?, second?, third?])
    }
    let [mut first, mut second, mut fourth] = [(); 3].map(|()| Client::default());
    let called = call(&mut first, Pin::new(&mut second), Client::default(), &mut fourth);
    assert_eq!(called.await, Ok([2, 2, 2]));
    assert_eq!((first.seen.len(), second.seen.len(), fourth.seen.len()), (3, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_has_what_the_attempts_left() {
    #[resilient(retry(max_attempts = 2), keep(conn), fallback(rescue))]
    async fn call(conn: &mut Client) -> Result<u32, Error> {
        conn.see()
    }
    async fn rescue(conn: &mut Client, _: Error) -> Result<u32, Error> {
        Ok(10 + conn.seen.len() as u32)
    }
    assert_eq!(call(&mut Client::default()).await, Ok(12));
}
