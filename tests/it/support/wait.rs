//! Waiting with an end.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// Long enough for a loaded machine with two cores; a test that needs so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The outcome of `future`, which comes within [`PATIENCE`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what}: nothing came of it within {} s", PATIENCE.as_secs()),
    }
}

/// Asks again and again, for at most [`PATIENCE`], until there is an answer. For facts that nothing announces: rows
/// that another process writes.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// As [`eventually`], with its own patience.
pub(crate) async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < end,
            "{what}: not within {} s",
            patience.as_secs()
        );
        sleep(Duration::from_millis(25)).await;
    }
}
