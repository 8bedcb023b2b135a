//! Repeats: what one place in the code says of one policy again and again is written in full ten times a second;
//! the rest of that second is one line, with how many more there were and the last of them.
//!
//! A refused call is a warning, and an open breaker refuses as fast as it is asked: in full, a log would say one
//! thing hundreds of thousands of times, and nobody would find another in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::config::LoggingConfig;
use super::line::{Heading, Parts};
use super::template::Style;

/// So many of them are written in full.
const IN_FULL: u32 = 10;
/// In so long.
const SECOND: Duration = Duration::from_secs(1);
/// So many places and policies are told apart; what comes beyond them is written in full.
const MOST: usize = 1024;
const SHARDS: usize = 16;

/// What repeats itself.
#[derive(Debug)]
pub(super) struct Gathering {
    /// The user's own events and operations as well.
    all: bool,
    heading: Heading,
    /// What stands before the number of repeats in a line.
    repeated: Box<str>,
    hashes: RandomState,
    /// Times are told in nanoseconds from here.
    epoch: Instant,
    /// When the next line is due; `u64::MAX` where none is.
    due: AtomicU64,
    process: AtomicU32,
    /// Under their locks: maps by hashes, and texts that are swapped. Values were rendered before.
    shards: [Mutex<HashMap<u64, Repeats>>; SHARDS],
}

/// Of one place and policy.
#[derive(Debug)]
struct Repeats {
    /// When its second began.
    since: u64,
    /// How many were written in full since then.
    shown: u32,
    /// Those that no line tells of yet.
    more: Option<More>,
}

/// So many more, of which a line tells the last.
#[derive(Debug)]
struct More {
    count: u64,
    /// When a line has to tell of them, whatever came since.
    due: u64,
    at: SystemTime,
    metadata: &'static Metadata<'static>,
    target: String,
    message: String,
    fields: String,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is written.
    Shown,
    /// It is one of many.
    Gathered,
    /// The same, and the first of them: whoever writes has to wake when the second is over.
    First,
}

impl Gathering {
    pub(super) fn new(config: &LoggingConfig) -> Self {
        Self {
            all: config.gather_repeats,
            heading: Heading::new(config),
            repeated: Style::new(config).prefix("repeated"),
            hashes: RandomState::new(),
            epoch: Instant::now(),
            due: AtomicU64::new(u64::MAX),
            process: AtomicU32::new(process::id()),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// This process goes on with it after a fork.
    pub(super) fn goes_on_in(&self, process: u32) {
        self.process.store(process, Ordering::Relaxed);
    }

    /// Tells the events of a place and policy from others, where they are gathered at all.
    pub(super) fn id(&self, event: &Event<'_>) -> Option<u64> {
        let metadata = event.metadata();
        let target = metadata.target();
        // What a service says of itself and of its requests is the user's.
        let is_own = target.starts_with("mmf::") && target != "mmf::service";
        (is_own || self.all).then(|| {
            let mut named = Named::default();
            event.record(&mut named);
            self.hashes.hash_one((std::ptr::from_ref(metadata) as usize, named))
        })
    }

    /// Takes an event that was rendered, or leaves it to be written.
    pub(super) fn take(
        &self,
        id: u64,
        now: Instant,
        (metadata, target, message, fields): (&'static Metadata<'static>, &str, &str, &str),
    ) -> Fate {
        let Some(mut shard) = self.shard(id) else { return Fate::Shown };
        let now = self.nanos(now);
        let is_full = shard.len() >= MOST / SHARDS;
        if is_full && !shard.contains_key(&id) {
            shard.retain(|_, known| known.more.is_some() || !known.is_over(now));
        }
        let is_full = shard.len() >= MOST / SHARDS;
        let known = match shard.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => return Fate::Shown,
            Entry::Vacant(place) => place.insert(Repeats::new(now)),
        };
        if known.is_over(now) {
            (known.since, known.shown) = (now, 0);
        }
        if known.shown < IN_FULL {
            known.shown += 1;
            return Fate::Shown;
        }
        if let Some(more) = &mut known.more {
            more.add(metadata, target, message, fields);
            return Fate::Gathered;
        }
        let due = known.since.saturating_add(SECOND.as_nanos() as u64);
        known.more = Some(More::first(due, metadata, target, message, fields));
        // Relaxed: who waits for it looks again under a lock.
        self.due.fetch_min(due, Ordering::Relaxed);
        Fate::First
    }

    /// How long it is until a line is due; nothing where none is.
    pub(super) fn time_to_due(&self) -> Option<Duration> {
        match self.due.load(Ordering::Relaxed) {
            u64::MAX => None,
            due => Some(Duration::from_nanos(due.saturating_sub(self.nanos(Instant::now())))),
        }
    }

    /// Appends the lines that are due, or all that there are.
    pub(super) fn append(&self, now: Instant, all: bool, lines: &mut Vec<u8>) {
        let now = self.nanos(now);
        if !all && self.due.load(Ordering::Relaxed) > now {
            return;
        }
        // What comes from here on lowers it again, and so does what is not due yet.
        self.due.store(u64::MAX, Ordering::Relaxed);
        let mut ended = Vec::new();
        for number in 0..SHARDS {
            let Some(mut shard) = self.shard(number as u64) else {
                // Held by a thread that a fork has not, or by one that lets go of it soon.
                self.due.fetch_min(now.saturating_add(SECOND.as_nanos() as u64), Ordering::Relaxed);
                continue;
            };
            for known in shard.values_mut() {
                ended.extend(known.more.take_if(|more| all || more.due <= now));
                if let Some(more) = &known.more {
                    self.due.fetch_min(more.due, Ordering::Relaxed);
                }
            }
        }
        ended.sort_by_key(|more| more.at);
        let mut line = String::new();
        for more in &ended {
            line.clear();
            self.write(more, &mut line);
            lines.extend_from_slice(line.as_bytes());
        }
    }

    fn write(&self, more: &More, line: &mut String) {
        let parts = Parts {
            at: more.at,
            level: *more.metadata.level(),
            target: &more.target,
            // It is about many requests.
            trace: None,
            correlation_id: None,
            source: more.metadata.file().zip(more.metadata.line()),
            message: &more.message,
        };
        let fields = |line: &mut String| {
            line.push_str(&more.fields);
            line.push_str(&self.repeated);
            line.push_str(itoa::Buffer::new().format(more.count));
        };
        self.heading.write(&parts, fields, line);
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nothing where the lock was held by a thread that a fork has not.
    fn shard(&self, id: u64) -> Option<MutexGuard<'_, HashMap<u64, Repeats>>> {
        let shard = &self.shards[id as usize % SHARDS];
        match shard.try_lock() {
            Ok(shard) => Some(shard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // Relaxed: written by this process, or before the fork.
            Err(TryLockError::WouldBlock)
                if self.process.load(Ordering::Relaxed) != process::id() =>
            {
                // It may be another thread of this process, in which somebody lets go of it soon.
                std::thread::sleep(Duration::from_millis(1));
                shard.try_lock().ok()
            }
            Err(TryLockError::WouldBlock) => {
                Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl Repeats {
    fn new(now: u64) -> Self {
        Self { since: now, shown: 0, more: None }
    }

    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.since) >= SECOND.as_nanos() as u64
    }
}

impl More {
    fn first(
        due: u64,
        metadata: &'static Metadata<'static>,
        target: &str,
        message: &str,
        fields: &str,
    ) -> Self {
        let (target, message, fields) = (target.into(), message.into(), fields.into());
        Self { count: 1, due, at: SystemTime::now(), metadata, target, message, fields }
    }

    fn add(
        &mut self,
        metadata: &'static Metadata<'static>,
        target: &str,
        message: &str,
        fields: &str,
    ) {
        self.count += 1;
        (self.at, self.metadata) = (SystemTime::now(), metadata);
        for (kept, new) in
            [(&mut self.target, target), (&mut self.message, message), (&mut self.fields, fields)]
        {
            kept.clear();
            kept.push_str(new);
        }
    }
}

/// What an event is about: the policy, or the operation and the status that it ended with; and of a record of the
/// `log` crate, all of which have one place, where it stands.
#[derive(Default, Hash)]
struct Named(String, u64);

impl Named {
    fn tells(field: &Field) -> bool {
        matches!(field.name(), "policy" | "operation" | "grpc_status" | "log.target" | "log.file")
    }
}

impl Visit for Named {
    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::tells(field) {
            self.0.push_str(value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if matches!(field.name(), "log.line" | "status") {
            self.1 = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        if Self::tells(field) {
            // A value that fails to print has written what it could.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;
    use tracing::callsite::{Callsite, Identifier};
    use tracing::field::FieldSet;
    use tracing::subscriber::Interest;

    struct Place;
    static PLACE: Place = Place;
    static METADATA: Metadata<'static> = Metadata::new(
        "event",
        "mmf::resilience",
        Level::WARN,
        Some("policy.rs"),
        Some(7),
        None,
        FieldSet::new(&["policy"], Identifier(&PLACE)),
        tracing::metadata::Kind::EVENT,
    );

    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            &METADATA
        }
    }

    #[test]
    fn requests_that_end_with_other_statuses_are_others() {
        let fields = FieldSet::new(&["status", "duration_ms"], Identifier(&PLACE));
        let mut named = Named::default();
        named.record_u64(&fields.field("status").unwrap(), 503);
        named.record_u64(&fields.field("duration_ms").unwrap(), 7);
        assert_eq!(named.1, 503);
    }

    #[test]
    fn calls_that_end_with_other_grpc_statuses_are_others() {
        let fields = FieldSet::new(&["grpc_status", "component"], Identifier(&PLACE));
        let mut named = Named::default();
        named.record_str(&fields.field("grpc_status").unwrap(), "UNAVAILABLE");
        named.record_str(&fields.field("component").unwrap(), "users");
        assert_eq!(named.0, "UNAVAILABLE");
    }

    fn gathering() -> (Gathering, Instant) {
        let gathering = Gathering::new(&LoggingConfig::new("users"));
        let now = gathering.epoch;
        (gathering, now)
    }

    fn take(gathering: &Gathering, id: u64, now: Instant, error: u64) -> Fate {
        let fields = format!(",\"error\":{error}");
        gathering.take(id, now, (&METADATA, "mmf::resilience", "refused", &fields))
    }

    fn lines(gathering: &Gathering, now: Instant, all: bool) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        gathering.append(now, all, &mut lines);
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn ten_a_second_are_shown_and_the_rest_is_one_line() {
        let (gathering, now) = gathering();
        let fates: Vec<_> = (0..100).map(|error| take(&gathering, 1, now, error)).collect();
        assert_eq!(fates[9..12], [Fate::Shown, Fate::First, Fate::Gathered]);
        assert_eq!(fates.iter().filter(|fate| **fate == Fate::Shown).count(), 10);
        let almost = now + SECOND - Duration::from_nanos(1);
        assert!(lines(&gathering, almost, false).is_empty());
        assert!(gathering.time_to_due().is_some());
        let told = lines(&gathering, now + SECOND, false);
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0]["repeated"], &told[0]["error"]), (&90.into(), &99.into()));
        assert_eq!((&told[0]["message"], &told[0]["level"]), (&"refused".into(), &"WARN".into()));
        assert!(gathering.time_to_due().is_none());
        assert!(lines(&gathering, now + SECOND, true).is_empty());
    }

    #[test]
    fn each_second_begins_anew_and_a_flush_waits_for_none() {
        let (gathering, now) = gathering();
        (0..15).for_each(|error| _ = take(&gathering, 1, now, error));
        // The thread that writes was late.
        let fates: Vec<_> = (0..15).map(|error| take(&gathering, 1, now + SECOND, error)).collect();
        assert_eq!(fates[9..12], [Fate::Shown, Fate::Gathered, Fate::Gathered]);
        let told = lines(&gathering, now + SECOND, false);
        assert_eq!((told.len(), &told[0]["repeated"]), (1, &10.into()), "however fast more come");
        (0..15).for_each(|error| _ = take(&gathering, 1, now + SECOND, error));
        assert_eq!(lines(&gathering, now + SECOND, true).len(), 1);
    }

    #[test]
    fn what_is_not_due_yet_stays() {
        let (gathering, now) = gathering();
        (0..11).for_each(|error| _ = take(&gathering, 1, now, error));
        let later = now + SECOND / 2;
        (0..11).for_each(|error| _ = take(&gathering, 2, later, error));
        assert_eq!(lines(&gathering, now + SECOND, false).len(), 1);
        assert!(gathering.time_to_due().is_some());
        assert_eq!(lines(&gathering, later + SECOND, false).len(), 1);
    }

    #[test]
    fn the_table_has_an_end_and_room_for_what_comes_when_others_are_quiet() {
        let (gathering, now) = gathering();
        let places = 2 * MOST as u64;
        for place in 0..places {
            (0..11).for_each(|error| _ = take(&gathering, place, now, error));
        }
        assert_eq!(lines(&gathering, now, true).len(), MOST, "what is beyond them was shown");
        let later = now + SECOND;
        let fates: Vec<_> = (0..11).map(|error| take(&gathering, places, later, error)).collect();
        assert_eq!(fates[10], Fate::First);
    }
}
