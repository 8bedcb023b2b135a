//! The life cycle of a service: logging is set up, *starting*, *ready* and *shutting down* are logged,
//! signals become a future, and running operations are waited for at the end.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};

use crate::logging::{Chain, LoggingConfig, ServiceLogger, init};
use crate::stderr;

/// A running service, as `#[service]` hands it to `main`. Clones are the same service.
#[derive(Clone, Debug)]
pub struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    logger: ServiceLogger,
    ready: AtomicBool,
    ended: AtomicBool,
    /// Why the service is to end, once it is.
    shutdown: watch::Sender<Option<&'static str>>,
    /// When its end began, which is logged then.
    told: OnceLock<Instant>,
    shutdown_timeout: Duration,
}

/// The operations that run in this process, which has one service.
pub(crate) static RUNNING: Operations =
    Operations { running: AtomicUsize::new(0), idle: Notify::const_new() };

pub(crate) struct Operations {
    running: AtomicUsize,
    /// Told whenever none runs any more.
    idle: Notify,
}

/// Counts an operation as running until it is dropped.
pub(crate) struct Running(&'static Operations);

impl Operations {
    pub(crate) fn begin(&'static self) -> Running {
        // Relaxed: a count. What the operation did is published by other means.
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }

    /// Waits until none runs, at most so long; how many had to be left.
    async fn drained(&self, at_most: Duration) -> usize {
        let drained = async {
            loop {
                // Registered before the look, so that no end falls between them.
                let mut idle = std::pin::pin!(self.idle.notified());
                idle.as_mut().enable();
                if self.running.load(Ordering::Relaxed) == 0 {
                    return;
                }
                idle.await;
            }
        };
        let _ = tokio::time::timeout(at_most, drained).await;
        self.running.load(Ordering::Relaxed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// The process, which has one service, is to end.
static SHUTTING_DOWN: AtomicBool = AtomicBool::new(false);
/// In milliseconds.
static DRAIN_DELAY: AtomicU64 = AtomicU64::new(0);

/// Whether the service of this process is to end: from a signal on, before its drain delay.
pub fn is_shutting_down() -> bool {
    // Relaxed, here and below: values of their own.
    SHUTTING_DOWN.load(Ordering::Relaxed)
}

/// There is a service, and it has not said that it is ready.
static STARTING: AtomicBool = AtomicBool::new(false);

/// Whether the service of this process has yet to say that it is ready; without a service, never.
pub fn is_starting() -> bool {
    STARTING.load(Ordering::Relaxed)
}

/// How long it is from SIGTERM to the end of [`Service::shutdown_requested`].
pub fn set_drain_delay(delay: Duration) {
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    DRAIN_DELAY.store(millis, Ordering::Relaxed);
}

impl Service {
    fn new(name: &'static str, shutdown_timeout: Duration) -> Self {
        STARTING.store(true, Ordering::Relaxed);
        Self(Arc::new(Shared {
            shutdown_timeout,
            logger: ServiceLogger::new(name),
            ready: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            shutdown: watch::Sender::new(None),
            told: OnceLock::new(),
        }))
    }

    /// The name given to the attribute.
    pub fn name(&self) -> &'static str {
        self.0.logger.name()
    }

    /// The logger of this service.
    pub fn logger(&self) -> &ServiceLogger {
        &self.0.logger
    }

    /// Says that the service takes requests now; logged once.
    pub fn ready(&self, port: u16) {
        STARTING.store(false, Ordering::Relaxed);
        // Relaxed: nothing is published by it.
        if !self.0.ready.swap(true, Ordering::Relaxed) {
            self.0.logger.service_ready(port);
        }
    }

    /// Whether it is alive: until `main` has ended. For probes of liveness; those of readiness ask
    /// [`is_ready`](Self::is_ready).
    pub fn is_alive(&self) -> bool {
        !self.0.ended.load(Ordering::Relaxed)
    }

    /// Whether it takes requests: [`ready`](Self::ready) was called, and no shutdown was requested.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
            && self.0.shutdown.borrow().is_none()
            && !is_shutting_down()
    }

    /// Ready once the service is to end: by SIGTERM, where there is a drain delay after that, by Ctrl-C, or by
    /// [`request_shutdown`](Self::request_shutdown).
    pub fn shutdown_requested(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut shutdown = self.0.shutdown.subscribe();
        async move {
            // The sender lives as long as the service; were it gone, that would be the end as well.
            let _ = shutdown.wait_for(Option::is_some).await;
        }
    }

    /// Asks the service to end.
    pub fn request_shutdown(&self) {
        self.request("requested");
    }

    fn request(&self, reason: &'static str) {
        SHUTTING_DOWN.store(true, Ordering::Relaxed);
        self.0.shutdown.send_if_modified(|known| known.replace(reason).is_none());
    }

    /// Runs `main` to its end; nothing where that is later than `shutdown_timeout` after a requested shutdown.
    async fn until_end<F: Future>(&self, main: F) -> Option<F::Output> {
        let limit = async {
            self.shutdown_requested().await;
            let reason = self.0.shutdown.borrow().unwrap_or("requested");
            self.tell_shutdown(reason);
            tokio::time::sleep(self.time_left()).await;
        };
        tokio::select! {
            biased;
            ended = main => Some(ended),
            () = limit => None,
        }
    }

    /// From now on the process ends, and everything on its way out has the rest of `shutdown_timeout`; whether it
    /// had not begun to.
    fn begin_end(&self, reason: &'static str) -> bool {
        self.request(reason);
        let now = Instant::now();
        let begins = self.0.told.set(now).is_ok();
        if begins && let Some(end) = now.checked_add(self.0.shutdown_timeout) {
            crate::logging::end_waits_at(end);
        }
        begins
    }

    /// Logs that the service ends, once.
    fn tell_shutdown(&self, reason: &'static str) {
        if self.begin_end(reason) {
            self.0.logger.service_shutdown(reason);
        }
    }

    /// What is left of the time since the end began.
    fn time_left(&self) -> Duration {
        let since = self.0.told.get().map(Instant::elapsed).unwrap_or_default();
        self.0.shutdown_timeout.saturating_sub(since)
    }

    /// Runs a future as an operation that the end of the service waits for.
    pub async fn operation<F: Future>(&self, future: F) -> F::Output {
        let _running = RUNNING.begin();
        future.await
    }
}

/// What the attribute says of a service.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit it was built from, where the build knows.
    pub commit: Option<&'static str>,
    /// Whether it was built with debug assertions.
    pub debug: bool,
    /// Where it runs; without, what the variable `ENVIRONMENT` says, or `development`.
    pub environment: Option<&'static str>,
    /// The threads of its runtime.
    pub threads: Threads,
    /// How long its end waits for running operations.
    pub shutdown_timeout: Duration,
    /// What is set about its logging.
    pub logging: fn(LoggingConfig) -> LoggingConfig,
}

/// The threads of a tokio runtime.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    /// A worker for each core.
    OnePerCore,
    /// So many workers.
    Many(usize),
    /// The thread of `main` alone.
    Current,
}

/// What a `main` may return.
#[diagnostic::on_unimplemented(
    message = "`main` of a service cannot return `{Self}`",
    label = "not an ending of a service",
    note = "return nothing, or `Result<(), E>` where `E` is an error: it implements `std::error::Error`, or \
            is a box of one"
)]
pub trait Ending {
    /// The error it ended with.
    fn error(self) -> Option<Box<dyn Error + Send + Sync>>;
}

impl Ending for () {
    fn error(self) -> Option<Box<dyn Error + Send + Sync>> {
        None
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Ending for Result<(), E> {
    fn error(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// Runs a service from its begin to its end.
pub fn run<F>(settings: Settings, main: impl FnOnce(Service) -> F) -> ExitCode
where
    F: Future<Output: Ending>,
{
    let begun = Instant::now();
    let environment = settings.environment.map(ToOwned::to_owned);
    let environment = environment.or_else(|| std::env::var("ENVIRONMENT").ok());
    let environment = environment.unwrap_or_else(|| "development".into());
    let config = LoggingConfig::new(settings.name)
        .version(settings.version)
        .environment(environment.clone());
    let logging = match init((settings.logging)(config)) {
        Ok(logging) => logging,
        Err(error) => {
            let error = Chain(&error).to_string();
            let error = crate::url::without_credentials(&error);
            stderr::tell(format_args!("{} cannot log: {error}", settings.name));
            return ExitCode::FAILURE;
        }
    };
    #[cfg(feature = "chaos")]
    crate::chaos::read_environment();
    let service = Service::new(settings.name, settings.shutdown_timeout);
    crate::service_startup!(
        service.0.logger,
        settings.version,
        &environment,
        profile = if settings.debug { "debug" } else { "release" },
        commit = settings.commit
    );
    let mut builder = match settings.threads {
        Threads::Current => Builder::new_current_thread(),
        Threads::OnePerCore | Threads::Many(_) => Builder::new_multi_thread(),
    };
    if let Threads::Many(threads) = settings.threads {
        builder.worker_threads(threads);
    }
    watch_for_the_end(&service);
    let code = match builder.enable_all().build() {
        Ok(runtime) => {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async { service.until_end(main(service.clone())).await })
            }));
            let code = match ended {
                Ok(None) => {
                    let timeout_ms = settings.shutdown_timeout.as_millis() as u64;
                    tracing::warn!(
                        target: "mmf::service", timeout_ms,
                        "main had not ended when shutdown_timeout was over, and is left"
                    );
                    SUCCESS
                }
                Ok(Some(ended)) => end(&service, Ok(ended.error())),
                Err(panic) => end(&service, Err(panic)),
            };
            let left = runtime.block_on(RUNNING.drained(service.time_left()));
            if left > 0 {
                tracing::warn!(target: "mmf::service", left, "operations had to be left running");
            }
            // What blocks a thread must not keep the process.
            runtime.shutdown_background();
            code
        }
        Err(error) => end(&service, Ok(Some(error.into()))),
    };
    logging.tell_repeats();
    let duration_ms = begun.elapsed().as_micros() as f64 / 1000.0;
    tracing::info!(
        target: "mmf::service", status = "stopped", exit_code = code, duration_ms,
        "{} stopped", settings.name
    );
    logging.end_within(service.time_left().max(LEAST_FOR_THE_LAST_LINES));
    ExitCode::from(code)
}

/// What `main` ended with, as the exit code of the process.
const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
/// As a program that panicked ends.
const PANIC: u8 = 101;

/// Lines that a reader takes at once are written, also where `shutdown_timeout` is over.
const LEAST_FOR_THE_LAST_LINES: Duration = Duration::from_millis(250);

/// Turns signals into a requested shutdown, from here on and until the very end, and sees to it that there is
/// one: on a thread that neither logs nor depends on the runtime of `main`, all of whose threads may stand still.
/// A second signal, or a process that still lives after `shutdown_timeout`, ends it at once and without a word.
fn watch_for_the_end(service: &Service) {
    let (caught, is_caught) = std::sync::mpsc::sync_channel(1);
    let watched = service.clone();
    let thread = std::thread::Builder::new().name("mmf-signals".into()).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let watching = runtime.map(|runtime| runtime.block_on(watch(watched, &caught)));
        if let Err(error) = watching {
            // Whoever waits for it may be gone.
            let _ = caught.send(Err(error));
        }
    });
    let watching = thread.and_then(|_| is_caught.recv().unwrap_or(Ok(())));
    if let Err(error) = watching {
        tracing::warn!(target: "mmf::service", %error, "signals cannot be listened to");
    }
}

async fn watch(service: Service, caught: &std::sync::mpsc::SyncSender<std::io::Result<()>>) {
    let mut signals = match Signals::catch() {
        Ok(signals) => Some(signals),
        Err(error) => {
            let _ = caught.send(Err(error));
            None
        }
    };
    if signals.is_some() {
        let _ = caught.send(Ok(()));
    }
    let mut next_signal = async || match &mut signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    };
    let mut signal_came = false;
    tokio::select! {
        signal = next_signal() => {
            signal_came = true;
            // Readiness goes first, for whoever sends requests here; who presses Ctrl-C does not wait for that.
            SHUTTING_DOWN.store(true, Ordering::Relaxed);
            let delay = Duration::from_millis(DRAIN_DELAY.load(Ordering::Relaxed));
            if signal == TERMINATED && !delay.is_zero() {
                tell_drain(signal, delay);
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = service.shutdown_requested() => {}
                    _ = next_signal() => end_now(),
                }
            }
            service.request(signal);
        }
        () = service.shutdown_requested() => {}
    }
    if let Some(end) = Instant::now().checked_add(service.0.shutdown_timeout) {
        crate::logging::end_waits_at(end);
    }
    let again = async {
        if !signal_came {
            next_signal().await;
        }
        next_signal().await;
    };
    /// What is left to do after `shutdown_timeout` takes less.
    const GRACE: Duration = Duration::from_secs(1);
    tokio::select! {
        () = again => {}
        () = tokio::time::sleep(service.0.shutdown_timeout.saturating_add(GRACE)) => {}
    }
    end_now();
}

/// Ends the process, with 1. What runs on the way out may stand still as well, such as the text that `print!` left in
/// the buffer of standard output: then it is killed.
fn end_now() -> ! {
    let _ = std::thread::Builder::new().spawn(|| std::process::exit(1));
    std::thread::sleep(Duration::from_millis(250));
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// On a thread of its own: whoever writes the log may stand still, and who waits for signals does not.
fn tell_drain(reason: &'static str, delay: Duration) {
    let _ = std::thread::Builder::new().spawn(move || {
        let delay_ms = delay.as_millis() as u64;
        tracing::info!(
            target: "mmf::service", reason, delay_ms,
            "not ready any more, and shutting down after the drain delay"
        );
    });
}

/// Somebody else ends it, such as Kubernetes.
const TERMINATED: &str = "signal SIGTERM";

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => TERMINATED,
            _ = self.interrupt.recv() => "signal SIGINT",
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> &'static str {
        self.0.recv().await;
        "signal Ctrl-C"
    }
}

/// Logs why the service ends. A panic was logged when it happened.
fn end(
    service: &Service,
    ended: Result<Option<Box<dyn Error + Send + Sync>>, Box<dyn std::any::Any + Send>>,
) -> u8 {
    let logger = &service.0.logger;
    service.0.ended.store(true, Ordering::Relaxed);
    match ended {
        Ok(None) => {
            let reason = service.0.shutdown.borrow().unwrap_or("completed");
            service.tell_shutdown(reason);
            SUCCESS
        }
        Ok(Some(error)) => {
            service.begin_end("error");
            tracing::error!(
                target: "mmf::service", status = "shutting_down", reason = "error",
                error = &*error as &(dyn Error + 'static),
                "{} is shutting down", logger.name()
            );
            FAILURE
        }
        Err(_panic) => {
            service.begin_end("panic");
            tracing::error!(
                target: "mmf::service", status = "shutting_down", reason = "panic",
                "{} is shutting down", logger.name()
            );
            PANIC
        }
    }
}
