//! An answer where the call has none.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{FromRefusal, Refusals};
use super::events::{self, ErrorText};
use super::policy::{Invocation, Outcome, unrefused};
use crate::clock;

/// Whether the fallback answers this outcome: refusals by the list of refusals, the function's
/// errors by the patterns.
#[inline]
pub fn applies<T, E>(
    outcome: &Outcome<T, E>,
    refusals: Refusals,
    judge: impl FnOnce(&E) -> bool,
) -> bool {
    match outcome {
        Ok(Ok(_)) => false,
        Ok(Err(error)) => judge(error),
        Err(refusal) => refusals.contains(refusal.refusal()),
    }
}

/// Counts an answer of the fallback, in place of `outcome`.
pub fn note<T, E>(invocation: &Invocation, outcome: &Outcome<T, E>, text: ErrorText<E>) {
    invocation.count(|counters| &counters.fallbacks);
    events::fell_back(invocation.name(), outcome, text);
}

/// The error that the fallback is given, a refusal as one.
///
/// # Panics
///
/// Where `outcome` is a success, which no fallback is asked about.
pub fn error<T, E: FromRefusal>(outcome: Outcome<T, E>) -> E {
    failure(outcome.unwrap_or_else(|refusal| Err(E::from_refusal(refusal))))
}

/// [`error`] where no policy can refuse, so that the error type need not carry refusals.
///
/// # Panics
///
/// As [`error`].
pub fn unrefused_error<T, E>(outcome: Outcome<T, E>) -> E {
    failure(unrefused(outcome))
}

fn failure<T, E>(result: Result<T, E>) -> E {
    match result {
        Err(error) => error,
        Ok(_) => unreachable!("a fallback is asked about failures only"),
    }
}

/// What a fallback function returned: a result, or the future of one.
///
/// The inherent method is found for a result, the one of [`Later`] for a future.
#[derive(Debug)]
pub struct Answer<R>(pub R);

impl<T, E> Answer<Result<T, E>> {
    /// The result.
    ///
    /// # Errors
    ///
    /// The fallback's own.
    #[expect(clippy::unused_async, reason = "called like its twin in `Later`")]
    pub async fn resolve(self) -> Result<T, E> {
        self.0
    }
}

/// The answer of an `async fn`.
#[expect(async_fn_in_trait, reason = "implemented once, below")]
pub trait Later {
    /// What the future resolves to.
    type Output;
    /// Waits for the answer.
    async fn resolve(self) -> Self::Output;
}

impl<F: Future> Later for Answer<F> {
    type Output = F::Output;

    async fn resolve(self) -> F::Output {
        self.0.await
    }
}

/// Keeps the borrow of an argument that the fallback takes over after the body: a body that consumes
/// it is refused by the borrow checker, which names this type and the variable it is held in.
#[derive(Debug)]
pub struct FallbackTakesThisArgument<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> FallbackTakesThisArgument<'a> {
    /// Borrows without holding the type, which need not be `Sync`.
    pub fn over<T: ?Sized>(_: &'a T) -> Self {
        Self(std::marker::PhantomData)
    }
}

impl Drop for FallbackTakesThisArgument<'_> {
    fn drop(&mut self) {}
}

/// The last good values of a function, by key: `fallback(stale(…))`.
///
/// One static serves all type parameters of the function, so values are kept by their type.
#[derive(Debug)]
pub struct StaleValues {
    max_age: Duration,
    capacity: usize,
    by_type: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

/// The values of one type.
struct Values<K, T> {
    values: HashMap<K, Value<T>>,
    /// Counts uses: a value remembers when it was stored or read last.
    clock: u64,
}

struct Value<T> {
    value: T,
    stored: Instant,
    used: u64,
}

impl StaleValues {
    /// Keeps up to `capacity` values, none longer than `max_age`.
    pub fn new(max_age: Duration, capacity: usize) -> Self {
        Self { max_age, capacity: capacity.max(1), by_type: Mutex::default() }
    }

    /// Remembers the value of a success, or answers a failure with the value remembered for `key`.
    pub fn answer<K, T, E>(
        &self,
        invocation: &Invocation,
        key: K,
        outcome: Outcome<T, E>,
        refusals: Refusals,
        judge: impl FnOnce(&E) -> bool,
        text: ErrorText<E>,
    ) -> Outcome<T, E>
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + 'static,
    {
        if applies(&outcome, refusals, judge)
            && let Some(value) = self.recall(&key)
        {
            note(invocation, &outcome, text);
            return Ok(Ok(value));
        }
        self.remember(key, &outcome);
        outcome
    }

    /// Remembers the value of a success.
    pub fn remember<K, T, E>(&self, key: K, outcome: &Outcome<T, E>)
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + 'static,
    {
        let Ok(Ok(value)) = outcome else { return };
        let value = Value { value: value.clone(), stored: clock::now(), used: 0 };
        self.with(|values: &mut Values<K, T>| {
            if !values.values.contains_key(&key) && values.values.len() >= self.capacity {
                values.make_room();
            }
            values.clock += 1;
            values.values.insert(key, Value { used: values.clock, ..value });
        });
    }

    /// The last good value for `key`, where it is not too old.
    pub fn recall<K, T>(&self, key: &K) -> Option<T>
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + 'static,
    {
        self.with(|values: &mut Values<K, T>| {
            values.clock += 1;
            let clock = values.clock;
            let value = values.values.get_mut(key)?;
            if value.stored.elapsed() > self.max_age {
                return None;
            }
            value.used = clock;
            Some(value.value.clone())
        })
    }

    fn with<K, T, R>(&self, work: impl FnOnce(&mut Values<K, T>) -> R) -> R
    where
        K: Send + 'static,
        T: Send + 'static,
    {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        let values = by_type
            .entry(TypeId::of::<Values<K, T>>())
            .or_insert_with(|| Box::new(Values::<K, T> { values: HashMap::new(), clock: 0 }));
        match values.downcast_mut() {
            Some(values) => work(values),
            None => unreachable!("kept under its own type"),
        }
    }
}

impl<K: Hash + Eq, T> Values<K, T> {
    /// Drops the quarter that was used least recently, so that the cost is shared by many calls.
    fn make_room(&mut self) {
        let mut uses: Vec<u64> = self.values.values().map(|value| value.used).collect();
        let quarter = uses.len().div_ceil(4) - 1;
        let (_, oldest, _) = uses.select_nth_unstable(quarter);
        let oldest = *oldest;
        self.values.retain(|_, value| value.used > oldest);
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn good(value: u32) -> Outcome<u32, ()> {
        Ok(Ok(value))
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_recalled_up_to_its_age() {
        let stale = StaleValues::new(Duration::from_secs(10), 8);
        stale.remember("a", &good(1));
        advance(Duration::from_secs(10)).await;
        assert_eq!(stale.recall::<_, u32>(&"a"), Some(1));
        advance(Duration::from_nanos(1)).await;
        assert_eq!(stale.recall::<_, u32>(&"a"), None);
        assert_eq!(stale.recall::<_, u64>(&"a"), None, "another type is another value");
    }

    #[test]
    fn the_capacity_is_kept_and_recent_values_stay() {
        let stale = StaleValues::new(Duration::MAX, 4);
        for key in 0..100_u32 {
            stale.remember(key, &good(key));
            assert_eq!(stale.recall::<u32, u32>(&key), Some(key));
        }
        let left = (0..100_u32).filter(|key| stale.recall::<u32, u32>(key).is_some()).count();
        assert!((1..=4).contains(&left));
    }
}
