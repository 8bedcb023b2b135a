//! A place where faults can be injected: a `static` that the attribute declares, or one that a layer makes.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fault::Fault;

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
    name: Name,
    file: &'static str,
    line: u32,
    faults: fn() -> Vec<Fault>,
}

/// How the name of a point is known.
enum Name {
    /// Code of the attribute's.
    By(fn() -> &'static str),
    Said(&'static str),
}

/// The points that layers have made, each once. Under its lock the list is looked through and added to.
static PLACED: Mutex<Vec<&'static Point>> = Mutex::new(Vec::new());

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
        Self { name: Name::By(name), file, line, faults }
    }

    /// The point of this name at this place in the code, made while the program runs. It is never given back: there is
    /// one for each name and place, however often it is asked for.
    pub fn placed(name: &'static str, at: &'static Location<'static>) -> &'static Self {
        let (file, line) = (at.file(), at.line());
        let mut placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = placed
            .iter()
            .find(|point| (point.name(), point.file, point.line) == (name, file, line));
        if let Some(point) = known {
            return point;
        }
        let point =
            Box::leak(Box::new(Self { name: Name::Said(name), file, line, faults: Vec::new }));
        placed.push(point);
        point
    }

    /// Whether it may have been made after an experiment was armed.
    pub(super) fn is_placed(&self) -> bool {
        matches!(self.name, Name::Said(_))
    }

    pub(super) fn name(&self) -> &'static str {
        match self.name {
            Name::By(name) => name(),
            Name::Said(name) => name,
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        (self.faults)()
    }

    /// Tells points apart that have one name.
    pub(super) fn id(&'static self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({} at {}:{})", self.name(), self.file, self.line)
    }
}

pub(super) fn all() -> impl Iterator<Item = &'static Point> {
    let placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    inventory::iter::<Registration>.into_iter().map(|registration| registration.0).chain(placed)
}

/// An injection point of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointInfo {
    /// The name that globs match.
    pub name: &'static str,
    /// File and line.
    pub location: String,
}

/// Every injection point of the program, those never called included, by name; of those in layers, the ones that were made.
pub fn points() -> Vec<PointInfo> {
    let info = |point: &'static Point| PointInfo {
        name: point.name(),
        location: format!("{}:{}", point.file, point.line),
    };
    let mut points: Vec<_> = all().map(info).collect();
    points.sort();
    points
}
