//! What is read, as JSON.

use axum::Json;
use http::StatusCode;
use mmf_runtime::resilience::policy;
use serde::{Deserialize, Serialize};

use super::given::{Asked, Named};
use super::health::Health;
use super::recorder::{self, Recorded};
use super::view::{self, Details, List};
use crate::axum::Problem;
use crate::config::{EffectiveValue, applied, effective};

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

pub(super) async fn details(Named(name): Named<String>) -> Result<Json<Details>, Problem> {
    policy(&name).map(|policy| Json(view::details(&policy))).ok_or_else(|| unknown(&name))
}

pub(super) fn unknown(name: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND).detail(format!("no policy is called {name:?}"))
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    after: Option<u64>,
    policy: Option<String>,
    #[serde(default = "most")]
    most: usize,
}

/// The oldest first: the last ones, or those that come right after a number, so that nobody who asks again and again misses one.
pub(super) async fn events(Asked(since): Asked<Since>) -> Json<Vec<Recorded>> {
    let Since { after, policy, most } = since;
    let (of, most): (Vec<_>, _) = (policy.as_deref().into_iter().collect(), most.min(1000));
    Json(match after {
        Some(number) => recorder::after(number, &of, most),
        None => recorder::last(&of, most),
    })
}

pub(super) async fn health() -> Json<Health> {
    Json(Health::now())
}

/// The configuration that was loaded or applied last, and every value that is in force.
#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    /// A file, or `text`; none where nothing was.
    source: Option<String>,
    text: String,
    values: Vec<EffectiveValue>,
}

pub(super) async fn configuration() -> Json<Configuration> {
    let (source, text) = applied().unzip();
    let text = text.map_or_else(String::new, |text| text.to_string());
    Json(Configuration { source, text, values: effective() })
}
