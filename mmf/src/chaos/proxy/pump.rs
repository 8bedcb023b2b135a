//! The bytes of one direction, through its toxics.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::shared::Shared;
use super::toxic::{Direction, Entry, Toxic};
use mmf_runtime::chaos::dice::{Dice, share_of};
use mmf_runtime::clock::later;

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
/// So much memory may be taken by what waits for its time.
const WAITING: usize = 4 << 20;

pub(super) struct Pump<'s> {
    shared: &'s Shared,
    direction: Direction,
    connection: u64,
    made: Instant,
    toxics: watch::Receiver<Arc<Vec<Entry>>>,
    /// One draw for each chunk, and one for each piece, whatever toxics there are and whenever they change.
    jitters: Dice,
    slices: Dice,
    /// That of the next piece.
    slice: f64,
    /// What waits for its time, in the order and in the chunks in which it came.
    waiting: VecDeque<Chunk>,
    /// The memory that it takes.
    held: usize,
    /// When the last piece was due: the next is due after it.
    last: Instant,
    passed: u64,
}

/// Bytes as they were read. When they pass, and in which pieces, is found out for the next piece alone: toxics
/// that change meanwhile hold for all that waits.
struct Chunk {
    bytes: Vec<u8>,
    /// Of them, those that have passed.
    passed: usize,
    came: Instant,
    /// Its draw, 0 to 1.
    jitter: f64,
}

impl Chunk {
    /// The memory that it takes, which for a few bytes is more than those. The queue may have twice the room that
    /// it uses.
    fn size(&self) -> usize {
        self.bytes.capacity() + 2 * size_of::<Self>()
    }
}

/// What passes next: so many bytes of the first chunk, and when.
#[derive(Clone, Copy)]
struct Piece {
    size: usize,
    due: Instant,
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
        let dice = |stream| Dice::new(shared.seed, stream, connection);
        let mut slices = dice(2 + direction as u64);
        Self {
            shared,
            direction,
            connection,
            made,
            toxics: shared.toxics.subscribe(),
            jitters: dice(direction as u64),
            slice: slices.unit(),
            slices,
            waiting: VecDeque::new(),
            held: 0,
            last: made,
            passed: 0,
        }
    }

    /// Carries bytes until an end.
    pub(super) async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let mut buffer = vec![0; CHUNK];
        let mut is_over = false;
        // Since when nothing but the end is left to pass on.
        let mut emptied: Option<Instant> = None;
        loop {
            let effects = self.effects();
            let is_stopped = effects.stopped.is_some();
            let end = effects.end();
            let piece = self.next(&effects).filter(|_| !is_stopped);
            if is_over && self.waiting.is_empty() {
                emptied = emptied.or_else(|| Some(Instant::now()));
            }
            let close = emptied.filter(|_| !is_stopped);
            let close = close.map(|since| later(since, effects.slow_close));
            let may_read = !is_over && !is_stopped && self.held < WAITING;
            tokio::select! {
                biased;
                changed = self.toxics.changed() => {
                    if changed.is_err() {
                        return End::Closed;
                    }
                }
                () = at(end.map(|(at, _)| at)) => return end.map_or(End::Closed, |(_, end)| end),
                () = at(piece.map(|piece| piece.due)) => {
                    let Some(piece) = piece else { continue };
                    if let Some(end) = self.pass_on(piece, &effects, &mut to).await {
                        return end;
                    }
                }
                () = at(close) => {
                    // Whoever does not take it has closed already.
                    let _ = to.shutdown().await;
                    return End::Source;
                }
                read = from.read(&mut buffer), if may_read => match read {
                    Ok(0) => is_over = true,
                    Ok(bytes) if effects.is_free() && self.waiting.is_empty() => {
                        if let Some(end) = self.pass(&buffer[..bytes], &effects, &mut to).await {
                            return end;
                        }
                    }
                    Ok(bytes) => self.hold(&buffer[..bytes]),
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
                    effects.latency = effects.latency.saturating_add(latency);
                    effects.jitter = effects.jitter.saturating_add(jitter);
                }
                Toxic::Bandwidth { rate } => {
                    effects.rate = Some(effects.rate.map_or(rate, |other| other.min(rate)));
                }
                Toxic::SlowClose { delay } => {
                    effects.slow_close = effects.slow_close.saturating_add(delay);
                }
                Toxic::Timeout { after } => {
                    effects.stopped = Some(after.map(|after| later(since, after)));
                }
                Toxic::ResetPeer { after } => effects.reset_at = Some(later(since, after)),
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

    /// Keeps bytes until their time.
    fn hold(&mut self, bytes: &[u8]) {
        let jitter = self.jitters.unit();
        let chunk = Chunk { bytes: bytes.to_vec(), passed: 0, came: Instant::now(), jitter };
        self.held += chunk.size();
        self.waiting.push_back(chunk);
    }

    /// The next piece of what waits, by the toxics there are now.
    fn next(&self, effects: &Effects) -> Option<Piece> {
        let chunk = self.waiting.front()?;
        let mut size = chunk.bytes.len() - chunk.passed;
        let jitter = share_of(effects.jitter, chunk.jitter).saturating_mul(2);
        let latency = effects.latency.saturating_add(jitter).saturating_sub(effects.jitter);
        let mut due = self.last.max(later(chunk.came, latency));
        if let Some(rate) = effects.rate {
            // A tenth of a second at once, so that a slow line is slow and not halting.
            size = size.min(usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1));
        }
        if let Some((average, variation, delay)) = effects.slices {
            let varied = (self.slice * 2.0 - 1.0) * variation as f64;
            size = size.min((average as f64 + varied).max(1.0) as usize);
            due = later(due, delay);
        }
        if let Some(rate) = effects.rate {
            due = later(due, Duration::from_secs_f64(size as f64 / rate.max(1) as f64));
        }
        Some(Piece { size, due })
    }

    /// Writes a piece of the first chunk, which is given up once all of it has passed.
    async fn pass_on(
        &mut self,
        piece: Piece,
        effects: &Effects,
        to: &mut WriteHalf<'_>,
    ) -> Option<End> {
        let mut chunk = self.waiting.pop_front()?;
        let end = chunk.passed + piece.size;
        let ended = self.pass(&chunk.bytes[chunk.passed..end], effects, to).await;
        chunk.passed = end;
        if end < chunk.bytes.len() {
            self.waiting.push_front(chunk);
        } else {
            self.held -= chunk.size();
        }
        self.last = piece.due;
        self.slice = self.slices.unit();
        ended
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
