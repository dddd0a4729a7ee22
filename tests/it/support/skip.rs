//! Skipping, so that nobody overlooks it.

/// Says that a test is skipped and why; with `DOORSTEP_TEST_STRICT=1` that is a failure.
pub(crate) fn skip(reason: &str) {
    let strict = std::env::var("DOORSTEP_TEST_STRICT").is_ok_and(|value| value == "1");
    assert!(
        !strict,
        "skipped, which DOORSTEP_TEST_STRICT=1 forbids: {reason}"
    );
    println!("skipped: {reason}");
}
