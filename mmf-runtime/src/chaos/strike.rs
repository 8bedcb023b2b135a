//! A call at a point: what strikes it, by the experiments that are armed for it.

use std::pin::Pin;
use std::time::Duration;

use super::injector::{End, Strike};
use super::kind::InjectedFault;
use super::point::Point;
use super::{environment, scope};

impl Point {
    /// What strikes the next call: its delay is waited for here; it may never end, or panic; an error comes
    /// back.
    ///
    /// # Panics
    ///
    /// Where that is the fault.
    #[cold]
    pub fn strike(&'static self) -> Pin<Box<dyn Future<Output = Option<InjectedFault>> + Send>> {
        Box::pin(async move {
            let Strike { delay, end, .. } = self.decide();
            if delay > Duration::ZERO {
                tokio::time::sleep(delay).await;
            }
            match end {
                None => None,
                Some(End::Error(fault)) => Some(fault),
                Some(End::Hang(_)) => std::future::pending().await,
                Some(End::Panic(fault)) => panic!("{fault}"),
            }
        })
    }

    /// The same for a function that is not `async`, which waits on its thread. A hang is noted as one that
    /// cannot be.
    ///
    /// # Panics
    ///
    /// Where that is the fault.
    #[cold]
    pub fn strike_blocking(&'static self) -> Option<InjectedFault> {
        let Strike { delay, end, .. } = self.decide();
        std::thread::sleep(delay);
        match end {
            None => None,
            Some(End::Error(fault)) => Some(fault),
            Some(End::Hang(fault)) => {
                self.unable(fault);
                None
            }
            Some(End::Panic(fault)) => panic!("{fault}"),
        }
    }

    fn decide(&'static self) -> Strike {
        environment::read();
        let mut all = Strike::default();
        for injector in scope::active() {
            let strike = injector.strike(self);
            all.delay = all.delay.saturating_add(strike.delay);
            all.end = all.end.or(strike.end);
        }
        all
    }

    /// Notes that the function could not carry a fault.
    #[cold]
    pub fn unable(&'static self, fault: InjectedFault) {
        for injector in scope::active() {
            injector.unable_to(fault);
        }
    }

    /// Notes how a call ended.
    #[cold]
    pub fn observe(&'static self, failed: bool) {
        for injector in scope::active() {
            injector.observe(failed);
        }
    }
}
