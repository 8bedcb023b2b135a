//! `#[service]` on `impl` blocks and structs: operations log their start and their end.

use std::error::Error;

use mmf::correlation::{self, CorrelationId};
use serde_json::{Value, json};
use tracing::info;

use crate::support::{config, lines_of, lines_of_future, parse};

#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("the store failed")]
    Store(#[source] std::fmt::Error),
}

struct User {
    id: u64,
    password: &'static str,
}

#[mmf::service(name = "users")]
struct Users {
    limit: usize,
}

#[mmf::service(name = "user-service")]
impl Users {
    pub async fn create(&self, user: User) -> Result<u64, StoreError> {
        info!("inside");
        match user.id {
            0 => Err(StoreError::Store(std::fmt::Error)),
            id => Ok(id),
        }
    }

    #[operation(name = "users.find", fields(user_id = user.id, limit = self.limit, password = user.password), level = "debug")]
    pub async fn find(&self, user: &User) -> Result<u64, Box<dyn Error + Send + Sync>> {
        if user.id == 0 {
            return Err(Box::new(StoreError::Store(std::fmt::Error)));
        }
        Ok(user.id)
    }

    pub async fn list<'a, T: AsRef<str> + Sync>(&'a self, names: &'a [T]) -> Vec<&'a str> {
        names.iter().map(AsRef::as_ref).collect()
    }

    #[operation]
    fn count(&self) -> Result<usize, StoreError> {
        let n = self.limit;
        if n == 0 {
            Err(StoreError::Store(std::fmt::Error))?;
        }
        Ok(n)
    }

    pub async fn outer(&mut self) -> Result<(), StoreError> {
        self.limit = 2;
        self.create(User { id: 1, password: "" }).await.map(|_| ())
    }

    pub async fn never(&self) {
        std::future::pending::<()>().await;
    }

    #[operation(skip)]
    #[expect(unreachable_pub, reason = "public, and still no operation")]
    pub async fn helper(&self) {
        info!("helped");
    }

    async fn private(&self) {
        info!("private");
    }

    #[mmf::resilient(retry(max_attempts = 2, base_delay = "1ms"))]
    pub async fn repeated(&self, name: String) -> Result<usize, StoreError> {
        Err::<usize, _>(StoreError::Store(std::fmt::Error)).map(|n| n + name.len())
    }
}

#[async_trait::async_trait]
trait Finder {
    async fn find_it(&self, id: u64) -> Result<u64, StoreError>;
}

#[mmf::service]
#[async_trait::async_trait]
impl Finder for Users {
    async fn find_it(&self, id: u64) -> Result<u64, StoreError> {
        Ok(id + self.limit as u64)
    }
}

fn lines(work: impl Future<Output = ()>) -> Vec<Value> {
    lines_of_future(&config().level("debug"), work).iter().map(|line| parse(line)).collect()
}

fn phases(lines: &[Value]) -> Vec<(&str, &str)> {
    let text = |line: &'_ Value, key| line[key].as_str().map(ToOwned::to_owned);
    lines
        .iter()
        .filter(|line| text(line, "phase").is_some())
        .map(|line| (line["phase"].as_str().unwrap(), line["operation"].as_str().unwrap()))
        .collect()
}

#[test]
fn start_and_end_are_logged_under_one_id() {
    let lines = lines(async {
        Users { limit: 1 }.create(User { id: 7, password: "p" }).await.unwrap();
    });
    let [start, inside, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&start["phase"], &start["operation"]), (&json!("start"), &json!("create")));
    assert_eq!((&end["phase"], &end["success"]), (&json!("end"), &json!(true)));
    assert!(end["duration_ms"].is_f64());
    assert_eq!(inside["operation"], "create");
    assert_eq!(start["component"], "user-service");
    for line in &lines {
        assert_eq!(line["request_id"], start["correlation_id"]);
        assert_eq!(line["trace_id"], start["trace_id"]);
        assert!(line["trace_id"].is_string() && line.get("user").is_none());
    }
}

#[test]
fn a_service_is_no_component_of_itself() {
    let config = mmf::logging::LoggingConfig::new("user-service");
    let lines = lines_of_future(&config, async {
        Users { limit: 1 }.create(User { id: 7, password: "p" }).await.unwrap();
        info!(component = "database", "a user's own");
    });
    let lines: Vec<_> = lines.iter().map(|line| parse(line)).collect();
    let (own, operation) = lines.split_last().unwrap();
    assert_eq!(own["component"], "database");
    assert_eq!(operation.len(), 3);
    assert!(operation.iter().all(|line| line.get("component").is_none()), "{operation:?}");
}

#[test]
fn a_failure_is_a_warning_with_its_causes() {
    let cause = std::fmt::Error.to_string();
    let lines = lines(async {
        let users = Users { limit: 0 };
        users.create(User { id: 0, password: "" }).await.unwrap_err();
        users.find(&User { id: 0, password: "" }).await.unwrap_err();
        users.count().unwrap_err();
    });
    let ends: Vec<_> = lines.iter().filter(|line| line["phase"] == "end").collect();
    assert_eq!(ends.len(), 3);
    for end in ends {
        assert_eq!((&end["level"], &end["success"]), (&json!("WARN"), &json!(false)));
        assert_eq!(end["error"], format!("the store failed: {cause}"));
    }
}

#[test]
fn fields_are_those_named_at_the_level_named() {
    let lines = lines(async {
        Users { limit: 3 }.find(&User { id: 9, password: "secret" }).await.unwrap();
    });
    assert_eq!(phases(&lines), [("start", "users.find"), ("end", "users.find")]);
    for line in lines {
        assert_eq!((&line["user_id"], &line["limit"]), (&json!(9), &json!(3)));
        assert_eq!((&line["level"], &line["password"]), (&json!("DEBUG"), &json!("[redacted]")));
    }
}

#[test]
fn an_operation_goes_on_as_the_request_it_is_part_of() {
    let lines = lines(async {
        let id = CorrelationId::parse("req-123").unwrap();
        correlation::scope(id, async { Users { limit: 1 }.outer().await.unwrap() }).await;
    });
    assert_eq!(
        phases(&lines),
        [("start", "outer"), ("start", "create"), ("end", "create"), ("end", "outer")]
    );
    assert!(lines.iter().all(|line| line["request_id"] == "req-123"), "{lines:?}");
}

#[test]
fn what_is_no_operation_is_left_alone() {
    let lines = lines(async {
        let users = Users { limit: 1 };
        users.helper().await;
        users.private().await;
        assert_eq!(users.list(&["a"]).await, ["a"]);
    });
    assert_eq!(phases(&lines), [("start", "list"), ("end", "list")]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn an_operation_that_is_dropped_was_cancelled_and_one_that_panics_says_so() {
    let lines = lines(async {
        let users = Users { limit: 1 };
        let mut never = Box::pin(users.never());
        assert!(futures_poll(never.as_mut()).await.is_pending());
        drop(never);
    });
    assert_eq!((&lines[1]["error"], &lines[1]["success"]), (&json!("cancelled"), &json!(false)));
}

async fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<()> {
    let mut future = Some(future);
    std::future::poll_fn(move |context| {
        let polled = future.take().map(|future| future.poll(context).map(|_| ()));
        std::task::Poll::Ready(polled.unwrap())
    })
    .await
}

struct Client;

#[mmf::service(name = "client")]
#[mmf::resilient(all, retry(max_attempts = 2, base_delay = "1ms"))]
impl Client {
    pub async fn above(&self, name: String) -> Result<usize, StoreError> {
        Err::<usize, _>(StoreError::Store(std::fmt::Error)).map(|n| n + name.len())
    }

    #[operation]
    pub fn blocking(&self) -> Result<usize, StoreError> {
        Err(StoreError::Store(std::fmt::Error))
    }
}

struct Refused;

impl From<mmf::ResilienceError> for StoreError {
    fn from(_: mmf::ResilienceError) -> Self {
        Self::Store(std::fmt::Error)
    }
}

#[mmf::resilient(all, breaker(failure_threshold = 1), retry(max_attempts = 2, base_delay = "1ms"))]
#[mmf::service(name = "refused")]
impl Refused {
    pub async fn below(&self) -> Result<usize, StoreError> {
        Err(StoreError::Store(std::fmt::Error))
    }
}

#[test]
fn an_operation_is_a_call_whatever_stands_above_the_other() {
    let lines = lines(async {
        Users { limit: 1 }.repeated("ada".into()).await.unwrap_err();
        Client.above("ada".into()).await.unwrap_err();
        Client.blocking().unwrap_err();
        Refused.below().await.unwrap_err();
        Refused.below().await.unwrap_err();
    });
    let calls = ["repeated", "above", "blocking", "below", "below"];
    let expected: Vec<_> =
        calls.iter().flat_map(|call| [("start", *call), ("end", *call)]).collect();
    assert_eq!(phases(&lines), expected);
    let refused = mmf::resilience::policies()
        .into_iter()
        .find(|policy| policy.name().ends_with("below"))
        .and_then(|policy| policy.snapshot().breaker)
        .unwrap();
    assert!(refused.refused > 0, "a refused call has its lines");
}

#[test]
fn methods_of_traits_are_operations() {
    let lines = lines(async {
        assert_eq!(Users { limit: 1 }.find_it(1).await.unwrap(), 2);
    });
    assert_eq!(phases(&lines), [("start", "find_it"), ("end", "find_it")]);
    assert!(lines[0].get("component").is_none());
}

#[test]
fn a_struct_has_its_logger() {
    let lines = lines_of(&config(), || {
        let users = Users { limit: 1 };
        assert_eq!(users.logger().name(), "users");
        users.logger().business_event("user_created");
    });
    assert_eq!(parse(&lines[0])["event_type"], "user_created");
}

#[test]
fn operations_stay_send() {
    fn send<T: Send>(_: T) {}
    let mut users = Users { limit: 1 };
    send(users.create(User { id: 1, password: "" }));
    send(users.list(&["a"]));
    send(users.find_it(1));
    send(users.outer());
}
