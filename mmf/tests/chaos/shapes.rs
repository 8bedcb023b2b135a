//! Functions of every shape are points, with the attribute above and below `#[resilient]`.

use std::io;

use mmf::chaos::{ChaosConfig, ChaosKind, Fault, InjectedFault, history, scope};
use mmf::{ResilienceError, chaos, resilient};

#[derive(Debug)]
enum Error {
    Injected,
    Other,
}

impl From<InjectedFault> for Error {
    fn from(_: InjectedFault) -> Self {
        Self::Injected
    }
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Other
    }
}

struct Client {
    count: u32,
}

impl Client {
    #[chaos(name = "shapes.borrowed", random_errors)]
    async fn borrowed<'a>(&'a self, name: &'a str) -> Result<&'a str, Error> {
        Ok(name)
    }

    #[chaos(name = "shapes.mutable", random_errors(error(Error::Other)))]
    async fn mutable(&mut self, (a, b): (u32, u32)) -> Result<u32, Error> {
        self.count += a + b;
        Ok(self.count)
    }

    #[chaos(name = "shapes.generic")]
    async fn generic<T: Send, F: Fn(T) -> u32 + Send>(self, value: T, f: F) -> Result<u32, Error> {
        Ok(f(value) + self.count)
    }

    #[chaos(name = "shapes.opaque")]
    async fn opaque(&self) -> Result<impl Iterator<Item = u32> + use<>, Error> {
        Ok([self.count].into_iter())
    }

    #[chaos(name = "shapes.blocking", disk_full)]
    fn blocking(&mut self, text: String) -> Result<String, io::Error> {
        self.count += 1;
        Ok(text)
    }

    #[chaos(service_unavailable)]
    #[resilient(name = "shapes.above", retry = 2)]
    async fn above(&self, name: String) -> Result<usize, Error> {
        Ok(name.len())
    }

    #[resilient(name = "shapes.below", retry = 2)]
    #[chaos(service_unavailable(error(Error::Other)))]
    async fn below(&self, name: &str) -> Result<usize, Error> {
        Ok(name.len())
    }
}

#[async_trait::async_trait]
trait Finder {
    async fn find(&self, id: u32) -> Result<u32, Error>;
}

#[async_trait::async_trait]
impl Finder for Client {
    #[chaos(name = "shapes.boxed", random_errors)]
    async fn find(&self, id: u32) -> Result<u32, Error> {
        Ok(id + self.count)
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_them_work_and_are_struck() {
    let mut client = Client { count: 1 };
    assert_eq!(client.borrowed("a").await.unwrap(), "a");
    assert_eq!(client.mutable((1, 2)).await.unwrap(), 4);
    assert_eq!(client.opaque().await.unwrap().count(), 1);
    assert_eq!(client.blocking("b".into()).unwrap(), "b");
    assert_eq!(client.above("abc".into()).await.unwrap(), 3);
    assert_eq!(client.below("abc").await.unwrap(), 3);
    assert_eq!(client.find(1).await.unwrap(), 6);
    assert_eq!(Client { count: 1 }.generic("x", |text| text.len() as u32).await.unwrap(), 2);

    let all = ChaosKind::ALL.into_iter().filter(|kind| kind.is_error());
    let config = all.fold(ChaosConfig::new().target("shapes.*"), |config, kind| {
        config.fault(Fault::new(kind).probability(1.0))
    });
    scope(config)
        .seed(1)
        .run(async move {
            assert!(client.borrowed("a").await.is_err());
            assert!(client.mutable((1, 2)).await.is_err());
            assert!(client.opaque().await.is_ok(), "its type cannot be asked");
            assert!(client.blocking("b".into()).is_err());
            assert!(client.above("abc".into()).await.is_err());
            assert!(client.below("abc").await.is_err());
            assert!(client.find(1).await.is_err());
            assert!(client.generic("x", |text| text.len() as u32).await.is_err());
            let calls =
                |point| history().iter().filter(|injection| injection.point == point).count();
            assert_eq!(
                (calls("shapes.above"), calls("shapes.below")),
                (2, 2),
                "each attempt, once"
            );
        })
        .await;
}

#[test]
fn points_stay_send() {
    fn send<T: Send>(_: T) {}
    let mut client = Client { count: 1 };
    send(client.borrowed("a"));
    send(client.mutable((1, 2)));
    send(client.find(1));
    send(client.above(String::new()));
    send(client.below(""));
    send(client.generic(1, |n| n));
}
