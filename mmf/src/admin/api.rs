//! What is read, as JSON.

use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use mmf_runtime::degradation::{features, is_by_hand, level};
use mmf_runtime::resilience::policy;
use serde::{Deserialize, Serialize};

use super::access::can_change;
use super::given::Asked;
use super::recorder::{self, Recorded};
use super::view::{self, Details, List};
use crate::axum::Problem;
use crate::config::{EffectiveValue, effective};
use crate::health;

/// So many at once, unless fewer are asked for.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    search: String,
    #[serde(default)]
    from: usize,
    #[serde(default = "most")]
    most: usize,
}

fn most() -> usize {
    MOST
}

pub(super) async fn list(Asked(which): Asked<Which>) -> Json<List> {
    Json(view::list(&which.search, which.from, which.most.min(MOST)))
}

pub(super) async fn details(Path(name): Path<String>) -> Result<Json<Details>, Problem> {
    policy(&name).map(|policy| Json(view::details(&policy))).ok_or_else(|| unknown(&name))
}

pub(super) fn unknown(name: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND).detail(format!("no policy is called {name:?}"))
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    after: u64,
    policy: Option<String>,
    #[serde(default = "most")]
    most: usize,
}

/// The oldest first.
pub(super) async fn events(Asked(since): Asked<Since>) -> Json<Vec<Recorded>> {
    let Since { after, policy, most } = since;
    Json(recorder::after(after, policy.as_deref(), most.min(1000)))
}

/// How well the process is.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    score: f64,
    ready: bool,
    level: &'static str,
    by_hand: bool,
    checks: Vec<Check>,
    features: Vec<Feature>,
    /// Whether anything can be changed.
    can_change: bool,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    importance: String,
    is_up: Option<bool>,
    /// Of its last result, in milliseconds.
    age: Option<u64>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Feature {
    name: String,
    is_enabled: bool,
}

pub(super) async fn health() -> Json<Health> {
    let checks = health::checks().into_iter().map(|check| Check {
        importance: format!("{:?}", check.importance).to_lowercase(),
        is_up: check.is_up,
        age: check.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        error: check.last.and_then(|last| last.error),
        name: check.name,
    });
    let all = features();
    let features = all.iter().map(|feature| Feature {
        name: feature.name().to_owned(),
        is_enabled: feature.is_enabled(),
    });
    Json(Health {
        score: health::score(),
        ready: health::readyz().http_status() == 200,
        level: level().as_str(),
        by_hand: is_by_hand(),
        checks: checks.collect(),
        features: features.collect(),
        can_change: can_change(),
    })
}

pub(super) async fn configuration() -> Json<Vec<EffectiveValue>> {
    Json(effective())
}
