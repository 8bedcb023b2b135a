//! A place where faults can be injected: a `static` that the attribute declares.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::fault::Fault;
use super::injector::{End, Strike};
use super::kind::InjectedFault;
use super::{environment, scope};

/// How many experiments there are, and one for `MMF_CHAOS` until it has been read: zero says to a call that
/// it need not ask.
static ARMED: AtomicU32 = AtomicU32::new(1);

/// Whether a call has to ask whether a fault strikes it.
#[inline]
pub fn is_armed() -> bool {
    // Relaxed: an experiment concerns the calls that begin after it in its own thread or task, which see it;
    // others may begin just before.
    ARMED.load(Ordering::Relaxed) != 0
}

/// Counts an experiment while it lives.
#[derive(Debug)]
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Self {
        ARMED.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ARMED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes back what stood for `MMF_CHAOS` being unread.
pub(super) fn environment_was_read() {
    ARMED.fetch_sub(1, Ordering::Relaxed);
}

/// A place where faults can be injected.
pub struct Point {
    name: fn() -> &'static str,
    file: &'static str,
    line: u32,
    faults: fn() -> Vec<Fault>,
}

/// Puts a point on the list; submitted by the attribute.
#[derive(Debug)]
pub struct Registration(pub &'static Point);

inventory::collect!(Registration);

/// The faults that a point names itself.
pub type Annotated = fn() -> Vec<Fault>;

impl Point {
    /// A point whose name is known once it is asked for.
    pub const fn new(
        name: fn() -> &'static str,
        file: &'static str,
        line: u32,
        faults: Annotated,
    ) -> Self {
        Self { name, file, line, faults }
    }

    pub(super) fn name(&self) -> &'static str {
        (self.name)()
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        (self.faults)()
    }

    /// Tells points apart that have one name.
    pub(super) fn id(&'static self) -> usize {
        std::ptr::from_ref(self) as usize
    }

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

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({} at {}:{})", self.name(), self.file, self.line)
    }
}

pub(super) fn all() -> impl Iterator<Item = &'static Point> {
    inventory::iter::<Registration>.into_iter().map(|registration| registration.0)
}

/// An injection point of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointInfo {
    /// The name that globs match.
    pub name: &'static str,
    /// File and line.
    pub location: String,
}

/// Every injection point of the program, those never called included, by name.
pub fn points() -> Vec<PointInfo> {
    let info = |point: &'static Point| PointInfo {
        name: point.name(),
        location: format!("{}:{}", point.file, point.line),
    };
    let mut points: Vec<_> = all().map(info).collect();
    points.sort();
    points
}

/// Asks for the error of a fault as a function's result: the first of the traits below that applies is used.
#[derive(Debug)]
pub struct Convert<R>(PhantomData<R>);

impl<R> Convert<R> {
    /// Asks for a result of this type.
    #[expect(clippy::new_without_default, reason = "made by the attribute only")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// By `From<InjectedFault>`.
pub trait ByFault<R> {
    /// The result.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<T, E: From<InjectedFault>> ByFault<Result<T, E>> for &&Convert<Result<T, E>> {
    fn result(&self, fault: InjectedFault) -> Option<Result<T, E>> {
        Some(Err(E::from(fault)))
    }
}

/// By `From<io::Error>`.
pub trait ByIo<R> {
    /// The result.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<T, E: From<io::Error>> ByIo<Result<T, E>> for &Convert<Result<T, E>> {
    fn result(&self, fault: InjectedFault) -> Option<Result<T, E>> {
        Some(Err(E::from(io::Error::from(fault))))
    }
}

/// Not at all.
pub trait ByNothing<R> {
    /// Nothing.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<R> ByNothing<R> for Convert<R> {
    fn result(&self, _: InjectedFault) -> Option<R> {
        None
    }
}

/// An error type that a fault can become.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an injected fault",
    label = "no error can be made of this fault",
    note = "write `error(…)` in the kind, or implement `From<mmf::chaos::InjectedFault>` for the error type"
)]
pub trait CarriesFault {
    /// The fault as this error.
    fn carry(fault: InjectedFault) -> Self;
}

impl<E: From<InjectedFault>> CarriesFault for E {
    fn carry(fault: InjectedFault) -> Self {
        fault.into()
    }
}

/// The return type of a function that a fault can fail.
#[diagnostic::on_unimplemented(
    message = "a function that returns `{Self}` cannot fail",
    label = "this fault needs a `Result` to fail with",
    note = "return a `Result`, or name a kind that is late, hangs or panics"
)]
pub trait CanFail {
    /// Of a success.
    type Value;
    /// Of a failure.
    type Error;
    /// The result by the function's own name for it.
    fn of(result: Result<Self::Value, Self::Error>) -> Self;
}

impl<T, E> CanFail for Result<T, E> {
    type Value = T;
    type Error = E;

    fn of(result: Self) -> Self {
        result
    }
}

/// The result of a function whose attribute names a kind that fails.
pub fn failing<R: CanFail>(result: Result<R::Value, R::Error>) -> R {
    R::of(result)
}

/// The fault as such a result.
///
/// # Errors
///
/// The fault, always.
pub fn carried<T, E: CarriesFault>(fault: InjectedFault) -> Result<T, E> {
    Err(E::carry(fault))
}
