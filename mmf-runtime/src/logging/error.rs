//! Why logging could not be set up.

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A level that is none.
    #[error("the level {directives:?} is not understood: {reason}")]
    Level {
        /// What was given.
        directives: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else logs in this process already.
    #[error("another subscriber is set up in this process already")]
    AlreadySet,
    /// Nobody has set the logging of this process up, so there is no level to change.
    #[error(
        "logging is not set up by `mmf::logging::init` or `#[service]`, so its level is not ours to change"
    )]
    NotSet,
    /// A thread that writes or exports could not be started.
    #[error("a thread for logging cannot be started")]
    Thread(#[from] std::io::Error),
    /// The variables of OTLP do not say where spans and metrics can go.
    #[cfg(feature = "otel")]
    #[error("spans and metrics cannot be exported by OTLP")]
    Export(#[source] Box<dyn std::error::Error + Send + Sync>),
}
