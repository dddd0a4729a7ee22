//! The HTTP client of commands and of the demo.

use std::time::Duration;

/// A client with rustls over ring, the one TLS library in the tree.
///
/// # Errors
/// It cannot be built.
pub fn http() -> Result<reqwest::Client, reqwest::Error> {
    // A second call finds the provider installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
}
