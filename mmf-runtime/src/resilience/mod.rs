//! Policies that let a call survive its dependencies, and the pipeline that joins them.
//!
//! A call goes one way through the pipeline, outermost policy to innermost, and one way back: fallback → deadline →
//! [`retry`] → [`breaker`] → [`rate_limit`] → [`hedge`] → timeout → [`bulkhead`] → the function. The order is that of
//! MicroProfile Fault Tolerance and Resilience4j. [`call`](mod@call) joins the policies without the attribute;
//! [`policies`] knows every annotated function of the program. What is hidden here is for expansions alone.

mod accepts;
pub mod backoff;
pub mod breaker;
mod budget;
mod built;
pub mod bulkhead;
pub mod call;
mod class;
#[doc(hidden)]
pub mod configure;
mod counters;
#[doc(hidden)]
pub mod deadline;
pub mod error;
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod fallback;
#[doc(hidden)]
pub mod feature;
#[doc(hidden)]
pub mod handle;
pub mod hedge;
#[doc(hidden)]
pub mod identity;
mod invalid;
mod key;
mod keyed;
mod left;
mod live;
mod name;
mod observe;
mod open;
#[doc(hidden)]
pub mod outcome;
pub mod pipeline;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod provider;
pub mod rate_limit;
#[doc(hidden)]
pub mod registry;
pub mod retry;
#[doc(hidden)]
pub mod setting;
mod settings;
#[doc(hidden)]
pub mod snapshot;
pub(crate) mod time_left;
#[doc(hidden)]
pub mod timeout;
mod tuning;
mod view;

pub use backoff::{Backoff, BackoffStrategy};
pub use breaker::{
    BreakerState, CircuitBreaker, CircuitBreakerBuilder, KeyedBreakers, KeyedBreakersBuilder,
    OwnedTicket, Window,
};
pub use budget::RetryBudget;
pub use bulkhead::{
    AdaptiveLimit, Bulkhead, BulkheadBuilder, KeyedBulkheads, KeyedBulkheadsBuilder,
    LimitAlgorithm, OwnedPermit,
};
pub use call::{Call, call};
pub use class::Class;
pub use error::{Refusal, Refusals, ResilienceError};
pub use handle::Held;
pub use hedge::{HedgePolicy, HedgePolicyBuilder};
pub use invalid::{InvalidPolicy, Mistake};
pub use key::Key;
pub use keyed::Keyed;
pub use left::OpenCall;
pub use name::{CallName, KeyLabel, PolicyName};
pub use observe::{CallEnded, Event, FailureText, Observer, observe};
#[doc(hidden)]
pub use observe::{Measuring, observe_on_demand};
pub use pipeline::{Pipeline, PipelineBuilder};
pub use rate_limit::{
    KeyedRateLimiters, KeyedRateLimitersBuilder, RateLimiter, RateLimiterBuilder,
};

pub use registry::{NameConflict, Policy, policies, policy, try_policies};
pub use retry::{Delays, RetryEvent, RetryPolicy, RetryPolicyBuilder};
pub use setting::Setting;
pub use snapshot::{
    BreakerSnapshot, BulkheadSnapshot, KeySnapshot, Latency, OpenedBy, PolicySnapshot,
};
pub use time_left::left as time_left;
