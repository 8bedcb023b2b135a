//! Where results come from, in a line.

use crate::testing::results::Provenance;
use crate::testing::text::text_of_ms;

/// `run of cargo mmf test, commit 1a2b3c4, on build-7, 2026-11-29 10:00:00 UTC, 12.5s`
pub(super) fn provenance_line(provenance: &Provenance) -> String {
    let Provenance { command, commit, host, started_ms, duration_ms, .. } = provenance;
    let mut parts = vec![command.clone()];
    parts.extend(commit.as_ref().map(|commit| format!("commit {commit}")));
    parts.extend(host.as_ref().map(|host| format!("on {host}")));
    parts.push(utc(*started_ms));
    parts.push(match duration_ms {
        Some(taken) => text_of_ms(*taken as f64),
        None => "not ended".into(),
    });
    parts.join(", ")
}

/// `2026-11-29 10:00:00 UTC`
fn utc(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let (date, (hour, minute, second)) = (at.date(), at.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}
