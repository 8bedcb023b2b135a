//! The bytes of one direction, through its toxics.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::toxic::{Direction, Entry, Toxic};
use crate::chaos::dice::Dice;

/// How a direction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The source has no more; the other direction may go on.
    Source,
    /// The connection is closed.
    Closed,
    /// The connection is reset.
    Reset,
}

/// So much is read at once.
const CHUNK: usize = 64 * 1024;
/// So much may wait for its time.
const WAITING: usize = 4 << 20;

pub(super) struct Pump<'s> {
    shared: &'s Shared,
    direction: Direction,
    connection: u64,
    made: Instant,
    toxics: watch::Receiver<Arc<Vec<Entry>>>,
    dice: Dice,
    /// Pieces with the time at which each may pass.
    waiting: VecDeque<(Instant, Vec<u8>)>,
    waiting_bytes: usize,
    /// When the next piece may pass, by its rate and by its order.
    next: Instant,
    passed: u64,
}

/// What the toxics of this direction come to.
#[derive(Default)]
struct Effects {
    latency: Duration,
    jitter: Duration,
    rate: Option<u64>,
    slices: Option<(usize, usize, Duration)>,
    slow_close: Duration,
    limit: Option<u64>,
    /// Nothing passes; closed then, where that is set.
    stopped: Option<Option<Instant>>,
    reset_at: Option<Instant>,
}

impl Effects {
    /// Whether bytes pass as they come.
    fn is_free(&self) -> bool {
        self.latency.is_zero()
            && self.jitter.is_zero()
            && self.rate.is_none()
            && self.slices.is_none()
    }

    /// When the connection ends by itself, and how.
    fn end(&self) -> Option<(Instant, End)> {
        let closed = self.stopped.flatten().map(|at| (at, End::Closed));
        let reset = self.reset_at.map(|at| (at, End::Reset));
        closed.into_iter().chain(reset).min_by_key(|(at, _)| *at)
    }
}

impl<'s> Pump<'s> {
    pub(super) fn new(
        shared: &'s Shared,
        direction: Direction,
        connection: u64,
        made: Instant,
    ) -> Self {
        Self {
            shared,
            direction,
            connection,
            made,
            toxics: shared.toxics.subscribe(),
            dice: Dice::new(shared.seed, direction as u64, connection),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            next: made,
            passed: 0,
        }
    }

    /// Carries bytes until an end.
    pub(super) async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let mut chunk = vec![0; CHUNK];
        let mut is_over = false;
        loop {
            let effects = self.effects();
            let due = self.waiting.front().map(|(due, _)| *due);
            let end = effects.end();
            let may_read = !is_over && effects.stopped.is_none() && self.waiting_bytes < WAITING;
            let may_write = due.is_some() && effects.stopped.is_none();
            if is_over && self.waiting.is_empty() && effects.stopped.is_none() {
                sleep(effects.slow_close).await;
                let _ = to.shutdown().await;
                return End::Source;
            }
            tokio::select! {
                biased;
                changed = self.toxics.changed() => {
                    if changed.is_err() {
                        return End::Closed;
                    }
                }
                () = at(end.map(|(at, _)| at)) => return end.map_or(End::Closed, |(_, end)| end),
                () = at(due), if may_write => {
                    let Some((_, piece)) = self.waiting.pop_front() else { continue };
                    self.waiting_bytes -= piece.len();
                    if let Some(end) = self.pass(&piece, &effects, &mut to).await {
                        return end;
                    }
                }
                read = from.read(&mut chunk), if may_read => match read {
                    Ok(0) => is_over = true,
                    Ok(bytes) if effects.is_free() && self.waiting.is_empty() => {
                        if let Some(end) = self.pass(&chunk[..bytes], &effects, &mut to).await {
                            return end;
                        }
                    }
                    Ok(bytes) => self.hold(&chunk[..bytes], &effects),
                    // A reset is passed on as one.
                    Err(_) => return End::Reset,
                },
            }
        }
    }

    fn effects(&mut self) -> Effects {
        let toxics = Arc::clone(&self.toxics.borrow_and_update());
        let mut effects = Effects::default();
        for entry in toxics.iter().filter(|entry| entry.direction == self.direction) {
            if !entry.concerns(self.shared.seed, self.connection) {
                continue;
            }
            let since = self.made.max(entry.added);
            match entry.toxic {
                Toxic::Latency { latency, jitter } => {
                    effects.latency += latency;
                    effects.jitter += jitter;
                }
                Toxic::Bandwidth { rate } => {
                    effects.rate = Some(effects.rate.map_or(rate, |other| other.min(rate)));
                }
                Toxic::SlowClose { delay } => effects.slow_close += delay,
                Toxic::Timeout { after } => {
                    effects.stopped = Some(after.map(|after| since + after));
                }
                Toxic::ResetPeer { after } => effects.reset_at = Some(since + after),
                Toxic::Slicer { average_size, size_variation, delay } => {
                    effects.slices = Some((average_size, size_variation, delay));
                }
                Toxic::LimitData { bytes } => {
                    effects.limit = Some(effects.limit.map_or(bytes, |other| other.min(bytes)));
                }
            }
        }
        effects
    }

    /// Cuts bytes into pieces and gives each its time.
    fn hold(&mut self, mut bytes: &[u8], effects: &Effects) {
        let now = Instant::now();
        let jitter = effects.jitter.mul_f64(self.dice.unit() * 2.0);
        let latency = (effects.latency + jitter).saturating_sub(effects.jitter);
        self.next = self.next.max(now + latency);
        while !bytes.is_empty() {
            let mut size = bytes.len();
            if let Some(rate) = effects.rate {
                // A tenth of a second at once, so that a slow line is slow and not halting.
                size = size.min(usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1));
            }
            if let Some((average, variation, delay)) = effects.slices {
                let varied = (self.dice.unit() * 2.0 - 1.0) * variation as f64;
                size = size.min((average as f64 + varied).max(1.0) as usize);
                self.next += delay;
            }
            let (piece, rest) = bytes.split_at(size);
            if let Some(rate) = effects.rate {
                self.next += Duration::from_secs_f64(size as f64 / rate.max(1) as f64);
            }
            self.waiting.push_back((self.next, piece.to_vec()));
            self.waiting_bytes += size;
            bytes = rest;
        }
    }

    /// Writes bytes, up to the limit of the connection; its end, where that is it.
    async fn pass(
        &mut self,
        bytes: &[u8],
        effects: &Effects,
        to: &mut WriteHalf<'_>,
    ) -> Option<End> {
        let left = effects.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.passed));
        let allowed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        {
            let mut write = std::pin::pin!(to.write_all(&bytes[..allowed]));
            // Whoever does not read must not keep the connection from its end.
            loop {
                let end = self.effects().end();
                tokio::select! {
                    biased;
                    written = &mut write => match written {
                        Ok(()) => break,
                        Err(_) => return Some(End::Reset),
                    },
                    changed = self.toxics.changed() => {
                        if changed.is_err() {
                            return Some(End::Closed);
                        }
                    }
                    () = at(end.map(|(at, _)| at)) => return end.map(|(_, end)| end),
                }
            }
        }
        self.passed += allowed as u64;
        self.counter().fetch_add(allowed as u64, Ordering::Relaxed);
        (allowed as u64 == left).then_some(End::Closed)
    }

    fn counter(&self) -> &AtomicU64 {
        match self.direction {
            Direction::Upstream => &self.shared.counts.upstream,
            Direction::Downstream => &self.shared.counts.downstream,
        }
    }
}

/// Waits until then; for ever, where there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        // A timer would be one turn late.
        Some(time) if time <= Instant::now() => {}
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
