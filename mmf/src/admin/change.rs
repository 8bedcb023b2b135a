//! What is changed by hand: each is a security event, with what it was before and is after.

use std::time::Duration;

use axum::{Extension, Json};
use http::StatusCode;
use mmf_runtime::degradation::{
    DegradationLevel, feature, features, is_by_hand, level, release, set_level,
};
use mmf_runtime::logging::{self, ServiceLogger, Severity};
use mmf_runtime::resilience::policy;
use mmf_runtime::security_event;
use serde::{Deserialize, Serialize};

use super::access::Who;
use super::api::unknown;
use super::faults;
use super::given::{Body, Named};
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

/// The problem of a value that is none.
fn unusable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail)
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
    /// What was made of it by hand is taken back: isolated, trials decide; disabled, it is closed.
    Released,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    to: To,
}

pub(super) async fn breaker(
    Named(name): Named<String>,
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
        To::Released => breaker.release(),
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
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    to: Is,
}

pub(super) async fn turn(
    Named(name): Named<String>,
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
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    /// None releases it: to be written all the same, as a key that is mistyped should do nothing.
    #[serde(deserialize_with = "Option::deserialize")]
    level: Option<String>,
    #[serde(default)]
    reason: String,
}

pub(super) async fn degrade(
    Extension(who): Extension<Who>,
    Body(set): Body<Set>,
) -> Result<Json<Done>, Problem> {
    let now = || format!("{}{}", level(), if is_by_hand() { ", by hand" } else { "" });
    let before = now();
    match set.level {
        None => release(),
        Some(word) => {
            let level = word.parse::<DegradationLevel>();
            let level = level.map_err(|unknown| unusable(unknown.to_string()))?;
            let reason = if set.reason.is_empty() { "by hand" } else { &set.reason };
            set_level(level, reason);
        }
    }
    Ok(Json(Done::of(&who, "level", &set.reason, before, now())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLevel {
    /// None takes back what was set before; to be written all the same.
    #[serde(deserialize_with = "Option::deserialize")]
    level: Option<String>,
    /// How long, in minutes.
    #[serde(default = "quarter")]
    minutes: u16,
}

fn quarter() -> u16 {
    15
}

/// For a while: whoever looked for something and forgets it leaves no flood of lines behind.
pub(super) async fn log_level(
    Extension(who): Extension<Who>,
    Body(set): Body<LogLevel>,
) -> Result<Json<Done>, Problem> {
    let now = || logging::level().map(|level| level.directives);
    let Some(before) = now() else {
        let detail = logging::InitError::NotSet.to_string();
        return Err(Problem::new(StatusCode::CONFLICT).detail(detail));
    };
    let time = Duration::from_secs(60 * u64::from(set.minutes));
    let what = match set.level {
        Some(_) if time.is_zero() => {
            return Err(unusable("a level is set for a minute at least"));
        }
        // Patterns of values take time and memory that grow with them as powers.
        Some(level) if level.len() > 1000 || level.contains(['[', '{']) => {
            return Err(unusable(
                "levels of targets alone, at most 1000 bytes: `users=debug,sqlx=info`",
            ));
        }
        Some(level) => {
            logging::set_level_for(&level, time).map_err(|error| unusable(error.to_string()))?;
            format!("for {} min", set.minutes)
        }
        None => {
            logging::release_level();
            "taken back".to_owned()
        }
    };
    Ok(Json(Done::of(&who, "log_level", &what, before, now().unwrap_or_default())))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Disarmed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    #[expect(dead_code, reason = "it says what is to become of it, of which there is one thing")]
    to: Of,
}

/// Ends an experiment of the process.
pub(super) async fn fault(
    Named(number): Named<u64>,
    Extension(who): Extension<Who>,
    Body(_): Body<Fault>,
) -> Result<Json<Done>, Problem> {
    let what = faults::disarm(number).ok_or_else(|| {
        let detail = format!("no experiment of the number {number} strikes this process");
        Problem::new(StatusCode::NOT_FOUND).detail(detail)
    })?;
    Ok(Json(Done::of(&who, "fault", &what, "armed".into(), "disarmed".into())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configuration {
    text: String,
    /// Only what would change.
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
    let wrong = |wrong: config::ConfigError| unusable(wrong.to_string());
    if new.check {
        let changes = config::preview(&new.text).map_err(wrong)?;
        return Ok(Json(Changes { changes }));
    }
    let changes = config::apply(&new.text).map_err(wrong)?;
    let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
    Done::of(&who, "configuration", "", String::new(), changes.join("; "));
    Ok(Json(Changes { changes }))
}
