//! An answer where the call has none.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmf_rules::keys::{Keys, STALE};
use mmf_rules::value::Value;
use tokio::time::Instant;

use super::error::{CallResult, FromRefusal, Refusals, ResilienceError};
use super::events::{self, ErrorText};
use super::invalid::{Check, InvalidPolicy};
use super::key::id_of;
use super::live::Live;
use super::outcome::{Outcome, unrefused};
use super::policy::Invocation;
use super::setting::{Setting, Settings, Values};
use crate::clock;

/// Whether the fallback answers this outcome: refusals by the list of refusals, the function's
/// errors by the patterns.
#[inline]
pub fn applies<T, E>(
    invocation: &Invocation<'_>,
    outcome: &Outcome<T, E>,
    refusals: Refusals,
    judge: impl FnOnce(&E) -> bool,
) -> bool {
    let answered = match invocation.tuning() {
        None => Some(refusals),
        Some(tuning) => tuning.answered(refusals),
    };
    let Some(refusals) = answered else { return false };
    match outcome {
        Ok(Ok(_)) => false,
        Ok(Err(error)) => judge(error),
        Err(refusal) => refusals.contains(refusal.refusal()),
    }
}

/// Counts an answer of the fallback, in place of `outcome`.
pub fn note<T, E>(invocation: &Invocation<'_>, outcome: &Outcome<T, E>, text: ErrorText<E>) {
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

/// [`error`] where the attribute says how a refusal becomes one.
///
/// # Panics
///
/// As [`error`].
pub fn error_by<T, E>(outcome: Outcome<T, E>, refused: impl FnOnce(ResilienceError) -> E) -> E {
    failure(outcome.unwrap_or_else(|refusal| Err(refused(refusal))))
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

/// Calls of a fallback function with so many arguments, which come first: then rustc says what function is wanted
/// where it is another.
macro_rules! called {
    ($called:ident: $($ty:ident $name:ident),*) => {
        /// Calls a fallback function.
        #[allow(clippy::too_many_arguments, reason = "as many as the function takes")]
        #[inline]
        pub fn $called<Answer, $($ty),*>($($name: $ty,)* function: fn($($ty),*) -> Answer) -> Answer {
            function($($name),*)
        }
    };
}

called!(called_1: A a);
called!(called_2: A a, B b);
called!(called_3: A a, B b, C c);
called!(called_4: A a, B b, C c, D d);
called!(called_5: A a, B b, C c, D d, E e);
called!(called_6: A a, B b, C c, D d, E e, F f);
called!(called_7: A a, B b, C c, D d, E e, F f, G g);
called!(called_8: A a, B b, C c, D d, E e, F f, G g, H h);

/// What a fallback function returns for one that returns `R`: the same.
#[diagnostic::on_unimplemented(
    message = "this fallback returns `{Self}`, and must return what its function returns, `{R}`",
    label = "must return `{R}`"
)]
pub trait FallbackAnswer<R> {
    /// The answer.
    fn answer(self) -> R;
}

#[diagnostic::do_not_recommend]
impl<T, E> FallbackAnswer<Result<T, E>> for Result<T, E> {
    #[inline]
    fn answer(self) -> Self {
        self
    }
}

/// What a fallback function returned, or what came of it, as an answer.
///
/// # Errors
///
/// The fallback's own.
#[inline]
pub fn answered<A: FallbackAnswer<R>, R: CallResult>(answer: A) -> Result<R::Value, R::Error> {
    answer.answer().into_result()
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
pub struct StaleValues {
    built: Bounds,
    /// What is in force in their place.
    changed: Live<Bounds>,
    /// Under its lock: maps by hashes. Keys are hashed and compared, values cloned and dropped outside of it, as
    /// that is code of the user's.
    by_type: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

/// How old values may be, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    max_age: Duration,
    capacity: usize,
    /// Which of them were written.
    written: Keys,
}

/// The values of one type.
struct ByKey<T> {
    values: HashMap<u128, Good<T>>,
    /// Counts uses: a value remembers when it was stored or read last.
    clock: u64,
}

struct Good<T> {
    value: Arc<T>,
    stored: Instant,
    used: u64,
}

impl StaleValues {
    /// Keeps up to `capacity` values, none longer than `max_age`; without them up to 1000, for 5 minutes. What can never
    /// work is cut to the nearest that can, which is told by a warning.
    #[track_caller]
    pub fn new(max_age: Option<Duration>, capacity: Option<usize>) -> Self {
        let mut built = Bounds::DEFAULT.with(max_age, capacity);
        built.mend().tell("stale");
        Self { built, changed: Live::new(), by_type: Mutex::default() }
    }

    fn bounds(&self) -> Bounds {
        *self.changed.get().unwrap_or(&self.built)
    }

    /// The values it goes by.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let Bounds { max_age, capacity, written } = self.bounds();
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        Settings::of(&STALE, written)
            .with("fallback.stale.max_age", Value::Time(max_age))
            .with("fallback.stale.capacity", Value::Count(capacity))
            .all()
    }

    /// What it was built with, with these values in place of its own.
    pub(super) fn prepare(&self, values: &Values<'_>) -> Result<Arc<Bounds>, InvalidPolicy> {
        let max_age = match values.get("stale.max_age") {
            Some(Value::Time(age)) => Some(*age),
            _ => None,
        };
        let capacity = match values.get("stale.capacity") {
            Some(Value::Count(count)) => Some(*count as usize),
            _ => None,
        };
        let mut bounds = self.built.with(max_age, capacity);
        bounds.mend().refuse()?;
        Ok(Arc::new(bounds))
    }

    /// Has other bounds from now on, or with none those that it was built with. Values beyond them go with the next that comes.
    pub(super) fn go_by(&self, bounds: Option<Arc<Bounds>>) {
        self.changed.set(bounds);
    }

    /// Remembers the value of a success, or answers a failure with the value remembered for `key`, of which `aged`
    /// is told how old it is.
    #[expect(clippy::too_many_arguments, reason = "called by expansions alone")]
    pub fn answer<K, T, E>(
        &self,
        invocation: &Invocation<'_>,
        key: &K,
        outcome: Outcome<T, E>,
        refusals: Refusals,
        judge: impl FnOnce(&E) -> bool,
        text: ErrorText<E>,
        aged: impl FnOnce(&mut T, Duration),
    ) -> Outcome<T, E>
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        if applies(invocation, &outcome, refusals, judge)
            && let Some((mut value, age)) = self.recall(key)
        {
            note(invocation, &outcome, text);
            aged(&mut value, age);
            return Ok(Ok(value));
        }
        self.remember(key, &outcome);
        outcome
    }

    /// Remembers the value of a success.
    pub fn remember<K, T, E>(&self, key: &K, outcome: &Outcome<T, E>)
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        let Ok(Ok(value)) = outcome else { return };
        let (id, capacity) = (id_of(key), self.bounds().capacity);
        let value = Good { value: Arc::new(value.clone()), stored: clock::now(), used: 0 };
        // Dropped at the end, when the lock is free.
        let _forgotten = self.with::<K, T, _>(|values| {
            let mut forgotten = Vec::new();
            // One that is there already needs no room; a capacity that has become smaller holds for it all the same.
            let most = capacity - usize::from(!values.values.contains_key(&id));
            while values.values.len() > most {
                values.make_room(&mut forgotten);
            }
            values.clock += 1;
            forgotten.extend(values.values.insert(id, Good { used: values.clock, ..value }));
            forgotten
        });
    }

    /// The last good value for `key` and its age, where it is not too old.
    pub fn recall<K, T>(&self, key: &K) -> Option<(T, Duration)>
    where
        K: Hash + Eq + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        let (id, now, max_age) = (id_of(key), clock::now(), self.bounds().max_age);
        let (value, age) = self.with::<K, T, _>(|values| {
            values.clock += 1;
            let clock = values.clock;
            let value = values.values.get_mut(&id)?;
            // One of the future is one of another clock, whose age nobody knows.
            let age = now.checked_duration_since(value.stored)?;
            if age > max_age {
                return None;
            }
            value.used = clock;
            Some((Arc::clone(&value.value), age))
        })?;
        Some((T::clone(&value), age))
    }

    fn with<K, T, R>(&self, work: impl FnOnce(&mut ByKey<T>) -> R) -> R
    where
        K: 'static,
        T: Send + Sync + 'static,
    {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        let values = by_type
            .entry(TypeId::of::<(K, T)>())
            .or_insert_with(|| Box::new(ByKey::<T> { values: HashMap::new(), clock: 0 }));
        match values.downcast_mut() {
            Some(values) => work(values),
            None => unreachable!("kept under its own type"),
        }
    }
}

impl Bounds {
    const DEFAULT: Self =
        Self { max_age: Duration::from_mins(5), capacity: 1000, written: Keys::NONE };

    /// They with these in their place, where there are any.
    fn with(mut self, max_age: Option<Duration>, capacity: Option<usize>) -> Self {
        if let Some(max_age) = max_age {
            self.written.insert(const { Keys::of(&STALE, "max_age") });
            self.max_age = max_age;
        }
        if let Some(capacity) = capacity {
            self.written.insert(const { Keys::of(&STALE, "capacity") });
            self.capacity = capacity;
        }
        self
    }

    fn mend(&mut self) -> Check {
        let mut check = Check::default();
        check.mend(&mut self.max_age, |age| mmf_rules::positive("max_age", age));
        check.at_least_one("capacity", &mut self.capacity);
        check
    }
}

impl std::fmt::Debug for StaleValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaleValues").field("bounds", &self.bounds()).finish_non_exhaustive()
    }
}

impl<T> ByKey<T> {
    /// Takes the quarter out that was used least recently, so that the cost is shared by many calls.
    fn make_room(&mut self, forgotten: &mut Vec<Good<T>>) {
        let mut uses: Vec<u64> = self.values.values().map(|value| value.used).collect();
        let quarter = uses.len().div_ceil(4) - 1;
        let (_, oldest, _) = uses.select_nth_unstable(quarter);
        let oldest = *oldest;
        let old = self.values.extract_if(|_, value| value.used <= oldest);
        forgotten.extend(old.map(|(_, value)| value));
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
        let stale = StaleValues::new(Some(Duration::from_secs(10)), Some(8));
        stale.remember(&"a", &good(1));
        advance(Duration::from_secs(10)).await;
        assert_eq!(stale.recall::<_, u32>(&"a"), Some((1, Duration::from_secs(10))));
        advance(Duration::from_nanos(1)).await;
        assert_eq!(stale.recall::<_, u32>(&"a"), None);
        assert_eq!(stale.recall::<_, u64>(&"a"), None, "another type is another value");
    }

    #[test]
    fn the_capacity_is_kept_and_recent_values_stay() {
        let stale = StaleValues::new(Some(Duration::MAX), Some(4));
        for key in 0..100_u32 {
            stale.remember(&key, &good(key));
            assert_eq!(stale.recall::<u32, u32>(&key).map(|(value, _)| value), Some(key));
        }
        let left = (0..100_u32).filter(|key| stale.recall::<u32, u32>(key).is_some()).count();
        assert!((1..=4).contains(&left));
    }
}
