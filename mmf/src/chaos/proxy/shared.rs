//! What a proxy and its connections share.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::toxic::Entry;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) upstream: Vec<SocketAddr>,
    /// Each of these three has a lock inside, under which its value is exchanged, copied or looked at.
    pub(super) toxics: watch::Sender<Arc<Vec<Entry>>>,
    pub(super) is_up: watch::Sender<bool>,
    /// What the port is by now.
    pub(super) was_up: watch::Sender<bool>,
    pub(super) counts: Counts,
    pub(super) seed: u64,
    /// Why the port could not be opened again. Under its lock it is put there or taken.
    pub(super) failure: Mutex<Option<io::Error>>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) resets: AtomicU64,
    pub(super) upstream: AtomicU64,
    pub(super) downstream: AtomicU64,
}

impl Shared {
    pub(super) fn failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
