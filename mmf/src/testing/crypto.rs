//! Pact's crates turn on the feature `rustls-no-provider` of `reqwest`, for the whole program: a client of the
//! user's, or that of OTLP, which has no TLS of its own would then panic where it is built. So there is a provider
//! from the start of every test of ours and of OTLP on, unless the user has chosen one.

/// Installs it, where there is none.
pub(crate) fn provide() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
