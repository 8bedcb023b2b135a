//! A call of a pipeline that goes on after its answer.

use super::call::{ByClass, Call, Off, Policed, Refused};
use super::class::Class;
use super::deadline::Deadline;
use super::left::OpenCall;
use super::pipeline::Through;
use super::policy::Invocation;
use super::view::View;

impl<'p, E, C, R> Call<'p, E, Through<'p>, Off, ByClass<C>, R> {
    /// Runs it up to its answer, which is not its end: where `work` returns an `Ok`, how that ends is said later.
    ///
    /// # Errors
    ///
    /// The last error of `work`, or a refusal as one.
    pub async fn open<V, Fut>(self, work: impl Fn() -> Fut) -> Result<(V, OpenCall), E>
    where
        Fut: Future<Output = Result<V, E>>,
        C: Fn(&E) -> Class,
        R: Refused<E>,
    {
        let Self { policed, before_retry, error_text, refused, rules, .. } = self;
        let identity = policed.identity();
        let invocation = Invocation::begin(identity);
        let left = policed.left();
        let policies = View { left: Some(&left), ..policed.view(identity.tuning) };
        let told = (before_retry.as_ref(), error_text);
        let deadline = policies.deadline.map(|limit| Deadline::begin(&invocation, limit));
        let attempts = policies.attempts(&invocation, &rules, told, &work);
        let outcome = match deadline {
            Some(deadline) => deadline.run(std::pin::pin!(attempts)).await,
            None => attempts.await,
        };
        match outcome {
            Ok(Ok(answer)) => {
                let deadline = deadline.map(|deadline| deadline.limit());
                let tuned = identity.tuning.and_then(|tuning| tuning.failures);
                let failures = tuned.unwrap_or(policies.fail_refusals);
                let limits = (policies.timeout, deadline);
                Ok((answer, left.open(invocation.leave(), limits, failures)))
            }
            Ok(Err(error)) => invocation.finish_unrefused(Ok(Err(error))),
            Err(refusal) => invocation.finish_by(Err(refusal), |refusal| refused.refused(refusal)),
        }
    }
}
