//! What must hold at the end, and what must have happened so that it proves anything.

use std::fmt;
use std::time::Instant;

use mmf::resilience::{BreakerState, CircuitBreaker, PolicySnapshot, Refusal, policy};

use crate::functions::{
    BREAKER, BROKEN, BULKHEAD, BULKHEADS, DIRECT, HEDGED, KEYED, LEARNED, LIMITED,
    LONGEST_RECOVERY, MAX_KEYS, PIPELINE, QUEUED, RATE_LIMITS, RETRIED, SLUGGISH, STALE, SUBJECTS,
    SUCCESS_THRESHOLD, VALUED,
};
use crate::sampler;
use crate::subject::{Error, Subject};
use crate::traps;
use crate::watched::Ended;

/// A claim, and what contradicts it.
pub(crate) struct Check {
    claim: &'static str,
    misses: Vec<String>,
}

impl Check {
    pub(crate) fn new(claim: &'static str, misses: impl IntoIterator<Item = String>) -> Self {
        Self { claim, misses: misses.into_iter().collect() }
    }

    pub(crate) fn holds(&self) -> bool {
        self.misses.is_empty()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        if self.holds() {
            return write!(f, "ok:     {}", self.claim);
        }
        let shown = &self.misses[..self.misses.len().min(SHOWN)];
        write!(f, "FAILED: {}: {}", self.claim, shown.join("; "))?;
        match self.misses.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What must have happened, else the rest proves little. May be asked while callers are calling.
pub(crate) fn proofs() -> Vec<Check> {
    let unsprung = traps::ALL.iter().filter(|trap| trap.sprung.get() == 0);
    let refusals: [(&Subject, Refusal); 11] = [
        (&RETRIED, Refusal::Deadline),
        (&BROKEN, Refusal::Timeout),
        (&BROKEN, Refusal::Breaker),
        (&SLUGGISH, Refusal::Breaker),
        (&KEYED, Refusal::Breaker),
        (&LIMITED, Refusal::RateLimit),
        (&QUEUED, Refusal::Bulkhead),
        (&DIRECT, Refusal::Timeout),
        (&DIRECT, Refusal::Breaker),
        (&DIRECT, Refusal::RateLimit),
        (&DIRECT, Refusal::Bulkhead),
    ];
    let never_refused = refusals.into_iter().filter(|(subject, refusal)| {
        subject.seen.refused(*refusal).is_none_or(|count| count.get() == 0)
    });
    let counted = |subject: &Subject| subject.snapshot().unwrap_or_default();
    let breakers = [&PIPELINE, &BROKEN, &SLUGGISH].map(|subject| {
        (subject.name, counted(subject).breaker.map_or(0, |breaker| breaker.opened))
    });
    let breakers = breakers.into_iter().chain([(DIRECT.name, BREAKER.snapshot().opened)]);
    let happened = [
        ("retries of soak.pipeline", counted(&PIPELINE).retries),
        ("retries of soak.retried", counted(&RETRIED).retries),
        ("hedges of soak.pipeline", counted(&PIPELINE).hedges),
        ("hedges of soak.hedged", counted(&HEDGED).hedges),
        ("hedges of soak.learned", counted(&LEARNED).hedges),
        ("fallbacks of soak.pipeline", counted(&PIPELINE).fallbacks),
        ("fallbacks of soak.stale", counted(&STALE).fallbacks),
        ("fallbacks of soak.valued", counted(&VALUED).fallbacks),
    ];
    let uncancelled = SUBJECTS.into_iter().filter(|subject| subject.seen.cancelled.get() == 0);
    vec![
        Check::new("each kind of panic happened", unsprung.map(|trap| trap.name.to_owned())),
        Check::new(
            "each policy refused",
            never_refused.map(|(subject, refusal)| format!("{}: {refusal:?}", subject.name)),
        ),
        // From closed to open twice: it was closed in between.
        Check::new(
            "breakers opened, closed and opened again",
            breakers
                .filter(|(_, opened)| *opened < 2)
                .map(|(name, opened)| format!("{name} opened {opened} times")),
        ),
        Check::new(
            "calls were retried and hedged, and fallbacks answered",
            happened
                .into_iter()
                .filter(|(_, count)| *count == 0)
                .map(|(what, _)| format!("no {what}")),
        ),
        Check::new(
            "calls of each function were cancelled",
            uncancelled.map(|subject| subject.name.to_owned()),
        ),
    ]
}

/// Whether nothing holds a trial or a permit: everything works once the dependency does.
pub(crate) async fn healed() -> Vec<Check> {
    // A trial that somebody held would have hung by then, and the next call be refused.
    tokio::time::sleep(LONGEST_RECOVERY * 5 / 2).await;
    let mut unclosed = Vec::new();
    for subject in SUBJECTS {
        let Some(policy) = policy(subject.name) else { continue };
        if let Some(breaker) = policy.breaker() {
            unclosed.extend(close(subject.name, breaker).await.err());
        }
        if let Some(keyed) = policy.keyed_breakers() {
            for (key, breaker) in keyed.breakers() {
                unclosed.extend(close(&key, &breaker).await.err());
            }
        }
    }
    unclosed.extend(close(DIRECT.name, &BREAKER).await.err());
    let mut failed = Vec::new();
    for subject in SUBJECTS {
        let ended = subject.watch(1).await;
        if ended != Ended::Well {
            failed.push(format!("{}: {ended:?}", subject.name));
        }
    }
    vec![
        Check::new("no trial is held: good calls close each breaker", unclosed),
        Check::new("a plain call goes through each function", failed),
    ]
}

/// Good calls go through a closed breaker, and close one that asks for trials, by itself or because it is
/// told to.
async fn close(name: &str, breaker: &CircuitBreaker) -> Result<(), String> {
    let good_calls = async |calls: u32| {
        for _ in 0..calls {
            let good = breaker.call(async { Ok::<(), Error>(()) }).await;
            good.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok::<(), String>(())
    };
    let is_closed = || match breaker.state() {
        BreakerState::Closed => Ok(()),
        state => Err(format!("{name}: {state} after good calls")),
    };
    if is_closed().is_ok() {
        // No more: by the rate of what came before, it may open.
        good_calls(1).await?;
    } else {
        good_calls(SUCCESS_THRESHOLD).await?;
        is_closed()?;
    }
    breaker.force_half_open();
    good_calls(SUCCESS_THRESHOLD).await?;
    is_closed()?;
    good_calls(1).await?;
    is_closed()
}

/// What must add up, when nothing runs any more.
pub(crate) fn sums(began: Instant, early_memory: Option<u64>) -> Vec<Check> {
    vec![
        Check::new("every permit is back", permits_out()),
        Check::new(
            "no body runs any more",
            misses(SUBJECTS, |subject| differ(subject, 0, subject.running.get())),
        ),
        of_policies("calls = successes + failures", |subject, counted| {
            differ(subject, counted.calls, counted.successes + counted.failures)
        }),
        of_policies("successes are those the callers saw", |subject, counted| {
            differ(subject, counted.successes, subject.seen.ok.get())
        }),
        of_policies("failures are those the callers saw, panics included", |subject, counted| {
            let seen = &subject.seen;
            differ(subject, counted.failures, seen.failed.get() + seen.panicked.get())
        }),
        of_policies("cancelled calls are those the callers dropped", |subject, counted| {
            differ(subject, counted.cancelled, subject.seen.cancelled.get())
        }),
        of_policies("the bodies ran as often as attempts say", |subject, counted| {
            differ(subject, counted.attempts, subject.runs.get())
        }),
        Check::new(
            "no bulkhead let more bodies run at once than it says",
            misses(BULKHEADS, |(subject, most)| {
                let were = subject.most_running.get();
                (were > most).then(|| format!("{}: {were} at once", subject.name))
            }),
        ),
        Check::new(
            "no rate limit admitted more than its burst and its rate",
            misses(RATE_LIMITS, |limit| over_the_limit(limit, began)),
        ),
        Check::new("no more breakers by key than `max_keys`", too_many_keys()),
        Check::new("each planned panic reached one caller, and there was no other", lost_panics()),
        Check::new("memory has not grown since the first quarter", grown(early_memory)),
    ]
}

fn misses<T>(
    all: impl IntoIterator<Item = T>,
    miss: impl Fn(T) -> Option<String>,
) -> impl Iterator<Item = String> {
    all.into_iter().filter_map(miss)
}

/// A claim about each annotated function and what it counted.
fn of_policies(
    claim: &'static str,
    miss: impl Fn(&Subject, &PolicySnapshot) -> Option<String>,
) -> Check {
    Check::new(claim, misses(SUBJECTS, |subject| miss(subject, &subject.snapshot()?)))
}

fn differ(subject: &Subject, counted: u64, really: u64) -> Option<String> {
    (counted != really).then(|| format!("{}: {counted}, really {really}", subject.name))
}

fn permits_out() -> Vec<String> {
    let loads = SUBJECTS.into_iter().filter_map(|subject| {
        let load = subject.snapshot()?.bulkhead?;
        Some((subject.name, load.running, load.queued))
    });
    loads
        .chain([(DIRECT.name, BULKHEAD.running(), BULKHEAD.queued())])
        .filter(|(_, running, queued)| *running > 0 || *queued > 0)
        .map(|(name, running, queued)| format!("{name}: {running} running, {queued} queued"))
        .collect()
}

fn over_the_limit((subject, burst, rate): (&Subject, u32, u32), began: Instant) -> Option<String> {
    // The limiter counts ticks of the processor, the test asks the system: of so much more than the rate.
    const CLOCKS_APART: f64 = 1e-4;
    // Of the copies of a hedge the first alone asked the limiter.
    let hedges = subject.snapshot().map_or(0, |counted| counted.hedges);
    let admitted = subject.runs.get().saturating_sub(hedges);
    let filled = began.elapsed().as_secs_f64() * f64::from(rate) * (1.0 + CLOCKS_APART);
    let most = f64::from(burst) + filled + 1.0;
    (admitted as f64 > most).then(|| format!("{}: {admitted}, at most {most:.0}", subject.name))
}

fn too_many_keys() -> Option<String> {
    let keys = policy(KEYED.name)?.keyed_breakers()?.len();
    (keys > MAX_KEYS).then(|| format!("{keys} keys"))
}

fn lost_panics() -> Option<String> {
    let planned: u64 = traps::ALL.iter().map(|trap| trap.sprung.get()).sum();
    let caught: u64 = SUBJECTS.iter().map(|subject| subject.seen.panicked.get()).sum();
    let (told, unplanned) = (traps::TOLD.get(), traps::UNPLANNED.get());
    let all_is_well = planned == told && planned == caught && unplanned == 0;
    (!all_is_well).then(|| {
        format!("{planned} planned, {told} told, {caught} caught, {unplanned} of them not planned")
    })
}

fn grown(early: Option<u64>) -> Option<String> {
    const SPARE: u64 = 16 * 1024;
    let (early, late) = early.zip(sampler::resident())?;
    (late > early + early / 2 + SPARE).then(|| format!("from {early} KiB to {late} KiB"))
}
