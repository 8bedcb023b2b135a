//! A file that is looked at again and again: by its content, so that links and network file systems work.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{error, info, warn};

use super::state::{put_in_force, read};

/// How often a file is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A content is believed once it was read twice, so far apart: somebody may be writing it.
const SETTLED: Duration = Duration::from_millis(50);

/// A file that is watched; see [`watch`]. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Watch {
    task: Option<AbortHandle>,
}

impl Watch {
    /// Looks at the file no more. What is in force stays.
    pub fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Puts a file in force, and looks every 2 s whether its content is another; at SIGHUP as well, at once. Where it vanishes or
/// has a mistake, what was before stays, which is told once; what was refused is tried again at each look, as a pipeline that it
/// names may be there by then. Of two files the last is watched.
///
/// Within a runtime, which needs timers, it is looked at by that, outside of one by a thread of its own.
///
/// ```no_run
/// # #[tokio::main] async fn main() {
/// mmf::config::watch("resilience.toml");
/// # }
/// ```
pub fn watch(path: impl Into<PathBuf>) -> Watch {
    static LAST: Mutex<Option<Watch>> = Mutex::new(None);
    hangup();
    let path = path.into();
    let content = content_of(&path);
    // The variable holds without a file as well.
    if content.is_err()
        && let Err(wrong) = put_in_force(&path.display().to_string(), "")
    {
        tell(&path, &wrong.to_string());
    }
    let refused = take(&path, &content, None);
    let watching = again_and_again(path, Seen { content, refused });
    let task = match Handle::try_current() {
        Ok(runtime) => Some(runtime.spawn(watching).abort_handle()),
        Err(_) => by_a_thread(|_| watching),
    };
    let watch = Watch { task };
    let before = LAST.lock().unwrap_or_else(PoisonError::into_inner).replace(watch.clone());
    if let Some(before) = before {
        before.stop();
    }
    watch
}

/// What a look has found: the text, or why there is none.
type Content = Result<String, String>;

/// What was seen last, and why it was refused, where it was.
struct Seen {
    content: Content,
    refused: Option<String>,
}

async fn again_and_again(path: PathBuf, mut seen: Seen) {
    loop {
        let is_asked = wait().await;
        let found = look(&path).await;
        // What was refused may be right by now: a policy that it names may be there. At a hangup the file is in force again, also
        // where somebody has applied something else.
        if found == seen.content && seen.refused.is_none() && !is_asked {
            continue;
        }
        if found != seen.content {
            tokio::time::sleep(SETTLED).await;
            if look(&path).await != found {
                continue;
            }
        }
        let refused = take(&path, &found, seen.refused.as_deref());
        seen = Seen { content: found, refused };
    }
}

fn content_of(path: &Path) -> Content {
    read(path).map_err(|mistake| mistake.to_string())
}

/// Reads on a thread that may block: a file system may hang.
async fn look(path: &Path) -> Content {
    let own = path.to_owned();
    let read = tokio::task::spawn_blocking(move || content_of(&own));
    read.await.unwrap_or_else(|panic| Err(panic.to_string()))
}

/// Puts a content in force; why it was refused, which is told unless it was told `before`.
fn take(path: &Path, found: &Content, before: Option<&str>) -> Option<String> {
    let source = path.display().to_string();
    let refused = match found {
        Ok(text) => put_in_force(&source, text).err().map(|wrong| wrong.to_string()),
        Err(wrong) => Some(wrong.clone()),
    };
    match (&refused, before) {
        (Some(wrong), before) if before == Some(wrong) => {}
        (Some(wrong), _) => tell(path, wrong),
        (None, Some(_)) => info!(target: "mmf::config", source, "configuration is in force again"),
        (None, None) => {}
    }
    refused
}

fn tell(path: &Path, error: &str) {
    let source = path.display().to_string();
    error!(target: "mmf::config", source, error, "configuration refused, and what was in force stays");
}

/// Until it is time to look again; whether somebody asks for it.
async fn wait() -> bool {
    tokio::select! {
        () = tokio::time::sleep(EVERY) => false,
        () = hangup().notified() => true,
    }
}

/// Told of each SIGHUP, which is listened to by a thread of its own: a runtime need not have what that takes.
fn hangup() -> &'static Notify {
    static HANGUP: OnceLock<Arc<Notify>> = OnceLock::new();
    HANGUP.get_or_init(|| {
        let told = Arc::new(Notify::new());
        #[cfg(unix)]
        listen(Arc::clone(&told));
        told
    })
}

#[cfg(unix)]
fn listen(told: Arc<Notify>) {
    use tokio::signal::unix::{SignalKind, signal};

    // At once: the signal ends a process that does not listen.
    let listening = |runtime: &Runtime| {
        let _entered = runtime.enter();
        let signals = signal(SignalKind::hangup());
        async move {
            match signals {
                Ok(mut signals) => {
                    while signals.recv().await.is_some() {
                        told.notify_waiters();
                    }
                }
                Err(error) => {
                    warn!(target: "mmf::config", %error, "SIGHUP cannot be listened to");
                }
            }
        }
    };
    by_a_thread(listening);
}

/// Runs a future on a thread with a runtime of its own.
fn by_a_thread<F>(future: impl FnOnce(&Runtime) -> F) -> Option<AbortHandle>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(target: "mmf::config", %error, "nobody can watch: there is no runtime");
            return None;
        }
    };
    let task = runtime.spawn(future(&runtime));
    let handle = task.abort_handle();
    let thread = std::thread::Builder::new().name("mmf-config".into()).spawn(move || {
        let _ = runtime.block_on(task);
    });
    if let Err(error) = thread {
        error!(target: "mmf::config", %error, "nobody can watch: there is no thread");
    }
    Some(handle)
}
