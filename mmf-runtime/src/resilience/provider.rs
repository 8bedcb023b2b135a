//! Where a fallback takes its value from, set while the program runs: `fallback(provider(&PRICES))`.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Refusals;
use super::events::{self, ErrorText};
use super::fallback::{applies, note};
use super::outcome::Outcome;
use super::policy::Invocation;
use crate::clock;

/// A value for who asks, or why there is none.
pub type Provided<'p, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'p>>;

/// What a [`Provider`] takes its values from.
pub trait Provide<T>: Send + Sync {
    /// The value, or why there is none.
    fn value(&self) -> Provided<'_, T>;

    /// Whether it wants to see the values of calls that succeeded; asked once.
    fn remembers(&self) -> bool {
        false
    }

    /// A call has succeeded.
    fn seen(&self, value: &T) {
        let _ = value;
    }
}

/// Values for fallbacks, by name: what they come from is said while the program runs. Without that, there is none, and a failure
/// stays one.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::degradation::{CachedValue, DefaultValue, Provider, Service};
///
/// static PRICES: Provider<Vec<u64>> = Provider::new("prices");
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// PRICES.provide(DefaultValue(vec![42]));
/// assert_eq!(PRICES.value().await, Ok(vec![42]));
/// PRICES.provide(Service(|| async { Ok::<_, std::io::Error>(vec![7]) }));
/// assert_eq!(PRICES.value().await, Ok(vec![7]));
/// PRICES.provide(CachedValue::new());
/// assert!(PRICES.value().await.is_err(), "nothing was seen yet");
/// # });
/// ```
pub struct Provider<T: 'static> {
    name: &'static str,
    remembers: AtomicBool,
    /// Under its lock the handle is taken or replaced; what is replaced is dropped outside of it.
    source: RwLock<Option<Arc<dyn Provide<T>>>>,
}

impl<T> Provider<T> {
    /// Of nothing yet.
    pub const fn new(name: &'static str) -> Self {
        Self { name, remembers: AtomicBool::new(false), source: RwLock::new(None) }
    }

    /// Its name in events.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Takes values from here from now on.
    pub fn provide(&self, source: impl Provide<T> + 'static) {
        let remembers = source.remembers();
        let source: Arc<dyn Provide<T>> = Arc::new(source);
        let before = {
            let mut place = self.source.write().unwrap_or_else(PoisonError::into_inner);
            // Relaxed: read before the source, which the lock publishes.
            self.remembers.store(remembers, Ordering::Relaxed);
            place.replace(source)
        };
        drop(before);
    }

    fn source(&self) -> Option<Arc<dyn Provide<T>>> {
        self.source.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value now.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn value(&self) -> Result<T, String> {
        match self.source() {
            Some(source) => source.value().await,
            None => Err("nothing provides it".to_owned()),
        }
    }

    /// What came of a call: a success is shown to what remembers, a failure is answered where there is a value.
    #[doc(hidden)]
    pub async fn answer<E>(
        &self,
        invocation: &Invocation<'_>,
        outcome: Outcome<T, E>,
        refusals: Refusals,
        judge: impl FnOnce(&E) -> bool,
        text: ErrorText<E>,
    ) -> Outcome<T, E> {
        if let Ok(Ok(value)) = &outcome {
            if self.remembers.load(Ordering::Relaxed)
                && let Some(source) = self.source()
            {
                source.seen(value);
            }
            return outcome;
        }
        if !applies(invocation, &outcome, refusals, judge) {
            return outcome;
        }
        match self.value().await {
            Ok(value) => {
                note(invocation, &outcome, text);
                Ok(Ok(value))
            }
            Err(why) => {
                events::not_provided(invocation.name(), self.name, &why);
                outcome
            }
        }
    }
}

impl<T> fmt::Debug for Provider<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Always the same.
#[derive(Clone, Debug)]
#[doc(alias = "DefaultValueProvider")]
pub struct DefaultValue<T>(pub T);

impl<T: Clone + Send + Sync> Provide<T> for DefaultValue<T> {
    fn value(&self) -> Provided<'_, T> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// The value of the last call that succeeded.
#[doc(alias = "CachedValueProvider")]
pub struct CachedValue<T> {
    max_age: Option<Duration>,
    /// Under its lock the handle is taken or replaced: values are cloned and dropped outside of it.
    last: Mutex<Option<(Arc<T>, Instant)>>,
}

impl<T> CachedValue<T> {
    /// However old it is.
    pub fn new() -> Self {
        Self { max_age: None, last: Mutex::new(None) }
    }

    /// No older than this.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    fn last(&self) -> Option<(Arc<T>, Instant)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Default for CachedValue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for CachedValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedValue").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync> Provide<T> for CachedValue<T> {
    fn value(&self) -> Provided<'_, T> {
        Box::pin(async {
            let (value, at) = self.last().ok_or("no call has succeeded yet")?;
            let age = clock::now().saturating_duration_since(at);
            match self.max_age {
                Some(most) if age > most => Err(format!("the last value is {age:?} old")),
                _ => Ok(T::clone(&value)),
            }
        })
    }

    fn remembers(&self) -> bool {
        true
    }

    fn seen(&self, value: &T) {
        let new = Some((Arc::new(value.clone()), clock::now()));
        let before =
            std::mem::replace(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner), new);
        drop(before);
    }
}

/// Whatever a function answers, such as another service.
#[derive(Clone, Debug)]
#[doc(alias = "ServiceFallbackProvider")]
pub struct Service<F>(pub F);

impl<T, E, F, Fut> Provide<T> for Service<F>
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    E: Display,
{
    fn value(&self) -> Provided<'_, T> {
        let asked = (self.0)();
        Box::pin(async move { asked.await.map_err(|error| error.to_string()) })
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_cached_value_is_the_last_one_seen_up_to_its_age() {
        let cached = CachedValue::new().max_age(Duration::from_secs(10));
        assert!(cached.remembers());
        assert_eq!(cached.value().await, Err("no call has succeeded yet".to_owned()));
        cached.seen(&1);
        cached.seen(&2);
        advance(Duration::from_secs(10)).await;
        assert_eq!(cached.value().await, Ok(2));
        advance(Duration::from_nanos(1)).await;
        assert!(cached.value().await.is_err());
        assert_eq!(CachedValue::<u32>::default().max_age, None);
    }

    #[tokio::test]
    async fn a_provider_has_the_value_of_its_source() {
        static NUMBERS: Provider<u32> = Provider::new("numbers");
        assert_eq!(NUMBERS.value().await, Err("nothing provides it".to_owned()));
        NUMBERS.provide(DefaultValue(7));
        assert_eq!((NUMBERS.value().await, NUMBERS.name()), (Ok(7), "numbers"));
        NUMBERS.provide(Service(|| async { Err::<u32, _>("away") }));
        assert_eq!(NUMBERS.value().await, Err("away".to_owned()));
    }
}
