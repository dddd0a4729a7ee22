//! Skipping, so that nobody overlooks it.

/// Says that a test is skipped for want of a service, and why; with `DOORSTEP_TEST_STRICT=1` that is a failure.
pub(crate) fn skip(reason: &str) {
    let strict = std::env::var("DOORSTEP_TEST_STRICT").is_ok_and(|value| value == "1");
    assert!(
        !strict,
        "skipped, which DOORSTEP_TEST_STRICT=1 forbids: {reason}"
    );
    println!("skipped: {reason}");
}

/// Says that a test is skipped because it reads somebody else's data, which cannot lie in the repository. No script can
/// fetch them, so this is no failure anywhere; the project's own fixtures go the same way.
pub(crate) fn skip_without_data(reason: &str) {
    println!("skipped: {reason}");
}
