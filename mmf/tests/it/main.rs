//! Whole features, as users write them, under a paused clock.

mod adaptive;
mod breaker;
mod builders;
mod call;
mod fallback;
mod given;
mod guide;
mod keys;
mod limits;
mod locks;
mod pipeline;
mod ready;
mod refused;
mod registry;
mod retry;
mod shapes;
mod support;
