//! What is changed by hand: each is a security event, with what it was before and is after.

use axum::extract::Path;
use axum::{Extension, Json};
use http::StatusCode;
use mmf_runtime::degradation::{DegradationLevel, feature, features, level, release, set_level};
use mmf_runtime::logging::{ServiceLogger, Severity};
use mmf_runtime::resilience::policy;
use mmf_runtime::security_event;
use serde::{Deserialize, Serialize};

use super::access::Who;
use super::api::unknown;
use super::given::Body;
use crate::axum::Problem;
use crate::config;

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    before: String,
    after: String,
}

impl Done {
    /// Tells it.
    fn of(who: &Who, what: &str, name: &str, before: String, after: String) -> Self {
        const PAGE: ServiceLogger = ServiceLogger::new("admin");
        let Who(who) = who;
        security_event!(PAGE, "admin_change", Severity::Medium, who, what, name, before, after);
        Self { before, after }
    }
}

/// What a breaker is to be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum To {
    /// Calls are refused.
    Isolated,
    /// Calls go through, uncounted.
    Disabled,
    /// Trials decide.
    HalfOpen,
    /// As new, by its own rules.
    Closed,
}

#[derive(Debug, Deserialize)]
pub(super) struct Switch {
    to: To,
}

pub(super) async fn breaker(
    Path(name): Path<String>,
    Extension(who): Extension<Who>,
    Body(switch): Body<Switch>,
) -> Result<Json<Done>, Problem> {
    let policy = policy(&name).ok_or_else(|| unknown(&name))?;
    let Some(breaker) = policy.breaker() else {
        let detail = format!("{name:?} has no breaker for all calls");
        return Err(Problem::new(StatusCode::CONFLICT).detail(detail));
    };
    let before = breaker.state().to_string();
    match switch.to {
        To::Isolated => breaker.force_open(),
        To::Disabled => breaker.disable(),
        To::HalfOpen => breaker.force_half_open(),
        To::Closed => breaker.force_closed(),
    }
    Ok(Json(Done::of(&who, "breaker", &name, before, breaker.state().to_string())))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Is {
    On,
    Off,
    ByLevel,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    to: Is,
}

pub(super) async fn turn(
    Path(name): Path<String>,
    Extension(who): Extension<Who>,
    Body(turn): Body<Turn>,
) -> Result<Json<Done>, Problem> {
    if !features().iter().any(|feature| feature.name() == name) {
        let detail = format!("no feature is called {name:?}");
        return Err(Problem::new(StatusCode::NOT_FOUND).detail(detail));
    }
    let feature = feature(name.clone());
    let state = || if feature.is_enabled() { "on" } else { "off" }.to_owned();
    let before = state();
    match turn.to {
        Is::On => feature.enable(),
        Is::Off => feature.disable(),
        Is::ByLevel => feature.follow_level(),
    }
    Ok(Json(Done::of(&who, "feature", &name, before, state())))
}

#[derive(Debug, Deserialize)]
pub(super) struct Set {
    /// None releases it.
    level: Option<String>,
    #[serde(default)]
    reason: String,
}

pub(super) async fn degrade(
    Extension(who): Extension<Who>,
    Body(set): Body<Set>,
) -> Result<Json<Done>, Problem> {
    let before = level().to_string();
    match set.level {
        None => release(),
        Some(word) => {
            let level = word.parse::<DegradationLevel>().map_err(|unknown| {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(unknown.to_string())
            })?;
            let reason = if set.reason.is_empty() { "by hand" } else { &set.reason };
            set_level(level, reason);
        }
    }
    Ok(Json(Done::of(&who, "level", "", before, level().to_string())))
}

#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    text: String,
    /// Only whether it could be put in force.
    #[serde(default)]
    check: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Changes {
    changes: Vec<String>,
}

pub(super) async fn configure(
    Extension(who): Extension<Who>,
    Body(new): Body<Configuration>,
) -> Result<Json<Changes>, Problem> {
    let wrong = |wrong: config::ConfigError| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(wrong.to_string())
    };
    if new.check {
        config::check(&new.text).map_err(wrong)?;
        return Ok(Json(Changes { changes: Vec::new() }));
    }
    let changes = config::apply(&new.text).map_err(wrong)?;
    let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
    Done::of(&who, "configuration", "", String::new(), changes.join("; "));
    Ok(Json(Changes { changes }))
}
