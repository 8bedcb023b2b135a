//! What can be done to the bytes of a connection.

use std::time::Duration;

use mmf_runtime::chaos::dice::{Dice, stream};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

/// What is done to the bytes of one direction, or to the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Toxic {
    /// Every byte is late.
    Latency {
        /// By so much,
        latency: Duration,
        /// more or less so much.
        jitter: Duration,
    },
    /// Bytes pass at a limited rate.
    Bandwidth {
        /// In bytes a second.
        rate: u64,
    },
    /// The end of the connection is passed on late.
    SlowClose {
        /// By so much.
        delay: Duration,
    },
    /// Nothing passes any more. With an end, the connection is closed then; without, it stays half-open until
    /// the toxic is removed.
    Timeout {
        /// When the connection is closed.
        after: Option<Duration>,
    },
    /// The connection is reset, with what was on its way lost.
    ResetPeer {
        /// So long after it was made, or after the toxic was added.
        after: Duration,
    },
    /// Bytes come in small pieces.
    Slicer {
        /// How large a piece is,
        average_size: usize,
        /// more or less so much.
        size_variation: usize,
        /// How long it takes from one to the next.
        delay: Duration,
    },
    /// The connection is closed after so many bytes of this direction.
    LimitData {
        /// So many.
        bytes: u64,
    },
}

impl Toxic {
    /// Every byte is late by so much.
    pub fn latency(latency: Duration) -> Self {
        Self::Latency { latency, jitter: Duration::ZERO }
    }

    /// Every byte is late by so much, more or less the jitter.
    pub fn latency_with_jitter(latency: Duration, jitter: Duration) -> Self {
        Self::Latency { latency, jitter }
    }

    /// So many bytes a second.
    pub fn bandwidth(rate: u64) -> Self {
        Self::Bandwidth { rate }
    }

    /// The end comes late.
    pub fn slow_close(delay: Duration) -> Self {
        Self::SlowClose { delay }
    }

    /// Nothing passes, and the connection is closed after a while.
    pub fn timeout(after: Duration) -> Self {
        Self::Timeout { after: Some(after) }
    }

    /// Nothing passes, and the connection stays as it is.
    pub fn half_open() -> Self {
        Self::Timeout { after: None }
    }

    /// The connection is reset after a while.
    pub fn reset_peer(after: Duration) -> Self {
        Self::ResetPeer { after }
    }

    /// Pieces of about this size, one every so often.
    pub fn slicer(average_size: usize, size_variation: usize, delay: Duration) -> Self {
        Self::Slicer { average_size, size_variation, delay }
    }

    /// The connection is closed after so many bytes.
    pub fn limit_data(bytes: u64) -> Self {
        Self::LimitData { bytes }
    }
}

/// A toxic by its name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) direction: Direction,
    pub(super) toxic: Toxic,
    toxicity: f64,
    pub(super) added: tokio::time::Instant,
}

impl Entry {
    pub(super) fn new(name: String, direction: Direction, toxic: Toxic, toxicity: f64) -> Self {
        Self { name, direction, toxic, toxicity, added: tokio::time::Instant::now() }
    }

    /// Whether it concerns this connection.
    pub(super) fn concerns(&self, seed: u64, connection: u64) -> bool {
        self.toxicity >= 1.0
            || Dice::new(seed, stream(&self.name), connection).unit() < self.toxicity
    }
}
