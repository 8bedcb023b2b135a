//! How much of itself a program does: a level, features that are off by hand or from a level on, and where fallbacks take their
//! values from.

pub use crate::resilience::feature::{
    DegradationLevel, Feature, UnknownLevel, feature, features, is_by_hand, level, release,
    set_level, set_level_by_health,
};
pub use crate::resilience::provider::{
    CachedValue, DefaultValue, Provide, Provided, Provider, Service,
};
