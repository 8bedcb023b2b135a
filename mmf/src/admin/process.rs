//! Which process it is: with several pages open at night nobody should switch something in the wrong one.

use std::sync::LazyLock;

use mmf_runtime::logging;
use serde::Serialize;

use super::time::now;

/// A process, as far as it knows itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Process {
    /// The service, as its logging has it, else the program.
    service: String,
    version: Option<String>,
    host: String,
    pid: u32,
    /// When the page was set up, in milliseconds since 1970.
    since: u64,
}

static HOST: LazyLock<String> = LazyLock::new(logging::host);
static SINCE: LazyLock<u64> = LazyLock::new(now);

/// The page is set up.
pub(super) fn begin() {
    let _ = *SINCE;
}

impl Process {
    pub(super) fn this() -> Self {
        let program = || {
            let file = std::env::current_exe().ok()?;
            Some(file.file_name()?.to_string_lossy().into_owned())
        };
        let (service, version) = match logging::service() {
            Some((service, version)) => (service, version),
            None => (program().unwrap_or_default(), None),
        };
        Self { service, version, host: HOST.clone(), pid: std::process::id(), since: *SINCE }
    }
}
