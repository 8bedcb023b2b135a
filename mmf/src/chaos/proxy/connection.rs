//! One connection through the proxy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::pump::{End, Pump};
use super::shared::Shared;
use super::toxic::Direction;

pub(super) struct Connection {
    shared: Arc<Shared>,
    client: TcpStream,
    number: u64,
}

/// Counts a connection as open until it is dropped.
struct Open<'s>(&'s Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, client: TcpStream, number: u64) -> Self {
        shared.counts.open.fetch_add(1, Ordering::Relaxed);
        Self { shared, client, number }
    }

    /// Carries bytes both ways until both ends are closed, or a toxic ends it.
    pub(super) async fn run(self) {
        let Self { shared, mut client, number } = self;
        let _open = Open(&shared);
        let Ok(mut server) = TcpStream::connect(&shared.upstream[..]).await else {
            shared.counts.unreachable.fetch_add(1, Ordering::Relaxed);
            return;
        };
        for stream in [&client, &server] {
            // Pieces are to arrive as they are sent. Where that cannot be set, they come a little later.
            let _ = stream.set_nodelay(true);
        }
        let made = Instant::now();
        let end = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let pump = |direction| Pump::new(&shared, direction, number, made);
            let upstream = pump(Direction::Upstream).run(from_client, to_server);
            let downstream = pump(Direction::Downstream).run(from_server, to_client);
            both(upstream, downstream).await
        };
        if end == End::Reset {
            shared.counts.resets.fetch_add(1, Ordering::Relaxed);
            for stream in [&client, &server] {
                // Without lingering, closing sends a reset.
                let _ = stream.set_zero_linger();
            }
        }
    }
}

/// Waits for the ends of both directions; one that ends the connection ends the other as well.
async fn both(upstream: impl Future<Output = End>, downstream: impl Future<Output = End>) -> End {
    let (mut upstream, mut downstream) = (std::pin::pin!(upstream), std::pin::pin!(downstream));
    let (first, is_upstream) = tokio::select! {
        end = &mut upstream => (end, true),
        end = &mut downstream => (end, false),
    };
    match first {
        End::Source if is_upstream => downstream.await,
        End::Source => upstream.await,
        end => end,
    }
}
