//! What Kubernetes asks: whether the process lives, is ready, has started.

use std::time::SystemTime;

use mmf_runtime::degradation::{self, DegradationLevel};
use mmf_runtime::resilience::{BreakerState, policies};
use mmf_runtime::service;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::check::Importance;
use super::registry::{CheckReport, checks};

/// The answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeStatus {
    /// All is well: 200.
    Pass,
    /// It serves, and something is missing: 200.
    Warn,
    /// It does not serve: 503.
    Fail,
}

/// The answer to a probe, with its body.
///
/// ```standalone_crate
/// use mmf::health::{ProbeStatus, livez, readyz};
///
/// assert_eq!((livez().status, livez().http_status()), (ProbeStatus::Pass, 200));
/// assert!(readyz().body.starts_with("{"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// What it says.
    pub status: ProbeStatus,
    /// It as `application/health+json`
    /// ([draft](https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check)). Texts of errors, which may tell secrets,
    /// are not in it.
    pub body: String,
}

impl Probe {
    /// The type of the body.
    pub const CONTENT_TYPE: &str = "application/health+json";

    /// The status of its answer.
    pub fn http_status(&self) -> u16 {
        match self.status {
            ProbeStatus::Pass | ProbeStatus::Warn => 200,
            ProbeStatus::Fail => 503,
        }
    }

    fn new(status: ProbeStatus, notes: &[String], checks: &[CheckReport]) -> Self {
        let mut body = Map::from_iter([("status".to_owned(), json!(status))]);
        if !notes.is_empty() {
            body.insert("notes".to_owned(), json!(notes));
        }
        if !checks.is_empty() {
            let checks: Map<_, _> =
                checks.iter().map(|check| (check.name.clone(), json!([of_check(check)]))).collect();
            body.insert("checks".to_owned(), Value::Object(checks));
        }
        Self { status, body: Value::Object(body).to_string() }
    }
}

fn of_check(check: &CheckReport) -> Value {
    let status = match (check.is_up, check.importance) {
        (Some(true), _) => ProbeStatus::Pass,
        (_, Importance::Critical) => ProbeStatus::Fail,
        _ => ProbeStatus::Warn,
    };
    let mut told = json!({ "status": status, "importance": check.importance.as_str() });
    if let Some(last) = &check.last {
        told["time"] = json!(written(last.at));
        told["observedValue"] = json!(last.took.as_secs_f64() * 1000.0);
        told["observedUnit"] = json!("ms");
    }
    if let Some(age) = check.age {
        told["ageSeconds"] = json!(age.as_secs_f64());
    }
    told
}

fn written(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).format(&Rfc3339).ok()
}

/// Whether the process lives. It asks nothing of anybody: where it answers, it does.
pub fn livez() -> Probe {
    Probe::new(ProbeStatus::Pass, &[], &[])
}

/// Whether the service takes requests: it fails while a critical check is down, or has no result yet, until
/// [`Service::ready`](crate::Service::ready) was called where there is a service, and from SIGTERM on. It warns
/// where another check is down, a breaker is open, or the degradation level is above none.
pub fn readyz() -> Probe {
    let checks = checks();
    let down = |importance| {
        checks
            .iter()
            .filter(move |check| check.importance == importance && check.is_up != Some(true))
    };
    let mut notes = Vec::new();
    if service::is_shutting_down() {
        notes.push("shutting down".to_owned());
    } else if service::is_starting() {
        notes.push("starting".to_owned());
    }
    notes.extend(down(Importance::Critical).map(|check| format!("{} is down", check.name)));
    let mut status = if notes.is_empty() { ProbeStatus::Pass } else { ProbeStatus::Fail };
    let mut missing: Vec<_> =
        down(Importance::Degrading).map(|check| format!("{} is down", check.name)).collect();
    let open = policies()
        .iter()
        .filter_map(|policy| policy.try_snapshot()?.breaker)
        .filter(|breaker| matches!(breaker.state, BreakerState::Open | BreakerState::ForcedOpen))
        .count();
    if open > 0 {
        missing.push(format!("breakers open: {open}"));
    }
    let level = degradation::level();
    if level > DegradationLevel::None {
        missing.push(format!("degradation level: {level}"));
    }
    if status == ProbeStatus::Pass && !missing.is_empty() {
        status = ProbeStatus::Warn;
    }
    notes.append(&mut missing);
    Probe::new(status, &notes, &checks)
}

/// Whether the service has started: once every critical check was up.
pub fn startupz() -> Probe {
    let checks: Vec<_> =
        checks().into_iter().filter(|check| check.importance == Importance::Critical).collect();
    let waiting: Vec<_> = checks
        .iter()
        .filter(|check| !check.was_up)
        .map(|check| format!("{} was never up", check.name))
        .collect();
    let status = if waiting.is_empty() { ProbeStatus::Pass } else { ProbeStatus::Fail };
    Probe::new(status, &waiting, &checks)
}
