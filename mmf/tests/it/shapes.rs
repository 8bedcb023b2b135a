//! Every shape of function that the attribute goes on: each runs, fails once and is retried.

#![expect(unreachable_pub, reason = "`all` takes the methods that are `pub`")]

use std::cell::Cell;
use std::fmt::Debug;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::{ResilienceError, resilient};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    #[error("busy")]
    Busy,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// Fails the first time it is asked.
#[derive(Debug, Default)]
struct Flaky(AtomicU32);

impl Flaky {
    fn ask(&self) -> Result<u32> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::Busy),
            asked => Ok(asked),
        }
    }
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[resilient(retry(jitter = 0.0), timeout = "2s")]
async fn free(flaky: &Flaky) -> Result<u32> {
    flaky.ask()
}

#[tokio::test(start_paused = true)]
async fn a_free_function() {
    assert_eq!(assert_send(free(&Flaky::default())).await, Ok(1));
}

#[derive(Debug, Default)]
struct Client {
    flaky: Flaky,
    timeout: Duration,
    calls: u32,
}

impl Client {
    const BASE: Duration = Duration::from_millis(5);

    #[resilient(retry, breaker, bulkhead, timeout = "1s")]
    async fn method(&self, id: &str) -> Result<String> {
        self.flaky.ask()?;
        Ok(id.to_owned())
    }

    #[resilient(timeout = "1s", breaker)]
    async fn mutable(&mut self) -> Result<u32> {
        self.calls += 1;
        Ok(self.calls)
    }

    #[resilient(timeout = "1s", breaker)]
    async fn by_value(self) -> Result<u32> {
        Ok(self.calls)
    }

    #[resilient(retry(base_delay = "1ms"))]
    async fn associated(flaky: &Flaky) -> Result<u32> {
        flaky.ask()
    }

    #[resilient(timeout = self.timeout, retry(base_delay = Self::BASE, jitter = 0.0))]
    async fn by_expressions(&self) -> Result<u32> {
        self.flaky.ask()
    }

    #[resilient(retry, timeout = "1s")]
    async fn elided(&self) -> Result<&u32> {
        self.flaky.ask()?;
        Ok(&self.calls)
    }

    #[resilient(retry, timeout = "1s")]
    async fn boxed_self(self: Box<Self>) -> Result<u32> {
        self.flaky.ask()
    }

    #[resilient(retry(max_attempts = 2, base_delay = "1ms"))]
    fn blocking(&self, name: String) -> Result<usize> {
        self.flaky.ask()?;
        Ok(name.len())
    }
}

#[tokio::test(start_paused = true)]
async fn methods() {
    assert_eq!(assert_send(Client::default().method("a")).await, Ok("a".into()));
    let mut client = Client::default();
    assert_eq!(assert_send(client.mutable()).await, Ok(1));
    assert_eq!(assert_send(client.by_value()).await, Ok(1));
    assert_eq!(assert_send(Client::associated(&Flaky::default())).await, Ok(1));
    assert_eq!(assert_send(Client::default().elided()).await, Ok(&0));
    assert_eq!(assert_send(Box::new(Client::default()).boxed_self()).await, Ok(1));
    assert_eq!(Client::default().blocking("abc".into()), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn expressions_name_self_and_its_constants() {
    let client = Client { timeout: Duration::from_secs(1), ..Client::default() };
    let start = tokio::time::Instant::now();
    assert_eq!(assert_send(client.by_expressions()).await, Ok(1));
    assert_eq!(start.elapsed(), Client::BASE);
}

#[resilient(retry, timeout = "1s", breaker)]
async fn generic<T, E, const N: usize>(flaky: &Flaky, value: &[T; N]) -> Result<Vec<T>, E>
where
    T: Clone + Debug,
    E: From<ResilienceError> + From<Error>,
{
    flaky.ask()?;
    Ok(value.to_vec())
}

#[tokio::test(start_paused = true)]
async fn generics_with_where_clauses_and_consts() {
    let flaky = Flaky::default();
    assert_eq!(generic::<_, Error, 2>(&flaky, &[1, 2]).await, Ok(vec![1, 2]));
    let flaky = Flaky::default();
    assert_eq!(generic::<_, Error, 1>(&flaky, &["a"]).await, Ok(vec!["a"]));
}

#[resilient(retry(max_attempts = 3, base_delay = Duration::from_millis(N)), timeout = "1s")]
async fn const_expression<const N: u64>(flaky: &Flaky) -> Result<u32> {
    flaky.ask()
}

#[tokio::test(start_paused = true)]
async fn an_expression_names_a_const_parameter() {
    assert_eq!(const_expression::<7>(&Flaky::default()).await, Ok(1));
}

#[resilient(retry, timeout = "1s")]
async fn explicit<'a, 'b: 'a>(flaky: &'b Flaky, text: &'a str) -> Result<&'a str> {
    flaky.ask()?;
    Ok(text)
}

#[resilient(retry, timeout = "1s")]
async fn impl_trait(flaky: &Flaky, text: impl AsRef<str> + Send + Sync) -> Result<usize> {
    flaky.ask()?;
    Ok(text.as_ref().len())
}

#[resilient(retry, timeout = "1s")]
async fn impl_trait_out(flaky: &Flaky, up_to: u32) -> Result<impl Iterator<Item = u32> + use<>> {
    flaky.ask()?;
    Ok(0..up_to)
}

#[tokio::test(start_paused = true)]
async fn lifetimes_and_impl_trait() {
    assert_eq!(assert_send(explicit(&Flaky::default(), "x")).await, Ok("x"));
    assert_eq!(assert_send(impl_trait(&Flaky::default(), "abc".to_owned())).await, Ok(3));
    assert_eq!(assert_send(impl_trait_out(&Flaky::default(), 3)).await.unwrap().count(), 3);
}

struct Pair {
    left: u32,
    right: u32,
}

#[resilient(retry, fallback(none))]
async fn patterns(
    flaky: &Flaky,
    (a, (b, c)): (u32, (u32, u32)),
    Pair { left, right: r }: Pair,
    &d: &u32,
) -> Result<u32> {
    flaky.ask()?;
    Ok(a + b + c + left + r + d)
}

async fn none(_: &Flaky, _: (u32, (u32, u32)), _: Pair, _: &u32, error: Error) -> Result<u32> {
    Err(error)
}

#[resilient(retry, clone(list, name))]
async fn cloned(flaky: &Flaky, mut list: Vec<u32>, name: String) -> Result<Vec<u32>> {
    let owned = name;
    list.push(owned.len() as u32);
    flaky.ask()?;
    Ok(list)
}

#[tokio::test(start_paused = true)]
async fn pattern_arguments() {
    let pair = Pair { left: 8, right: 16 };
    assert_eq!(patterns(&Flaky::default(), (1, (2, 4)), pair, &32).await, Ok(63));
}

#[tokio::test(start_paused = true)]
async fn a_mutable_argument_starts_afresh_in_each_attempt() {
    assert_eq!(cloned(&Flaky::default(), vec![1], "ab".into()).await, Ok(vec![1, 2]));
}

#[resilient(timeout = "1s", breaker)]
async fn consumes(list: Vec<u32>, mut sum: u32) -> Result<u32> {
    for number in list {
        sum += number;
    }
    Ok(sum)
}

#[tokio::test]
async fn without_retry_a_body_may_consume_and_change_its_arguments() {
    assert_eq!(assert_send(consumes(vec![1, 2], 4)).await, Ok(7));
}

#[resilient(timeout = "1s", breaker)]
async fn not_sync(cell: Cell<u32>) -> Result<u32> {
    tokio::task::yield_now().await;
    cell.set(cell.get() + 1);
    tokio::task::yield_now().await;
    Ok(cell.get())
}

#[tokio::test]
async fn an_argument_that_is_not_sync_keeps_the_future_send() {
    assert_eq!(assert_send(not_sync(Cell::new(1))).await, Ok(2));
}

trait Source {
    async fn read(&self, id: u32) -> Result<u32>;

    #[resilient(retry, timeout = "1s")]
    async fn read_twice(&self, id: u32) -> Result<u32> {
        self.read(id).await?;
        self.read(id).await
    }
}

impl Source for Flaky {
    #[resilient(retry, timeout = "1s")]
    async fn read(&self, id: u32) -> Result<u32> {
        Ok(self.ask()? + id)
    }
}

#[tokio::test(start_paused = true)]
async fn async_fn_in_traits() {
    assert_eq!(Flaky::default().read(10).await, Ok(11));
    assert_eq!(Flaky::default().read_twice(10).await, Ok(12));
}

#[async_trait::async_trait]
trait Boxed: Send + Sync {
    async fn get(&self, id: String) -> Result<String>;

    #[resilient(retry(max_attempts = 2), timeout = "1s")]
    async fn get_default(&self, id: String) -> Result<String> {
        self.get(id.clone()).await
    }
}

#[async_trait::async_trait]
impl Boxed for Client {
    #[resilient(timeout = self.timeout, retry, fallback(Self::answer))]
    async fn get(&self, id: String) -> Result<String> {
        self.flaky.ask()?;
        Ok(id.clone())
    }
}

impl Client {
    fn answer(&self, id: String, _: Error) -> Result<String> {
        Ok(id + " is not here")
    }
}

#[async_trait::async_trait]
impl Boxed for Flaky {
    #[resilient(retry, clone(id))]
    async fn get(&self, mut id: String) -> Result<String> {
        id.push('!');
        self.ask()?;
        Ok(id)
    }
}

#[tokio::test(start_paused = true)]
async fn methods_under_async_trait() {
    let client = Client { timeout: Duration::from_secs(1), ..Client::default() };
    assert_eq!(assert_send(client.get("a".into())).await, Ok("a".into()));
    let object: &dyn Boxed = &Flaky::default();
    assert_eq!(assert_send(object.get("a".into())).await, Ok("a!".into()));
    let object: &dyn Boxed = &Flaky::default();
    assert_eq!(object.get_default("a".into()).await, Ok("a!".into()));
}

#[resilient(retry, timeout = "1s", breaker)]
async fn not_send(flaky: Rc<Flaky>) -> Result<u32> {
    let held = Rc::clone(&flaky);
    tokio::task::yield_now().await;
    held.ask()
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_not_send() {
    assert_eq!(not_send(Rc::default()).await, Ok(1));
}

#[resilient(retry(retry_if(|error: &Error| matches!(error, Error::Busy))))]
async fn early_return(flaky: &Flaky, at_once: bool) -> Result<u32> {
    if at_once {
        return Ok(0);
    }
    let asked = flaky.ask()?;
    if asked == 1 {
        return Ok(100);
    }
    Err(Error::Busy)
}

#[tokio::test(start_paused = true)]
async fn question_marks_and_early_returns() {
    assert_eq!(early_return(&Flaky::default(), true).await, Ok(0));
    assert_eq!(early_return(&Flaky::default(), false).await, Ok(100));
}

#[resilient(breaker, timeout = "1s")]
async fn recursive(depth: u32) -> Result<u32> {
    if depth == 0 {
        return Ok(0);
    }
    let inner: Pin<Box<dyn Future<Output = Result<u32>>>> = Box::pin(recursive(depth - 1));
    Ok(inner.await? + 1)
}

#[tokio::test]
async fn recursion_through_a_box() {
    assert_eq!(recursive(5).await, Ok(5));
}

mod nested {
    pub(super) mod deeper {
        #[mmf::resilient(retry, bulkhead)]
        pub(in crate::shapes) async fn inside(
            flaky: &super::super::Flaky,
        ) -> super::super::Result<u32> {
            flaky.ask()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn inside_modules_and_functions() {
    #[resilient(retry, bulkhead)]
    async fn inside(flaky: &Flaky) -> Result<u32> {
        flaky.ask()
    }
    assert_eq!(inside(&Flaky::default()).await, Ok(1));
    assert_eq!(nested::deeper::inside(&Flaky::default()).await, Ok(1));
}

struct Users(Flaky);

#[resilient(name = "users", retry(max_attempts = 2), timeout = "1s", all)]
impl Users {
    pub async fn by_block(&self) -> Result<u32> {
        self.0.ask()
    }

    #[resilient(retry(max_attempts = 1))]
    pub async fn by_itself(&self) -> Result<u32> {
        self.0.ask()
    }

    #[resilient(skip)]
    pub async fn skipped(&self) -> Result<u32> {
        self.0.ask()
    }

    #[resilient]
    async fn private_but_marked(&self) -> Result<u32> {
        self.0.ask()
    }

    pub fn new() -> Self {
        Self(Flaky::default())
    }
}

#[tokio::test(start_paused = true)]
async fn an_impl_block_gives_its_policies_to_its_methods() {
    assert_eq!(Users::new().by_block().await, Ok(1));
    assert_eq!(Users::new().by_itself().await, Err(Error::Busy));
    assert_eq!(Users::new().skipped().await, Err(Error::Busy));
    assert_eq!(Users::new().private_but_marked().await, Ok(1));
    assert!(mmf::resilience::policy("users.by_block").is_some());
    assert!(mmf::resilience::policy("users.skipped").is_none());
}

#[resilient(retry, timeout = "1s")]
#[tracing::instrument(skip_all)]
async fn one_span_a_call(flaky: &Flaky, text: String) -> Result<String> {
    flaky.ask()?;
    Ok(text.clone())
}

#[tracing::instrument(skip_all, err, ret)]
#[resilient(retry, timeout = "1s")]
async fn one_span_an_attempt(flaky: &Flaky, text: String) -> Result<String> {
    flaky.ask()?;
    Ok(text.clone())
}

#[tokio::test(start_paused = true)]
async fn beside_instrument_in_either_order() {
    assert_eq!(assert_send(one_span_a_call(&Flaky::default(), "a".into())).await, Ok("a".into()));
    let attempts = assert_send(one_span_an_attempt(&Flaky::default(), "a".into())).await;
    assert_eq!(attempts, Ok("a".into()));
}

#[resilient(
    deadline = "10s",
    timeout = "1s",
    retry,
    breaker(fail_on(Error::Busy)),
    rate_limit = 1000,
    bulkhead,
    hedge = "500ms",
    fallback(rescue)
)]
async fn everything<'a>(flaky: &'a Flaky, name: &str, owned: String) -> Result<&'a Flaky> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    flaky.ask()?;
    assert_eq!(name, owned);
    Ok(flaky)
}

async fn rescue<'a>(_: &'a Flaky, _: &str, _: String, error: Error) -> Result<&'a Flaky> {
    Err(error)
}

#[tokio::test(start_paused = true)]
async fn all_policies_over_borrowed_arguments_stay_send() {
    let flaky = Flaky::default();
    let found = assert_send(everything(&flaky, "a", "a".into())).await;
    assert!(std::ptr::eq(found.unwrap(), &raw const flaky));
}

#[resilient(retry)]
async fn error_without_refusals(flaky: &Flaky) -> Result<u32, std::num::ParseIntError> {
    let digits = if flaky.ask().is_ok() { "5" } else { "five" };
    digits.parse()
}

#[tokio::test(start_paused = true)]
async fn an_error_type_needs_no_refusals_where_nothing_refuses() {
    assert_eq!(error_without_refusals(&Flaky::default()).await, Ok(5));
}

#[resilient(timeout = "1s")]
async fn raw(r#type: &str) -> Result<usize> {
    Ok(r#type.len())
}

#[tokio::test]
async fn raw_identifiers() {
    assert_eq!(raw("abc").await, Ok(3));
}
