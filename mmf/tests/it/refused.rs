//! `refused(…)`: how a refusal becomes an error of a type that has no `From`.

use std::io;

use mmf::{ResilienceError, resilient};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_as_the_attribute_says() {
    #[resilient(timeout = "1s", refused(io::Error::other))]
    async fn by_path() -> io::Result<()> {
        std::future::pending().await
    }
    #[resilient(timeout = "1s", refused(|refusal| format!("{label}: {refusal}")))]
    async fn by_closure(label: &str) -> Result<(), String> {
        std::future::pending().await
    }
    let error = by_path().await.unwrap_err();
    let refusal = error.get_ref().unwrap().downcast_ref::<ResilienceError>().unwrap();
    assert!(matches!(refusal, ResilienceError::Timeout { .. }), "{refusal:?}");
    let error = by_closure("users").await.unwrap_err();
    assert!(error.starts_with("users: ") && error.ends_with("timed out after 1s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_given_it() {
    #[resilient(timeout = "1s", fallback(rescue), refused(|refusal| refusal.refusal().as_str()))]
    async fn call(id: u32) -> Result<u32, &'static str> {
        std::future::pending::<()>().await;
        Ok(id)
    }
    async fn rescue(id: u32, error: &'static str) -> Result<u32, &'static str> {
        assert_eq!(error, "timeout");
        Ok(id + 1)
    }
    assert_eq!(call(1).await, Ok(2));
}

struct Client;

#[resilient(bulkhead = 1, refused(io::Error::other), all)]
impl Client {
    pub async fn call(&self, script: &Script) -> io::Result<u32> {
        script.play().await.map_err(|_| io::ErrorKind::NotFound.into())
    }

    #[resilient(refused(|_| io::ErrorKind::TimedOut.into()))]
    pub async fn own(&self, script: &Script) -> io::Result<u32> {
        script.play().await.map_err(|_| io::ErrorKind::NotFound.into())
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_block_it_holds_for_its_methods_and_what_a_method_says_wins() {
    let script = Script::new([Hang, Hang]);
    let (first, second) = (Client.call(&script), Client.own(&script));
    let mut first = std::pin::pin!(first);
    let mut second = std::pin::pin!(second);
    tokio::select! {
        biased;
        _ = &mut first => panic!("hangs"),
        _ = &mut second => panic!("hangs"),
        () = std::future::ready(()) => {}
    }
    let script = Script::new([Good]);
    assert_eq!(Client.call(&script).await.unwrap_err().kind(), io::ErrorKind::Other);
    assert_eq!(Client.own(&script).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
