//! The proxy: its port, and what it accepts there.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::connection::Connection;
use super::shared::{Counts, Shared};
use super::toxic::{Direction, Entry, Toxic};

/// How long nothing is accepted after that has failed.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// A TCP proxy whose network can be made to fail. Dropped, it closes every connection and its port.
///
/// ```no_run
/// use std::time::Duration;
/// use mmf::chaos::proxy::{Direction, Proxy, Toxic};
///
/// # async fn example() -> std::io::Result<()> {
/// let proxy = Proxy::start("127.0.0.1:5432").await?;
/// // Connect to proxy.address() in place of the database.
/// proxy.add("slow", Direction::Downstream, Toxic::latency(Duration::from_millis(200)));
/// proxy.remove("slow");
/// proxy.down().await; // connections are refused
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: JoinHandle<()>,
}

/// What went through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyCounts {
    /// Connections that clients made.
    pub connections: u64,
    /// Of them, those that are open.
    pub open: u64,
    /// Of them, those for which the server could not be reached.
    pub unreachable: u64,
    /// Connections that were reset.
    pub resets: u64,
    /// Bytes that went from clients to the server.
    pub upstream_bytes: u64,
    /// Bytes that went from the server to clients.
    pub downstream_bytes: u64,
}

impl Proxy {
    /// Listens on a free port of loopback for connections to `upstream`.
    ///
    /// # Errors
    ///
    /// Where the address is none, or no port is free.
    pub async fn start(upstream: impl ToSocketAddrs) -> io::Result<Self> {
        Self::start_seeded(upstream, 0).await
    }

    /// The same with a seed for what is left to chance: jitter, slices and toxicity.
    ///
    /// # Errors
    ///
    /// Where the address is none, or no port is free.
    pub async fn start_seeded(upstream: impl ToSocketAddrs, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: lookup_host(upstream).await?.collect(),
            toxics: watch::Sender::default(),
            is_up: watch::Sender::new(true),
            was_up: watch::Sender::new(true),
            counts: Counts::default(),
            seed,
            failure: Mutex::new(None),
        });
        let acceptor = tokio::spawn(accept(Arc::clone(&shared), listener, address));
        Ok(Self { shared, address, acceptor })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a toxic, or replaces the one of this name; at once, also for open connections and what waits in them.
    pub fn add(&self, name: impl Into<String>, direction: Direction, toxic: Toxic) {
        self.add_with_toxicity(name, direction, toxic, 1.0);
    }

    /// The same for a share of connections.
    ///
    /// # Panics
    ///
    /// Where the toxicity does not lie between 0 and 1.
    pub fn add_with_toxicity(
        &self,
        name: impl Into<String>,
        direction: Direction,
        toxic: Toxic,
        toxicity: f64,
    ) {
        assert!((0.0..=1.0).contains(&toxicity), "a toxicity lies between 0 and 1, not {toxicity}");
        let entry = Entry::new(name.into(), direction, toxic, toxicity);
        self.change(|toxics| match toxics.iter_mut().find(|known| known.name == entry.name) {
            Some(known) => *known = entry,
            None => toxics.push(entry),
        });
    }

    /// Takes a toxic back, and lets go what waited for it alone; whether there was one of this name.
    pub fn remove(&self, name: &str) -> bool {
        let mut found = false;
        self.change(|toxics| {
            let before = toxics.len();
            toxics.retain(|known| known.name != name);
            found = toxics.len() < before;
        });
        found
    }

    /// Takes every toxic back.
    pub fn clear(&self) {
        self.change(Vec::clear);
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) {
        self.shared.toxics.send_modify(|toxics| change(Arc::make_mut(toxics)));
    }

    /// Closes every connection and the port: from then on, who connects is refused.
    pub async fn down(&self) {
        self.shared.is_up.send_replace(false);
        let mut was_up = self.shared.was_up.subscribe();
        // The sender lives as long as this proxy.
        let _ = was_up.wait_for(|up| !up).await;
    }

    /// Opens the port again.
    ///
    /// # Errors
    ///
    /// Where somebody else has taken it meanwhile.
    pub async fn up(&self) -> io::Result<()> {
        self.shared.is_up.send_replace(true);
        let mut was_up = self.shared.was_up.subscribe();
        let failure = || self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The attempt that fails says so by telling what it was already.
        let _ = was_up.wait_for(|up| *up || self.shared.failed()).await;
        failure().map_or(Ok(()), Err)
    }

    /// What has gone through so far.
    pub fn counts(&self) -> ProxyCounts {
        let counts = &self.shared.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ProxyCounts {
            connections: read(&counts.connections),
            open: read(&counts.open),
            unreachable: read(&counts.unreachable),
            resets: read(&counts.resets),
            upstream_bytes: read(&counts.upstream),
            downstream_bytes: read(&counts.downstream),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Accepts while the proxy is up; opens the port anew when it comes up again.
async fn accept(shared: Arc<Shared>, first: TcpListener, address: SocketAddr) {
    let mut is_up = shared.is_up.subscribe();
    let mut listener = Some(first);
    // Dropped with this task, which closes them.
    let mut connections = JoinSet::new();
    loop {
        if !*is_up.borrow_and_update() {
            listener = None;
            connections.shutdown().await;
            shared.was_up.send_replace(false);
            if is_up.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => match listen_again(address) {
                Ok(open) => {
                    shared.was_up.send_replace(true);
                    open
                }
                Err(error) => {
                    *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    shared.is_up.send_replace(false);
                    shared.was_up.send_replace(false);
                    continue;
                }
            },
        };
        tokio::select! {
            changed = is_up.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = open.accept() => {
                match accepted {
                    Ok((client, _)) => {
                        let number = shared.counts.connections.fetch_add(1, Ordering::Relaxed);
                        let connection = Connection::new(Arc::clone(&shared), client, number);
                        connections.spawn(connection.run());
                    }
                    Err(error) if concerns_one_connection(&error) => {}
                    // Without a descriptor the next attempt would fail at once, and the one after that.
                    Err(_) => {
                        let _ = timeout(BETWEEN_ATTEMPTS, is_up.changed()).await;
                    }
                }
            }
            Some(_) = connections.join_next() => {}
        }
        listener = Some(open);
    }
}

/// Whether a connection was given up before it was accepted, which says nothing of the next.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

fn listen_again(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
