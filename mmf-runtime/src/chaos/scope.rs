//! Arming: for one future, or for the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::config::{ChaosConfig, InvalidChaos};
use super::history::Injection;
use super::injector::ChaosInjector;
use super::point::Counted;
use super::{excerpt, release};
use crate::clock;
use crate::stderr::tell;

tokio::task_local! {
    static CURRENT: ChaosInjector;
}

/// The experiments of the process. Under its lock the list is copied and changed; none of it ends there, since
/// whoever takes one off the list still holds it.
static PROCESS: RwLock<Vec<ChaosInjector>> = RwLock::new(Vec::new());

/// What may strike a call that is made here: the scope it runs in alone, so that tests do not meet each
/// other's faults; outside of scopes, and once that one has ended, the experiments of the process.
pub(super) fn active() -> Vec<ChaosInjector> {
    if let Some(injector) = current() {
        return vec![injector];
    }
    of_process()
}

/// The experiments of the process whose time is not over.
fn of_process() -> Vec<ChaosInjector> {
    let now = clock::now();
    let process = PROCESS.read().unwrap_or_else(PoisonError::into_inner);
    process.iter().filter(|injector| injector.ends() > now).cloned().collect()
}

/// The scope that this runs in, while it lives: a task may outlive the one that it was spawned in.
fn current() -> Option<ChaosInjector> {
    CURRENT.try_with(Clone::clone).ok().filter(|injector| !injector.is_over())
}

/// The experiments of the process that strike now, by `MMF_CHAOS` or [`arm`]; scopes, which belong to one future, are not among
/// them. [`ChaosInjector::disarm`] ends one.
///
/// ```
/// # use mmf_runtime as mmf;
/// assert!(mmf::chaos::armed().is_empty());
/// ```
pub fn armed() -> Vec<ChaosInjector> {
    of_process().into_iter().filter(|injector| !injector.is_through()).collect()
}

/// What was injected so far: by the scope that this runs in, else by the experiments of the process, in the
/// order of points and calls.
///
/// ```
/// # use mmf_runtime as mmf;
/// assert!(mmf::chaos::history().is_empty());
/// ```
pub fn history() -> Vec<Injection> {
    let mut injections: Vec<_> = active().iter().flat_map(ChaosInjector::history).collect();
    injections.sort();
    injections
}

/// Arms a config for one future, and until that ends for the tasks that it starts by `mmf::spawn`.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::chaos::{ChaosConfig, ChaosKind, scope};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let config = ChaosConfig::new().target("users.*").kind(ChaosKind::NetworkDelay);
/// let answer = scope(config).seed(42).run(async { 7 }).await;
/// assert_eq!(answer, 7);
/// # });
/// ```
#[doc(alias = "chaos_context")]
pub fn scope(config: ChaosConfig) -> Scope {
    Scope { config, seed: None, quiet: false }
}

/// A config on its way to a future; see [`scope`].
#[derive(Clone, Debug)]
#[must_use = "nothing is armed until `run`"]
pub struct Scope {
    config: ChaosConfig,
    seed: Option<u64>,
    quiet: bool,
}

impl Scope {
    /// The seed that repeats what was injected. Default: a new one, which is printed. `MMF_CHAOS_SEED` goes
    /// before both.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Without a word about the seed, for whoever tells it otherwise.
    #[doc(hidden)]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs a future under it.
    ///
    /// # Panics
    ///
    /// Where the config can never work.
    pub async fn run<F: Future>(self, future: F) -> F::Output {
        self.run_reported(future).await.0
    }

    /// Runs a future under it, and hands over what knows what was injected.
    ///
    /// # Panics
    ///
    /// Where the config can never work.
    pub async fn run_reported<F: Future>(self, future: F) -> (F::Output, ChaosInjector) {
        let seed = seed(self.seed);
        let injector =
            ChaosInjector::new(self.config, seed).unwrap_or_else(|error| panic!("{error}"));
        if !self.quiet {
            tell(format_args!("chaos with seed {seed}: MMF_CHAOS_SEED={seed} repeats it"));
        }
        // Dropped with this future as well, where that is given up half-way.
        let running = Running::new(injector.clone());
        let output = CURRENT.scope(injector.clone(), future).await;
        drop(running);
        (output, injector)
    }
}

/// The seed of the environment, else the given one, else a new one.
pub fn seed(given: Option<u64>) -> u64 {
    let variable = std::env::var("MMF_CHAOS_SEED").ok();
    let variable = variable.and_then(|text| match text.parse() {
        Ok(seed) => Some(seed),
        Err(_) => {
            tell(format_args!(
                "MMF_CHAOS_SEED is {}, expected a whole number; it is left aside",
                excerpt::quoted(&text)
            ));
            None
        }
    });
    variable.or(given).unwrap_or_else(rand::random)
}

/// Lets a future that is spawned be struck as the one that spawns it, until the scope of that ends.
pub(crate) fn carrying<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let current = current();
    async move {
        match current {
            Some(injector) => CURRENT.scope(injector, future).await,
            None => future.await,
        }
    }
}

/// An experiment that strikes and is counted, until this is dropped.
#[derive(Debug)]
struct Running {
    injector: ChaosInjector,
    _counted: Counted,
}

impl Running {
    fn new(injector: ChaosInjector) -> Self {
        Self { injector, _counted: Counted::new() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.injector.finish();
    }
}

/// An experiment of the process, until it is dropped or its faults are over.
#[derive(Debug)]
#[must_use = "dropped, it is over"]
pub struct Armed(Running);

/// Arms a config for the whole process, outside of scopes.
///
/// # Errors
///
/// Where the config can never work; and in a release build, unless `MMF_CHAOS_ALLOW_RELEASE=1` stands in the
/// environment.
pub fn arm(config: ChaosConfig, seed: Option<u64>) -> Result<Armed, InvalidChaos> {
    if let Some(refusal) = release::refusal() {
        return Err(InvalidChaos(format!(
            "a config for the whole process {refusal}, and `scope` arms one future without"
        )));
    }
    let injector = ChaosInjector::new(config, self::seed(seed))?;
    PROCESS.write().unwrap_or_else(PoisonError::into_inner).push(injector.clone());
    Ok(Armed(Running::new(injector)))
}

/// Arms what was made ready for the whole process, and sets the flag; nothing, where that is set already.
pub(super) fn arm_first(flag: &AtomicBool, injectors: Vec<ChaosInjector>) -> Option<Vec<Armed>> {
    let mut process = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
    // Under the lock: whoever finds the flag set finds the list complete.
    if flag.swap(true, Ordering::Release) {
        return None;
    }
    process.extend_from_slice(&injectors);
    drop(process);
    Some(injectors.into_iter().map(|injector| Armed(Running::new(injector))).collect())
}

impl Armed {
    /// What is armed.
    pub fn injector(&self) -> &ChaosInjector {
        &self.0.injector
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut process = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
        process.retain(|injector| !injector.is(self.injector()));
    }
}
