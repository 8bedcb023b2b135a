//! A call through a breaker alone.

use std::pin::pin;

use super::machine::CircuitBreaker;
use crate::resilience::error::{FromRefusal, Refusals};
use crate::resilience::events::type_name_only;
use crate::resilience::identity::Identity;
use crate::resilience::name::CallName;
use crate::resilience::outcome::Counted;
use crate::resilience::policy::Invocation;

impl CircuitBreaker {
    /// Runs a future through the breaker; each `Err` counts as a failure.
    ///
    /// # Errors
    ///
    /// The future's own error, or [`ResilienceError::CircuitOpen`](crate::resilience::ResilienceError::CircuitOpen) as one.
    pub async fn call<T, E: FromRefusal>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let name = CallName::from(&self.name);
        let invocation = Invocation::begin(Identity::uncounted(&name));
        let mut admission = invocation.admission();
        admission.ask(self).map_err(E::from_refusal)?;
        let outcome = invocation.body(pin!(future)).await;
        let judge = |result: &Result<T, E>| match result {
            Ok(_) => Counted::Success,
            Err(_) => Counted::Failure,
        };
        admission.settle(&outcome, Refusals::NONE, judge, type_name_only);
        outcome.unwrap_or_else(|refusal| Err(E::from_refusal(refusal)))
    }
}
