//! Arming: for one future, or for the process.

use std::sync::{PoisonError, RwLock};

use super::config::{ChaosConfig, InvalidChaos};
use super::injector::ChaosInjector;
use super::point::Counted;

tokio::task_local! {
    static CURRENT: ChaosInjector;
}

/// The experiments of the process.
static PROCESS: RwLock<Vec<ChaosInjector>> = RwLock::new(Vec::new());

/// What may strike a call that is made here: the scope it runs in alone, so that tests do not meet each
/// other's faults; outside of scopes, the experiments of the process.
pub(super) fn active() -> Vec<ChaosInjector> {
    if let Ok(injector) = CURRENT.try_with(Clone::clone) {
        return vec![injector];
    }
    let process = PROCESS.read().unwrap_or_else(PoisonError::into_inner);
    process
        .iter()
        .filter(|injector| injector.ends() > tokio::time::Instant::now())
        .cloned()
        .collect()
}

/// Arms a config for one future, and for the tasks that it starts by `mmf::spawn`.
///
/// ```
/// use mmf_runtime::chaos::{ChaosConfig, ChaosKind, scope};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let config = ChaosConfig::new().target("users.*").kind(ChaosKind::NetworkDelay);
/// let answer = scope(config).seed(42).run(async { 7 }).await;
/// assert_eq!(answer, 7);
/// # });
/// ```
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
    pub(super) fn quiet(mut self) -> Self {
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
            eprintln!("chaos with seed {seed}: MMF_CHAOS_SEED={seed} repeats it");
        }
        let _counted = Counted::new();
        (CURRENT.scope(injector.clone(), future).await, injector)
    }
}

/// The seed of the environment, else the given one, else a new one.
pub(super) fn seed(given: Option<u64>) -> u64 {
    let variable = std::env::var("MMF_CHAOS_SEED").ok();
    let variable = variable.and_then(|text| match text.parse() {
        Ok(seed) => Some(seed),
        Err(_) => {
            eprintln!("MMF_CHAOS_SEED is {text:?}, expected a whole number; it is left aside");
            None
        }
    });
    variable.or(given).unwrap_or_else(rand::random)
}

/// Lets a future that is spawned be struck as the one that spawns it.
pub(crate) fn carrying<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let current = CURRENT.try_with(Clone::clone).ok();
    async move {
        match current {
            Some(injector) => {
                let _counted = Counted::new();
                CURRENT.scope(injector, future).await
            }
            None => future.await,
        }
    }
}

/// An experiment of the process, until it is dropped or its faults are over.
#[derive(Debug)]
#[must_use = "dropped, it is over"]
pub struct Armed {
    injector: ChaosInjector,
    _counted: Counted,
}

/// Arms a config for the whole process, outside of scopes.
///
/// # Errors
///
/// Where the config can never work.
pub fn arm(config: ChaosConfig, seed: Option<u64>) -> Result<Armed, InvalidChaos> {
    let injector = ChaosInjector::new(config, self::seed(seed))?;
    PROCESS.write().unwrap_or_else(PoisonError::into_inner).push(injector.clone());
    Ok(Armed { injector, _counted: Counted::new() })
}

impl Armed {
    /// What is armed.
    pub fn injector(&self) -> &ChaosInjector {
        &self.injector
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut process = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
        process.retain(|injector| !injector.is(&self.injector));
    }
}
