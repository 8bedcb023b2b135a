//! The network between users and accounts, which can be made to fail.

use std::time::Duration;

use mmf::chaos::proxy::{Direction, Proxy, Toxic};

pub(crate) struct Network(Proxy);

impl Network {
    pub(crate) async fn to(port: u16) -> std::io::Result<Self> {
        Ok(Self(Proxy::start(("127.0.0.1", port)).await?))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// Every answer comes late.
    pub(crate) fn delay(&self, time: Duration) {
        self.0.add("late", Direction::Downstream, Toxic::latency(time));
    }

    /// Nothing goes through, and connections are refused.
    pub(crate) async fn fail(&self) {
        self.0.down().await;
    }

    /// As if nothing had been.
    pub(crate) async fn mend(&self) -> std::io::Result<()> {
        self.0.clear();
        self.0.up().await
    }
}
